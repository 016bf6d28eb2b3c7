import { bytesToHex } from '@bletchley/bytes'
import { expect, it } from 'vitest'
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
