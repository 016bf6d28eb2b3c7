import { describe, expect, it } from 'vitest'
import { type ContractAbi, parseJsonAbi, signatureOf, toJsonAbi } from './index.ts'

const abi: ContractAbi = {
  constructorInputs: [{ name: 'supply', type: 'uint256' }],
  functions: [
    { name: 'rename', inputs: [{ name: 'größe', type: 'string' }], outputs: [] },
    { name: 'sum', inputs: [], outputs: [{ name: '', type: 'uint64' }] },
  ],
}

describe('a JSON ABI', () => {
  it('has the constructor and the functions, as the tools of Solidity read them', () => {
    expect(toJsonAbi(abi)).toEqual([
      { type: 'constructor', inputs: [{ name: 'supply', type: 'uint256' }], stateMutability: 'nonpayable' },
      {
        type: 'function',
        name: 'rename',
        inputs: [{ name: 'größe', type: 'string' }],
        outputs: [],
        stateMutability: 'nonpayable',
      },
      {
        type: 'function',
        name: 'sum',
        inputs: [],
        outputs: [{ name: '', type: 'uint64' }],
        stateMutability: 'nonpayable',
      },
    ])
    expect(parseJsonAbi(toJsonAbi(abi))).toEqual(abi)
  })

  it('may have no constructor, no lists and no names of results, and other entries', () => {
    const entries = [
      { type: 'event', name: 'not a name', inputs: [{ name: 'a', type: 'bool' }] },
      { type: 'function', name: 'f', outputs: [{ type: 'bool' }] },
      { type: 'error', name: 'e' },
      {},
    ]
    expect(parseJsonAbi(entries)).toEqual({
      constructorInputs: [],
      functions: [{ name: 'f', inputs: [], outputs: [{ name: '', type: 'bool' }] }],
    })
    expect(parseJsonAbi([])).toEqual({ constructorInputs: [], functions: [] })
  })

  const withInputs = (inputs: unknown) => [{ type: 'function', name: 'f', inputs }]
  const parameter = 'A parameter of a JSON ABI has a name and a type'
  it.each<[unknown, string]>([
    [{}, 'A JSON ABI is a list'],
    ['[]', 'A JSON ABI is a list'],
    [[null], 'An entry of a JSON ABI is an object'],
    [[5], 'An entry of a JSON ABI is an object'],
    [[undefined], 'An entry of a JSON ABI is an object'],
    [[{ type: 'function' }], 'A JSON ABI has no function undefined'],
    [[{ type: 'function', name: 5 }], 'A JSON ABI has no function 5'],
    [[{ type: 'function', name: ['f'] }], 'A JSON ABI has no function ["f"]'],
    [[{ type: 'function', name: '' }], 'A JSON ABI has no function ""'],
    [withInputs({}), 'The parameters of a JSON ABI are a list'],
    [withInputs(null), 'The parameters of a JSON ABI are a list'],
    [[{ type: 'event', inputs: 'a' }], 'The parameters of a JSON ABI are a list'],
    [[{ type: 'function', name: 'f', outputs: {} }], 'The parameters of a JSON ABI are a list'],
    [withInputs([null]), parameter],
    [withInputs([undefined]), parameter],
    [withInputs(['bool']), parameter],
    [withInputs([{ name: 'a' }]), parameter],
    [withInputs([{ name: 'a', type: ['bool'] }]), parameter],
    [withInputs([{ name: ['a'], type: 'bool' }]), parameter],
    [withInputs([{ name: 'a b', type: 'bool' }]), parameter],
  ])('is not %j', (json, message) => {
    expect(() => parseJsonAbi(json)).toThrow(new TypeError(message))
  })
})

it('names a function by the types of its inputs', () => {
  expect(signatureOf('f', [])).toBe('f()')
  const inputs = ['uint64', 'bytes[]'].map((type) => ({ name: 'a', type }))
  expect(signatureOf('f', inputs)).toBe('f(uint64,bytes[])')
})
