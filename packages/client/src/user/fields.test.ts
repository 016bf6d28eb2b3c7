import { Secret } from '@bletchley/crypto'
import { describe, expect, it } from 'vitest'
import { type BytesLike, type EncryptedCall, type GasLike, prepareCompute, prepareDeploy } from './index.ts'

const call: EncryptedCall = {
  encryptedFn: 'f1',
  encryptedArgs: 'a1',
  userDHKey: '0d'.repeat(64),
  sharedKey: new Secret(new Uint8Array(32)),
}
const contractAddress = 'ab'.repeat(32)
const prepare = (change: object) =>
  prepareDeploy({ call: { ...call, ...change }, preCode: '00', contractAddress, gasLimit: 1, ...change })
const malformed = (message: string) => expect.objectContaining({ name: 'UserError', code: 'malformed', message })

describe('bytes', () => {
  it.each<[string, BytesLike]>([
    ['hexadecimal', 'ABcd'],
    ['hexadecimal behind 0x', '0xabCD'],
    ['bytes', Uint8Array.of(0xab, 0xcd)],
  ])('are taken as %s', (_, preCode) => {
    expect(prepare({ preCode }).input.preCode).toBe('abcd')
  })

  it.each(['preCode', 'encryptedFn', 'encryptedArgs', 'userDHKey', 'contractAddress'])(
    'are refused by the name of the field: %s',
    (name) => {
      for (const value of [undefined, null, 5, [1, 2], {}]) {
        expect(() => prepare({ [name]: value })).toThrow(malformed(`${name} must be hexadecimal text or bytes`))
      }
      for (const value of ['0', 'xy', '0x0', ' 00']) {
        const text = `${name} must be hexadecimal, with an even number of digits`
        expect(() => prepare({ [name]: value }), value).toThrow(malformed(text))
      }
    },
  )

  it.each([
    ['contractAddress', 32],
    ['userDHKey', 64],
  ])('of %s are %i', (name, length) => {
    for (const other of [0, length - 1, length + 1]) {
      const text = `${name} must be ${length} bytes, got ${other}`
      expect(() => prepare({ [name]: new Uint8Array(other) })).toThrow(malformed(text))
    }
  })
})

describe('gas', () => {
  const taken = (gasLimit: GasLike) => prepareCompute({ call, contractAddress, gasLimit }).gasLimit

  it.each<[GasLike, bigint]>([
    [0, 0n],
    [0n, 0n],
    ['0', 0n],
    [Number.MAX_SAFE_INTEGER, 9_007_199_254_740_991n],
    ['007', 7n],
    [2n ** 64n - 1n, 18_446_744_073_709_551_615n],
    ['18446744073709551615', 18_446_744_073_709_551_615n],
  ])('is taken as %s', (gas, expected) => expect(taken(gas)).toBe(expected))

  it.each([
    -1,
    -1n,
    '-1',
    1.5,
    2 ** 53,
    2n ** 64n,
    '18446744073709551616',
    '',
    '0x10',
    ' 1',
    '1 ',
    Number.NaN,
    true,
    null,
    undefined,
    ['1'],
  ])('is refused as %s', (gas) => {
    const text = 'gasLimit must be an integer within 0 .. 2^64 - 1; pass a bigint above 2^53'
    expect(() => taken(gas as GasLike)).toThrow(malformed(text))
  })
})
