import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import { buildContract, buildFiles, gasLogVariable, readGasLog } from '@bletchley/contract'
import { CallFailed, TestNetwork } from '@bletchley/contract/testing'
import { keccak256, recoverAddress } from '@bletchley/crypto'
import { temporaryFolder } from '@bletchley/testkit'
import { describe, expect, it } from 'vitest'

const sampler = new URL('./contracts/sampler.ts', import.meta.url)
const owner = `0x${'ab'.repeat(20)}`

async function deployed(options?: ConstructorParameters<typeof TestNetwork>[0]) {
  const network = new TestNetwork(options)
  return { network, contract: await network.deploy(sampler, [owner, 1000n]) }
}

describe('a call', () => {
  it('gives nothing, one value, or several by their names', async () => {
    const { contract } = await deployed()
    expect(contract.call('setAmount', [5n]).value).toBeUndefined()
    expect(contract.call('echo', ['', [1, 2]]).value).toEqual([1n, 2n])
    expect(contract.call('named').value).toEqual({ number: 5n, text: 'hello' })
  })

  it('tells what it printed, and the call of Ethereum that it asked for', async () => {
    const { contract } = await deployed()
    const printed = contract.call('echo', ['so far so good', []])
    expect(printed.printed).toEqual(['so far so good'])
    expect(printed.ethereumCall).toBeUndefined()
    expect(contract.call('notify', [owner, 255n]).ethereumCall).toEqual({
      address: owner,
      payload: `0x01020304${'ff'.padStart(64, '0')}`,
    })
  })

  it('uses gas up to its limit', async () => {
    const { contract } = await deployed()
    const { gas } = contract.call('named')
    expect(contract.call('named', [], { gasLimit: gas }).gas).toBe(gas)
    const short = contract.fails('named', [], { gasLimit: gas - 1 })
    expect([short.message, short.gas]).toEqual(['Invocation resulted in gas limit violated', gas - 1])
  })

  it('is noted for who measures gas, under its scenario if it has one', async () => {
    await using folder = await temporaryFolder()
    const given = process.env[gasLogVariable]
    process.env[gasLogVariable] = folder.path
    try {
      const { contract } = await deployed()
      const [first, again, large] = [
        contract.call('setAmount', [5n]),
        contract.call('setAmount', [6n]),
        contract.call('setAmount', [2n ** 200n], { scenario: 'large' }),
      ].map(({ gas }) => gas)
      expect(await readGasLog(folder.path)).toEqual({
        sampler: {
          constructor: expect.objectContaining({ calls: 1 }),
          setAmount: {
            calls: 2,
            min: Math.min(first!, again!),
            median: expect.any(Number),
            max: Math.max(first!, again!),
          },
          'setAmount (large)': { calls: 1, min: large, median: large, max: large },
        },
      })
    } finally {
      if (given === undefined) delete process.env[gasLogVariable]
      else process.env[gasLogVariable] = given
    }
  })

  it('that fails throws what its user would read, and changes nothing', async () => {
    const { contract } = await deployed()
    const before = contract.state.json
    const bytes = new Uint8Array(3)
    expect(() => contract.call('setAmount', bytes)).toThrow(CallFailed)
    const failure = contract.fails('setAmount', bytes)
    expect(failure.message).toBe(`Error in execution of WASM code: unreachable: ${failure.reason}`)
    expect(failure.reason).toMatch(/argument/)
    expect(contract.state.json).toBe(before)
    expect(contract.fails('none', new Uint8Array()).reason).toMatch(/no such function/)
  })

  it('is refused where the ABI has no such function or no such arguments', async () => {
    const { contract } = await deployed()
    expect(() => contract.call('none')).toThrow('sampler has no function none; it has setAmount, push')
    expect(() => contract.call('setAmount', ['much'])).toThrow('is no uint256')
    expect(() => contract.call('setAmount')).toThrow('1 argument')
  })

  it('that should fail and does not is an error', async () => {
    const { network, contract } = await deployed()
    expect(() => contract.fails('named')).toThrow('sampler.named should have failed')
    await expect(network.deployFails(sampler, [owner, 1n])).rejects.toThrow('the constructor of sampler should have')
  })

  it('recurses as deep as on a worker, though the stack of this thread ends before', async () => {
    const { contract } = await deployed()
    const gas = (depth: number) => contract.call('recurse', [depth]).gas
    // Each level costs the same, whichever stack it lies on.
    const perLevel = (gas(2000) - gas(1000)) / 1000
    expect(contract.call('recurse', [20_000]).value).toBe(20_000n)
    expect(gas(20_000)).toBe(gas(1000) + 19_000 * perLevel)
    // The documented limit of the stack, and the run after it is like the one before.
    expect(contract.fails('recurse', [60_000]).message).toBe('Error in execution of WASM code: unreachable')
    expect(contract.call('recurse', [3]).value).toBe(3n)
  })

  it('draws the same, however deep it recurses', async () => {
    const { network, contract } = await deployed()
    const start = network.snapshot()
    const draws = [10, 20_000].map((depth) => {
      network.revertTo(start)
      return [contract.call('dice'), contract.call('luckAt', [depth]), contract.call('dice')].map(({ value }) => value)
    })
    expect(draws[1]).toEqual(draws[0])
    expect(new Set(draws[0]).size).toBe(3)
  })
})

