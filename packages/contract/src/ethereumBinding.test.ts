import { describe, expect, it } from 'vitest'
import { ethereumBinding } from './index.ts'

const bindingOf = (...inputs: unknown[]) =>
  ethereumBinding(JSON.stringify([{ type: 'function', name: 'f', inputs }]), 'A')

describe('a class for a contract on Ethereum', () => {
  it('imports each type that it needs once, and separates its methods', () => {
    const entries = [
      null,
      5,
      'function',
      { type: 'receive' },
      {
        type: 'function',
        name: 'one',
        inputs: [
          { name: 'list', type: 'uint256[][]' },
          { name: 'to', type: 'address' },
          { name: '$', type: 'uint256' },
          { name: 'hash', type: 'bytes32' },
        ],
      },
      { type: 'function', name: 'other', inputs: [] },
    ]
    expect(
      ethereumBinding(JSON.stringify(entries), 'Board'),
    ).toBe(`// Made by ethereumBinding from the JSON ABI of Board. Make it again instead of changing it.
import { EthereumContract, Address, Bytes32, U256 } from '@bletchley/contract/assembly'

export class Board extends EthereumContract {
  /** \`one(uint256[][],address,uint256,bytes32)\` */
  one(list: Array<Array<U256>>, to: Address, $: U256, hash: Bytes32): void {
    const args = this.beginCall(4)
    args.write<Array<Array<U256>>>(list)
    args.write<Address>(to)
    args.write<U256>($)
    args.write<Bytes32>(hash)
    this.sendCall(0x6efc85dc, args)
  }

  /** \`other()\` */
  other(): void {
    const args = this.beginCall(0)
    this.sendCall(0x85295877, args)
  }
}
`)
  })

  it.each<[string, unknown[], string]>([
    ['an own name', [{ name: 'a', type: 'bool' }], 'a: bool'],
    ['no name', [{ name: '', type: 'bool' }], 'argument1: bool'],
    ['none at all', [{ type: 'bool' }], 'argument1: bool'],
    ['a name that is no text', [{ name: 5, type: 'bool' }], 'argument1: bool'],
    ['a name of the language', [{ name: 'in', type: 'bool' }], 'argument1: bool'],
    ['the name of the encoder', [{ name: 'args', type: 'bool' }], 'argument1: bool'],
    [
      'one name twice',
      [
        { name: 'a', type: 'bool' },
        { name: 'a', type: 'string' },
      ],
      'argument1: bool, argument2: string',
    ],
    [
      'a name and none',
      [
        { name: 'a', type: 'bool' },
        { name: '', type: 'string' },
      ],
      'argument1: bool, argument2: string',
    ],
  ])('gives parameters names that it can have: %s', (_, inputs, parameters) => {
    expect(bindingOf(...inputs)).toContain(`  f(${parameters}): void {\n`)
  })

  it.each<[unknown]>([[null], ['bool'], [{}], [{ name: 'a' }], [{ name: 'a', type: 5 }]])(
    'is not made of the input %j',
    (input) => {
      expect(() => bindingOf(input)).toThrow(new TypeError('f: an input of the ABI has no type'))
    },
  )

  it.each<[unknown, unknown, string]>([
    ['f', undefined, '"f"'],
    ['f', {}, '"f"'],
    [5, [], '5'],
    [undefined, [], 'undefined'],
  ])('is not made of a function %j with inputs %j', (name, inputs, shown) => {
    expect(() => ethereumBinding(JSON.stringify([{ type: 'function', name, inputs }]), 'A')).toThrow(
      new TypeError(`a function of the ABI has no name or no inputs: ${shown}`),
    )
  })

  it.each(['in', 'new', 'Array', 'string', 'Bytes1', 'Bytes32', 'a b', ''])('is not called %j', (name) => {
    expect(() => ethereumBinding('[]', name)).toThrow(new RangeError(`${name} cannot be the name of a class`))
  })

  it.each(['constructor', 'address', 'beginCall', 'headsEnd', 'sendCall', 'a-b'])('has no method %s', (name) => {
    expect(() => ethereumBinding(JSON.stringify([{ type: 'function', name, inputs: [] }]), 'A')).toThrow(
      new RangeError(`${name} cannot be the name of a method`),
    )
  })
})
