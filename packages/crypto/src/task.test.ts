import { bytesToHex, u64be } from '@bletchley/bytes'
import { describe, expect, it } from 'vitest'
import { keccak256, lengthPrefixed } from './hashes.ts'
import {
  computeFailureItems,
  computeInputsHash,
  computeSuccessItems,
  deployFailureItems,
  deployInputsHash,
  deploySuccessItems,
} from './task.ts'
import { userMessageItems } from './userMessage.ts'

const hash = (byte: number) => new Uint8Array(32).fill(byte)
const userKey = new Uint8Array(64).fill(9)
const encryptedFn = Uint8Array.of(1, 2)
const encryptedArgs = new Uint8Array()
const gas = { gasLimit: 2n ** 64n - 1n, usedGas: 258n }
const ethereum = { payload: Uint8Array.of(5), address: new Uint8Array(20).fill(6) }
const gasHex = ['ffffffffffffffff', '0000000000000102']
const hex = (items: Uint8Array[]) => items.map(bytesToHex)

// The order of the items is the protocol (spec/crypto.md 6); here it stands once more, written by hand.
describe('what a worker signs', () => {
  it('after a deployment', () => {
    const items = deploySuccessItems({
      inputsHash: hash(1),
      exeCodeHash: hash(2),
      deltaHash: hash(3),
      ...gas,
      ethereum,
    })
    const hashes = ['01', '02', '03'].map((byte) => byte.repeat(32))
    expect(hex(items)).toEqual([...hashes, ...gasHex, '05', '06'.repeat(20), '01'])
  })

  it('after a failed deployment', () => {
    expect(hex(deployFailureItems({ inputsHash: hash(1), ...gas }))).toEqual(['01'.repeat(32), ...gasHex, '00'])
  })

  it('after a computation: code first', () => {
    const items = computeSuccessItems({
      inputsHash: hash(1),
      exeCodeHash: hash(2),
      previousDeltaHash: hash(3),
      newDeltaHash: hash(4),
      outputHash: hash(5),
      ...gas,
      ethereum,
    })
    const hashes = ['02', '01', '03', '04', '05'].map((byte) => byte.repeat(32))
    expect(hex(items)).toEqual([...hashes, ...gasHex, '05', '06'.repeat(20), '01'])
  })

  it('after a failed computation: inputs first', () => {
    const items = computeFailureItems({ inputsHash: hash(1), exeCodeHash: hash(2), ...gas })
    expect(hex(items)).toEqual(['01'.repeat(32), '02'.repeat(32), ...gasHex, '00'])
  })

  it('for a key exchange', () => {
    expect(hex(userMessageItems(userKey))).toEqual([
      bytesToHex(new TextEncoder().encode('Enigma User Message')),
      '09'.repeat(64),
    ])
  })
})

describe('inputs hashes', () => {
  const expected = (subject: Uint8Array) => {
    const lengths = [2n, 0n, 32n, 64n].map(u64be)
    return keccak256(lengths[0]!, encryptedFn, lengths[1]!, lengths[2]!, subject, lengths[3]!, userKey)
  }

  it('of a deployment cover the hash of the code', () => {
    expect(deployInputsHash({ encryptedFn, encryptedArgs, preCodeHash: hash(8), userKey })).toEqual(expected(hash(8)))
  })

  it('of a computation cover the contract address', () => {
    const actual = computeInputsHash({ encryptedFn, encryptedArgs, contractAddress: hash(8), userKey })
    expect(actual).toEqual(expected(hash(8)))
    expect(actual).toEqual(keccak256(lengthPrefixed([encryptedFn, encryptedArgs, hash(8), userKey])))
  })
})
