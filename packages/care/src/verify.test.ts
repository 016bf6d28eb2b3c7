import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { bytesToHex, concatBytes, hexToBytes, u32be } from '@bletchley/bytes'
import { sealDelta } from '@bletchley/state'
import { TestPrincipal } from '@bletchley/testkit'
import { describe, expect, it } from 'vitest'
import { address, damage, deltas, recordKey, withStore, worker } from '../test/worker.ts'
import { type Finding, verify } from './index.ts'

/** A worker with three contracts: one of bytecode, two of deltas. */
async function three() {
  const folder = await worker()
  await withStore(folder.data, (store) => store.putDeltas([...deltas(2, 0, 4), ...deltas(3, 0, 2)]))
  return folder
}

it('looks at all contracts in the order of their addresses, or at those that are named', async () => {
  await using folder = await three()
  const dataFolder = folder.data
  const looked = async (options: { addresses?: Uint8Array[]; after?: Uint8Array }) => {
    const seen: number[] = []
    const told: [number, number][] = []
    const onProgress = (...progress: [number, number]) => void told.push(progress)
    const result = await verify({ dataFolder, ...options, onContract: ([first]) => void seen.push(first!), onProgress })
    expect(result).toEqual({ contracts: seen.length, broken: 0, decrypted: 0, findings: 0 })
    expect(told).toEqual(seen.map((_, index) => [index + 1, seen.length]))
    return seen
  }
  expect(await looked({})).toEqual([1, 2, 3])
  expect(await looked({ after: address(1) })).toEqual([2, 3])
  expect(await looked({ after: address(3) })).toEqual([])
  expect(await looked({ addresses: [address(3), address(1)] })).toEqual([3, 1])
  expect(await looked({ addresses: [] })).toEqual([])
})

it('tells each finding, and counts the contracts that have any', async () => {
  await using folder = await three()
  const dataFolder = folder.data
  await damage(dataFolder, [
    { key: recordKey(2, 1, 0), value: undefined },
    { key: recordKey(2, 1, 2), value: undefined },
    // As long as a receipt may be, but with no reply in it.
    { key: recordKey(3, 5, 1), value: new Uint8Array(40) },
    { key: Uint8Array.of(2), value: undefined },
  ])
  const findings = async (addresses?: Uint8Array[]) => {
    const found: string[] = []
    const onFinding = ({ address: of, problem }: Finding) => void found.push(`${of?.[0]}: ${problem}`)
    const result = await verify({ dataFolder, addresses, onFinding })
    expect(result.findings).toBe(found.length)
    return { broken: result.broken, found }
  }
  const ofContracts = ['2: delta 0 is missing', '2: delta 2 is missing', '3: the receipt of delta 1 is damaged']
  expect(await findings()).toEqual({
    broken: 2,
    found: [...ofContracts, 'undefined: the record of the next contract number is damaged'],
  })
  // What is around the contracts is looked at with all of them.
  expect(await findings([address(2)])).toEqual({ broken: 1, found: ofContracts.slice(0, 2) })
  expect(await findings([address(9)])).toEqual({ broken: 1, found: ['9: there is no such contract'] })
  expect(await findings([address(1)])).toEqual({ broken: 0, found: [] })
})

it('is stopped between two contracts', async () => {
  await using folder = await three()
  const stop = new AbortController()
  const seen: string[] = []
  const onContract = (contract: Uint8Array) => {
    seen.push(bytesToHex(contract))
    stop.abort(new Error('stopped'))
  }
  await expect(verify({ dataFolder: folder.data, signal: stop.signal, onContract })).rejects.toThrow('stopped')
  expect(seen).toHaveLength(1)
})