describe('a deployment', () => {
  it('tells its gas, with one for each byte of the code', async () => {
    const { contract } = await deployed()
    expect(contract.deployment.gas).toBeGreaterThan(contract.exeCode.length)
    expect(contract.deployment.delta).toMatchObject({ key: 0 })
    expect(contract.address).toMatch(/^0x[0-9a-f]{64}$/)
  })

  it('that fails leaves no contract', async () => {
    const network = new TestNetwork()
    expect((await network.deployFails(sampler, [owner, 0n])).reason).toBe('nothing')
    await expect(network.deploy(sampler, [owner, 0n])).rejects.toThrow('unreachable: nothing')
  })

  it('takes code with its ABI, and tells where there is none', async () => {
    await using folder = await temporaryFolder()
    for (const [path, bytes] of buildFiles(
      join(folder.path, 'sampler.ts'),
      await buildContract(fileURLToPath(sampler)),
    )) {
      await writeFile(join(folder.path, path.slice(path.lastIndexOf('/') + 1)), bytes)
    }
    const network = new TestNetwork()
    const contract = await network.deploy(join(folder.path, 'sampler.wasm'), [owner, 7n])
    expect(contract.call('named').value).toEqual({ number: 7n, text: 'hello' })
    await expect(network.deploy(join(folder.path, 'other.wasm'))).rejects.toThrow('other.')
    await expect(network.deploy('contract.js')).rejects.toThrow('a .ts or a .wasm file')
  })

  it('follows its source, and everything that the source imports', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'sampler.ts')
    const text = await readFile(sampler, 'utf8')
    await writeFile(join(folder.path, 'greeting.ts'), "export const greeting = 'hello'")
    await writeFile(path, `import { greeting } from './greeting'\n${text.replace("'hello'", 'greeting')}`)
    const read = async () => (await new TestNetwork().deploy(path, [owner, 1n])).call('named').value
    expect(await read()).toMatchObject({ text: 'hello' })
    await writeFile(join(folder.path, 'greeting.ts'), "export const greeting = 'good-bye'")
    expect(await read()).toMatchObject({ text: 'good-bye' })
  })

  it('of several contracts at the same time compiles each', async () => {
    await using folder = await temporaryFolder()
    const paths = ['one', 'two', 'three'].map((name) => join(folder.path, `${name}.ts`))
    for (const path of paths) {
      await cp(sampler, path)
      await writeFile(path, (await readFile(path, 'utf8')).replace("'hello'", `'${path}'`))
    }
    const network = new TestNetwork()
    const contracts = await Promise.all(paths.map((path) => network.deploy(path, [owner, 1n])))
    expect(contracts.map((each) => each.call('named').value)).toEqual(paths.map((text) => ({ number: 1n, text })))
    expect(new Set(contracts.map(({ address }) => address)).size).toBe(3)
  })
})

