import { TestNetwork } from '@bletchley/contract/testing'
import { it } from 'vitest'
import { expectFigures } from '../contracts/testing/figures.ts'

// The figures of docs/contracts/gas.md are what this test measures; `npx vitest run test/gasGuide.test.ts -u` writes them
// anew.

const account = `0x${'11'.repeat(20)}`
const large = 2n ** 127n
const bytes32 = `0x${'00'.repeat(32)}`
const bytes1024 = `0x${'00'.repeat(1024)}`

/** What is done, the call that does it, and the call that does all but that. */
const rows: [what: string, name: string, args: unknown[], without: string, withoutArgs: unknown[]][] = [
  ['an argument `uint64`', 'takeNumber', [7n], 'nothing', []],
  ['an argument `string` of 5 bytes', 'takeText', ['seven'], 'nothing', []],
  ['an argument `uint64[]` of 10', 'takeNumbers', [new Array<bigint>(10).fill(7n)], 'nothing', []],
  ['a result `uint64`', 'returnNumber', [], 'nothing', []],
  ['a result `uint256`', 'returnAmount', [], 'nothing', []],
  ['reading a `u64`', 'readNumber', [], 'nothing', []],
  ['reading a `U256`', 'readAmount', [], 'nothing', []],
  ['reading a `string` of 5 bytes', 'readText', [], 'nothing', []],
  ['reading an entry that is not there, with its argument', 'readEntry', [account], 'nothing', []],
  ['writing a `u64` that grows by 2 digits', 'writeNumber', [777n], 'takeNumber', [7n]],
  ['writing a first `U256` under an address, with its argument', 'writeEntry', [account], 'nothing', []],
  ['pushing a `u64` to a list', 'push', [7n], 'takeNumber', [7n]],
  ['a product of `U256`, more than a sum', 'multiply', [large, 1n], 'add', [large, 1n]],
  ['a quotient of `U256`, more than a sum', 'divide', [large, 3n], 'add', [large, 3n]],
  ['a loop of 1000 rounds over memory', 'loop', [1000n], 'loop', [0n]],
  ['a random `u64`', 'random', [], 'nothing', []],
  ['Keccak-256 of 32 bytes', 'hash', [bytes32], 'takeBytes', [bytes32]],
  ['encrypting and decrypting 32 bytes with a new key', 'seal', [bytes32], 'takeBytes', [bytes32]],
  ['encrypting and decrypting 1024 bytes', 'seal', [bytes1024], 'takeBytes', [bytes1024]],
  ['one page of memory more', 'grow', [], 'nothing', []],
]

it('costs what the gas guide says', async () => {
  const network = new TestNetwork()
  const costs = await network.deploy(new URL('gasGuide/costs.ts', import.meta.url), [])
  /** Each call on the same state. */
  const gasOf = (name: string, args: unknown[]): number => {
    const before = network.snapshot()
    const { gas } = costs.call(name, args)
    network.revertTo(before)
    return Number(gas)
  }
  await expectFigures(new URL('../docs/contracts/gas.md', import.meta.url), [
    ['what', 'gas'],
    ['a call of a function that does nothing', String(gasOf('nothing', []))],
    ...rows.map(([what, name, args, without, withoutArgs]) => {
      const more = gasOf(name, args) - gasOf(without, withoutArgs)
      return [what, more < 0 ? String(more) : `+${more}`]
    }),
  ])
})