it('says why there are no keys', async () => {
  await using folder = await three()
  const dataFolder = folder.data
  const principalUrl = 'http://127.0.0.1:1'
  const noKeys = `The principal at ${principalUrl} gave no state keys`
  await expect(verify({ dataFolder, principalUrl })).rejects.toThrow(noKeys)
  await expect(verify({ dataFolder, principalUrl, addresses: [address(2)] })).rejects.toThrow(noKeys)
  // A contract without deltas needs none: the principal is not asked, since it would make them.
  expect(await verify({ dataFolder, principalUrl, addresses: [address(1)] })).toMatchObject({
    decrypted: 0,
    findings: 0,
  })
})

describe('with the keys of a principal', () => {
  /** A principal that notes which contracts are asked for. */
  async function principal({ withKeys = true } = {}) {
    const keys = new TestPrincipal()
    const asked: string[][] = []
    const server = createServer(async (request, response) => {
      const { params, method } = JSON.parse(await text(request)) as {
        method: string
        params: { data: string; addresses: string[] }
      }
      expect(method).toBe('getStateKeys')
      asked.push(params.addresses)
      const given = withKeys ? params.addresses.map(hexToBytes) : []
      const { response: data, sig } = keys.answer(hexToBytes(params.data), given)
      response.end(JSON.stringify({ jsonrpc: '2.0', id: 1, result: { data: bytesToHex(data), sig: bytesToHex(sig) } }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return {
      asked,
      delta: (contract: Uint8Array) =>
        sealDelta(keys.stateKey(contract), { patch: [], previousHash: new Uint8Array(32) }),
      options: {
        principalUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
        principal: hexToBytes(keys.address),
      },
      [Symbol.asyncDispose]: async () => void server.close(),
    }
  }

  it('deltas are decrypted, and only the keys of those that have any are asked for', async () => {
    await using folder = await worker()
    await using from = await principal()
    const dataFolder = folder.data
    await withStore(dataFolder, (store) =>
      store.putDeltas([address(2), address(3)].map((each) => ({ address: each, key: 0, data: from.delta(each) }))),
    )
    expect(await verify({ dataFolder, ...from.options })).toEqual({
      contracts: 3,
      broken: 0,
      decrypted: 2,
      findings: 0,
    })
    expect(from.asked).toEqual([[2, 3].map((contract) => bytesToHex(address(contract)))])
    await damage(dataFolder, [{ key: recordKey(3, 1, 0), value: from.delta(address(2)) }])
    const found: Finding[] = []
    const onFinding = (finding: Finding) => void found.push(finding)
    expect(await verify({ dataFolder, onFinding, ...from.options })).toEqual({
      contracts: 3,
      broken: 1,
      decrypted: 2,
      findings: 1,
    })
    expect(found).toEqual([{ address: address(3), problem: expect.stringMatching(/^delta 0: undecryptable, /) }])
    await using empty = await principal({ withKeys: false })
    await expect(verify({ dataFolder, ...empty.options })).rejects.toThrow(
      `The principal at ${empty.options.principalUrl} gave no state keys: its answer is refused: it lacks 2 of 2 contracts`,
    )
    expect(await verify({ dataFolder, addresses: [address(1)], ...empty.options })).toMatchObject({ decrypted: 0 })
  })

  it('a thousand contracts are asked for at once, and none when it has been stopped', async () => {
    await using folder = await worker()
    await using from = await principal()
    const dataFolder = folder.data
    const contracts = Array.from({ length: 1001 }, (_, index) => concatBytes(u32be(index + 1), new Uint8Array(28)))
    const rows = contracts.map((each) => ({ address: each, key: 0, data: from.delta(each) }))
    await withStore(dataFolder, (store) => store.putDeltas(rows))
    const signal = AbortSignal.abort(new Error('stopped'))
    await expect(verify({ dataFolder, signal, ...from.options })).rejects.toThrow('stopped')
    expect(from.asked).toEqual([])
    expect(await verify({ dataFolder, ...from.options })).toMatchObject({
      contracts: 1002,
      decrypted: 1001,
      findings: 0,
    })
    expect(from.asked).toEqual([contracts.slice(0, 1000), contracts.slice(1000)].map((each) => each.map(bytesToHex)))
  })
})