describe('the state', () => {
  it('can be read by key, and as a worker keeps it', async () => {
    const { contract } = await deployed()
    contract.call('setAmount', [2n ** 200n + 3n])
    contract.call('push', [2n ** 64n - 1n])
    expect(contract.state.keys()).toEqual(['amount', 'items', 'items:0', 'owner'])
    expect(contract.state.number('amount')).toBe(2n ** 200n + 3n)
    expect(contract.state.number('items:0')).toBe(2n ** 64n - 1n)
    expect(contract.state.bytes('owner')).toBe(owner)
    expect(contract.state.get('items')).toBe(1)
    expect(contract.state.get('none')).toBeUndefined()
    expect(contract.state.entries()).toContainEqual(['items:0', 2n ** 64n - 1n])
    expect(contract.state.json).toMatch(
      /^\{"amount":\[3,0,0,256\],"items":1,"items:0":18446744073709551615,"owner":\[171,/,
    )
    expect(() => contract.state.number('owner')).toThrow('owner holds no number')
    expect(() => contract.state.bytes('amount')).toThrow('amount holds no bytes')
  })

  it('changes by deltas, whose size is what everybody sees', async () => {
    const { contract } = await deployed()
    expect(contract.call('named').delta).toBeUndefined()
    expect(contract.call('setAmount', [1000n]).delta).toBeUndefined()
    const first = contract.call('push', [7n]).delta!
    expect([first.key, first.changes]).toEqual([
      1,
      [
        { op: 'add', path: '/items' },
        { op: 'add', path: '/items:0' },
      ],
    ])
    const second = contract.call('push', [2n ** 60n]).delta!
    expect(second.key).toBe(2)
    // Tag and nonce, the hash of the delta before, and what is written.
    expect(second.size).toBeGreaterThan(28 + 32 + '/items:1'.length + 8)
  })

  it('goes back to a snapshot, as often as wanted, and randomness with it', async () => {
    const { network, contract } = await deployed()
    contract.call('push', [1n])
    const mark = network.snapshot()
    const before = contract.state.json
    const follow = () => [contract.call('push', [2n]), contract.call('setAmount', [9n]), contract.call('dice')]
    const first = follow()
    expect(contract.state.json).not.toBe(before)
    const later = await network.deploy(sampler, [owner, 1n])
    for (let round = 0; round < 2; round++) {
      network.revertTo(mark)
      expect(contract.state.json, `round ${round}`).toBe(before)
      expect(follow(), `round ${round}`).toEqual(first)
    }
    expect((await network.deploy(sampler, [owner, 1n])).address).toBe(later.address)
    expect(() => later.call('named')).toThrow('sampler was deployed after the snapshot')
  })
})

describe('a network', () => {
  const sequence = async (seed: string | number) => {
    const { network, contract } = await deployed({ seed })
    const calls = [contract.call('dice'), contract.call('seal', ['0x01']), contract.call('push', [1n])]
    return { address: contract.address, user: network.user('alice').address, calls, dice: contract.call('dice').value }
  }

  it('does the same again with the same seed, and something else with another', async () => {
    const [one, again, other] = [await sequence(1), await sequence(1), await sequence('other')]
    expect(again).toEqual(one)
    expect(other.calls[0]!.value).not.toEqual(one.calls[0]!.value)
    expect(other.calls[1]!.value).not.toEqual(one.calls[1]!.value)
    expect(other.user).not.toBe(one.user)
    expect(one.dice).not.toEqual(one.calls[0]!.value)
  })

  it('has users that sign', () => {
    const network = new TestNetwork()
    const [alice, bob] = network.users('alice', 'bob')
    expect(alice.address).not.toBe(bob.address)
    expect(network.user('alice').address).toBe(alice.address)
    expect(alice.address).toBe(`0x${bytesToHex(keccak256(hexToBytes(alice.publicKey.slice(2))).slice(12))}`)
    const message = utf8ToBytes('hello')
    const signature = hexToBytes(alice.sign(message).slice(2))
    expect(`0x${bytesToHex(recoverAddress(message, signature))}`).toBe(alice.address)
  })
})
