import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { compileText, encodeValues, Running, reasonOf } from './support/contracts.ts'
import { edgedBigInt } from './support/values.ts'

const source = `
import { Bytes, bytesFromHex, conceal, hexOf, reveal, select, StateValue, U256 } from '@bletchley/contract/assembly'
@contract
export class Privacy {
  number: StateValue<string>
  constructor() { this.number.set(conceal(U256.zero)) }
  put(value: U256): void { this.number.set(conceal(value)) }
  get(): U256 { return reveal(this.number.get()) }
  absent(): U256 { return reveal('') }
  choose(condition: bool, a: U256, b: U256): U256 { return select(condition, a, b) }
  plus(a: U256, b: U256): U256 { return a + b }
  minus(a: U256, b: U256): U256 { return a - b }
  isLess(a: U256, b: U256): bool { return a < b }
  isAtMost(a: U256, b: U256): bool { return a <= b }
  equals(a: U256, b: U256): bool { return a == b }
  fromHex(text: string): Bytes { return bytesFromHex(text) }
  toHex(bytes: Bytes): string { return hexOf(bytes) }
}`

const most = 2n ** 256n - 1n
const number = edgedBigInt(0n, most)

let contract: Running

beforeAll(async () => {
  contract = Running.deploy((await compileText(source)).wasm)
})

function gasOf(name: string, types: string[], ...values: unknown[]): bigint {
  const outcome = contract.call(name, encodeValues(types, values))
  if (outcome.kind === 'failure') throw new Error(outcome.message)
  return outcome.usedGas
}

describe('conceal', () => {
  it('keeps any number, in one length, for one price, and never twice the same', () => {
    const before = gasOf('put', ['uint256'], 0n)
    fc.assert(
      fc.property(number, (value) => {
        expect(gasOf('put', ['uint256'], value)).toBe(before)
        const text = contract.stored('number')!
        expect(text).toHaveLength(82)
        expect(contract.ask('get()(uint256)')).toEqual([value])
        contract.ask('put(uint256)', value)
        expect(contract.stored('number')).not.toBe(text)
      }),
      { numRuns: 30 },
    )
  })

  it('costs the same to reveal', () => {
    const prices = [0n, 1n, 10n ** 18n, most].map((value) => {
      contract.ask('put(uint256)', value)
      return gasOf('get', [])
    })
    expect(new Set(prices).size).toBe(1)
    expect(contract.ask('absent()(uint256)')).toEqual([0n])
  })
})

describe('numbers', () => {
  it('are selected, added, subtracted and compared for a price that does not tell them', () => {
    const two = ['uint256', 'uint256']
    const prices = {
      select: gasOf('choose', ['bool', ...two], true, 0n, 0n),
      plus: gasOf('plus', two, 0n, 0n),
      minus: gasOf('minus', two, 0n, 0n),
      isLess: gasOf('isLess', two, 0n, 0n),
      isAtMost: gasOf('isAtMost', two, 0n, 0n),
      equals: gasOf('equals', two, 0n, 0n),
    }
    fc.assert(
      fc.property(number, number, fc.boolean(), (a, b, condition) => {
        const [low, high] = a < b ? [a, b] : [b, a]
        const now = {
          select: gasOf('choose', ['bool', ...two], condition, a, b),
          plus: gasOf('plus', two, low / 2n, high / 2n),
          minus: gasOf('minus', two, high, low),
          isLess: gasOf('isLess', two, a, b),
          isAtMost: gasOf('isAtMost', two, a, b),
          equals: gasOf('equals', two, a, b),
        }
        expect(now).toEqual(prices)
        expect(contract.ask('choose(bool,uint256,uint256)(uint256)', condition, a, b)).toEqual([condition ? a : b])
      }),
      { numRuns: 40 },
    )
  })
})

describe('bytesFromHex', () => {
  it('is the reverse of hexOf, and takes capitals', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        const hex = Buffer.from(bytes).toString('hex')
        expect(contract.ask('toHex(bytes)(string)', bytes)).toEqual([hex])
        expect(contract.ask('fromHex(string)(bytes)', hex.toUpperCase())).toEqual([`0x${hex}`])
      }),
      { numRuns: 30 },
    )
  })

  it('refuses what is not hexadecimal', () => {
    for (const text of ['0', 'abc', '0g', 'g0', '/0', ':0', '@0', '`0', 'G0', '0x', '  ', 'ÿÿ', '一0']) {
      const reason = reasonOf(contract.call('fromHex', encodeValues(['string'], [text])))
      expect(reason, text).toBe('text is not hexadecimal')
    }
  })
})
