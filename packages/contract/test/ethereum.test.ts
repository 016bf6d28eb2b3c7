import { hexlify, Interface } from 'ethers'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { ethereumBinding } from '../src/index.ts'
import { compileText, encodeValues, Running, reasonOf } from './support/contracts.ts'
import { arbitraryOf, sourceType } from './support/values.ts'

const signatures = [
  ['uint256', 'address[]'],
  ['address', 'bytes', 'string', 'bool'],
  ['uint32', 'uint64', 'int32', 'int64', 'bytes4', 'bytes32'],
  ['string[]', 'bytes[][]', 'address[]', 'bool[]', 'int32[]'],
  [],
]

const functions = signatures.map((types, index) => ({
  type: 'function',
  name: index === 0 ? 'getBryn' : `function${index}`,
  inputs: types.map((type, at) => ({ name: ['value', 'in', 'in', '', '_to'][at] ?? '', type })),
  outputs: [{ name: '', type: 'mapping' }],
}))
const abiJson = JSON.stringify([{ type: 'constructor', inputs: [{ type: 'tuple' }] }, ...functions, { type: 'event' }])
const bryn = '0x123f681646d4a755815f9cb19e1acc8565a0c2ac'

const parameters = (types: readonly string[]) => types.map((type, at) => `, a${at}: ${sourceType(type)}`).join('')
const source = `
import { Address, Bytes, Bytes4, Bytes32, EthereumContract, U256 } from '@bletchley/contract/assembly'
import { Bryn } from './bryn'
class Miscounted extends EthereumContract {
  call(arguments: u32, written: u32): void {
    const args = this.beginCall(i32(arguments))
    for (let i: u32 = 0; i < written; i++) args.write<u32>(i)
    this.sendCall(1, args)
  }
}
@contract
export class Caller {
  miscounted(to: Address, count: u32, written: u32): void { new Miscounted(to).call(count, written) }
  ${functions
    .map(({ name }, index) => {
      const types = signatures[index]!
      const values = types.map((_, at) => `a${at}`).join(', ')
      return `call${index}(to: Address${parameters(types)}): void { new Bryn(to).${name}(${values}) }`
    })
    .join('\n')}
  twice(to: Address): void { new Bryn(to).function4(); new Bryn(to).getBryn(U256.from(1), []) }
  failing(to: Address): void { new Bryn(to).function4(); throw new Error('no') }
}`

let caller: Running

beforeAll(async () => {
  caller = Running.deploy((await compileText(source, { 'bryn.ts': ethereumBinding(abiJson, 'Bryn') })).wasm)
})

function payloadOf(name: string, types: readonly string[], values: readonly unknown[]): string {
  const outcome = caller.call(name, encodeValues(['address', ...types], [bryn, ...values]))
  if (outcome.kind === 'failure') throw new Error(outcome.message)
  expect(hexlify(outcome.ethereum.address)).toBe(bryn)
  return hexlify(outcome.ethereum.payload)
}

describe('a class made from the ABI of an Ethereum contract', () => {
  it('calls as the reference does', () => {
    // Seen in the reference's test contract. The runtime rules (6.5) write uint256[] where the selector tells address[].
    const words = [1n, 0x40n, 0n].map((word) => word.toString(16).padStart(64, '0'))
    expect(payloadOf('call0', signatures[0]!, [1n, []])).toBe(`0x08f99f90${words.join('')}`)
  })

  it.each(signatures.map((types, index) => ({ types, index })))('encodes ($types)', ({ types, index }) => {
    const ethereum = new Interface(functions.map((each) => ({ ...each, outputs: [] })))
    const property = fc.property(fc.tuple(...types.map(arbitraryOf)), (values) => {
      const expected = ethereum.encodeFunctionData(functions[index]!.name, values)
      expect(payloadOf(`call${index}`, types, values)).toBe(expected)
    })
    fc.assert(property, { numRuns: 20 })
  })

  it('leaves the last call of a task, and none of a task that fails', () => {
    expect(payloadOf('twice', [], []).slice(0, 10)).toBe('0x08f99f90')
    expect(reasonOf(caller.call('failing', encodeValues(['address'], [bryn])))).toBe('no')
  })

  it.each([
    [2, 1],
    [1, 2],
    [0, 1],
  ])('that is made by hand for %i arguments does not send %i', (count, written) => {
    const args = encodeValues(['address', 'uint32', 'uint32'], [bryn, count, written])
    expect(reasonOf(caller.call('miscounted', args))).toBe('Ethereum: arguments do not fit their number')
  })

  it('can be read', () => {
    const abi = [
      {
        type: 'function',
        name: 'transfer',
        inputs: [
          { name: 'to', type: 'address' },
          { name: 'amount', type: 'uint256' },
        ],
      },
    ]
    expect(
      ethereumBinding(JSON.stringify(abi), 'Token'),
    ).toBe(`// Made by ethereumBinding from the JSON ABI of Token. Make it again instead of changing it.
import { EthereumContract, Address, U256 } from '@bletchley/contract/assembly'

export class Token extends EthereumContract {
  /** \`transfer(address,uint256)\` */
  transfer(to: Address, amount: U256): void {
    const args = this.beginCall(2)
    args.write<Address>(to)
    args.write<U256>(amount)
    this.sendCall(0xa9059cbb, args)
  }
}
`)
  })
})

describe('an ABI that cannot be one', () => {
  const one = (change: object) =>
    JSON.stringify([{ type: 'function', name: 'f', inputs: [{ name: 'a', type: 'bool' }], ...change }])

  it.each([
    'uint8',
    'uint128',
    'int256',
    'tuple',
    'uint256[3]',
    'bytes33',
    'bytes0',
    'function',
    'uint',
    '[]',
    'bool[][2]',
  ])('has the type %s', (type) => {
    expect(() =>
      ethereumBinding(
        one({
          inputs: [
            { name: 'a', type: 'bool' },
            { name: 'b', type },
          ],
        }),
        'A',
      ),
    ).toThrow(new RangeError(`f(bool,${type}): ${type} is not supported`))
  })

  it.each([
    ['not JSON', '{', 'A', 'the ABI is not JSON'],
    ['no list', '{}', 'A', 'the ABI is not a list'],
    ['a function without inputs', one({ inputs: undefined }), 'A', 'has no name or no inputs'],
    ['a function without name', one({ name: undefined }), 'A', 'has no name or no inputs'],
    ['an input without type', one({ inputs: [{}] }), 'A', 'an input of the ABI has no type'],
    ['a name that is code', one({ name: 'f(){}' }), 'A', 'f(){} cannot be the name of a method'],
    ['a name that is taken', one({ name: 'address' }), 'A', 'address cannot be the name of a method'],
    [
      'overloads',
      JSON.stringify([1, 2].map(() => ({ type: 'function', name: 'f', inputs: [] }))),
      'A',
      'f is there more than once',
    ],
    ['a class that is code', one({}), 'A{', 'A{ cannot be the name of a class'],
    ['a class of the library', one({}), 'Address', 'Address cannot be the name of a class'],
    ['the class that it extends', one({}), 'EthereumContract', 'EthereumContract cannot be the name of a class'],
    ['a class of the language', one({}), 'Array', 'Array cannot be the name of a class'],
    ['a type of the language', one({}), 'u64', 'u64 cannot be the name of a class'],
  ])('is %s', (_, json, name, message) => {
    expect(() => ethereumBinding(json, name)).toThrow(message)
  })
})
