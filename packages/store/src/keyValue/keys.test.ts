import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import reference from '../../vectors/reference.json' with { type: 'json' }
import { maxDeltaIndex } from '../ranges.ts'

import {
  bytecodeKey,
  contractKey,
  contractSpan,
  deltaIndexOf,
  deltaKey,
  deltaSpan,
  orderKey,
  orderSpan,
  parseKey,
  receiptKey,
  receiptSpan,
  schemaKey,
  sequenceKey,
  snapshotKey,
} from './keys.ts'

const address = fc.uint8Array({ minLength: 32, maxLength: 32 })
const index = fc.oneof(fc.constantFrom(0, 1, 255, 256, maxDeltaIndex), fc.nat(maxDeltaIndex))
const compare = (a: Uint8Array, b: Uint8Array) => Buffer.compare(a, b)

test.each(reference.vectors)('$name stands below the address', ({ inputs, expected }) => {
  const key = deltaKey(new Uint8Array(32).fill(0xaa), Number(inputs.index))
  expect(Buffer.from(key).toString('hex')).toBe(`04${'aa'.repeat(32)}${expected}`)
})

describe('every key', () => {
  test('parses back to what it was made from', () => {
    fc.assert(
      fc.property(
        address,
        index,
        address,
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (address, index, taskId, sequence) => {
          expect(parseKey(schemaKey)).toStrictEqual({ kind: 'schema' })
          expect(parseKey(sequenceKey)).toStrictEqual({ kind: 'sequence' })
          expect(parseKey(orderKey(sequence))).toStrictEqual({ kind: 'order', sequence })
          expect(parseKey(snapshotKey(address))).toStrictEqual({ kind: 'snapshot', address })
          expect(parseKey(bytecodeKey(address))).toStrictEqual({ kind: 'bytecode', address })
          expect(parseKey(contractKey(address))).toStrictEqual({ kind: 'contract', address })
          expect(parseKey(deltaKey(address, index))).toStrictEqual({ kind: 'delta', address, index })
          expect(parseKey(receiptKey(address, index))).toStrictEqual({ kind: 'receipt', address, index })
          const task = { kind: 'receipt', address, index, taskId }
          expect(parseKey(receiptKey(address, index, taskId))).toStrictEqual(task)
          expect(deltaIndexOf(deltaKey(address, index))).toBe(index)
          for (const other of [
            receiptKey(address, index),
            receiptKey(address, index, taskId),
            contractKey(address),
            orderKey(sequence),
            schemaKey,
          ]) {
            expect(deltaIndexOf(other), `${other}`).toBeUndefined()
          }
        },
      ),
    )
  })

  test('of a contract lies in its span and in no other one', () => {
    const inside = (key: Uint8Array, { gte, lt }: { gte: Uint8Array; lt: Uint8Array }) =>
      compare(key, gte) >= 0 && compare(key, lt) < 0
    fc.assert(
      fc.property(address, address, index, (a, b, index) => {
        const different = compare(a, b) !== 0
        for (const key of [snapshotKey, bytecodeKey, contractKey].map((make) => make(a))) {
          expect(inside(key, contractSpan(a))).toBe(true)
          expect(inside(key, deltaSpan(a, 0, 2 ** 32))).toBe(false)
          expect(inside(key, receiptSpan(a, 0, 2 ** 32))).toBe(false)
          if (different) expect(inside(key, contractSpan(b))).toBe(false)
        }
        const delta = deltaKey(a, index)
        expect(inside(delta, deltaSpan(a, 0, 2 ** 32))).toBe(true)
        expect(inside(delta, deltaSpan(a, index, index + 1))).toBe(true)
        expect(inside(delta, deltaSpan(a, index, index))).toBe(false)
        expect(inside(delta, deltaSpan(a, 0, index))).toBe(false)
        if (different) expect(inside(delta, deltaSpan(b, 0, 2 ** 32))).toBe(false)
        for (const receipt of [receiptKey(a, index), receiptKey(a, index, b)]) {
          expect(inside(receipt, receiptSpan(a, index, index + 1))).toBe(true)
          expect(inside(receipt, receiptSpan(a, 0, index))).toBe(false)
          expect(inside(receipt, deltaSpan(a, 0, 2 ** 32))).toBe(false)
          if (different) expect(inside(receipt, contractSpan(b))).toBe(false)
        }
        expect(inside(orderKey(BigInt(index)), orderSpan)).toBe(true)
      }),
    )
  })

  test('of an index is ordered as the indices are', () => {
    fc.assert(
      fc.property(address, index, index, (address, a, b) => {
        expect(Math.sign(compare(deltaKey(address, a), deltaKey(address, b)))).toBe(Math.sign(a - b))
        expect(Math.sign(compare(orderKey(BigInt(a)), orderKey(BigInt(b))))).toBe(Math.sign(a - b))
      }),
    )
  })

  test('other bytes parse to nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const parsed = parseKey(bytes)
        if (parsed === undefined) return
        expect(parsed.kind === 'order' ? bytes.length : 9).toBe(9)
      }),
    )
    // Cut off, and with more behind: of a receipt, both forms are a beginning of one.
    const address = new Uint8Array(32).fill(1)
    const keys = [
      schemaKey,
      sequenceKey,
      orderKey(7n),
      snapshotKey(address),
      bytecodeKey(address),
      contractKey(address),
    ]
    keys.push(deltaKey(address, 7), receiptKey(address, 7), receiptKey(address, 7, address))
    for (const key of keys) {
      const lengths = key[33] === receiptKey(address, 7)[33] ? [38, 70] : [key.length]
      for (let length = 0; length <= 80; length++) {
        const bytes = new Uint8Array(length)
        bytes.set(key.subarray(0, length))
        expect(parseKey(bytes) !== undefined, `${bytes}`).toBe(lengths.includes(length))
      }
    }
    expect(parseKey(new Uint8Array())).toBe(undefined)
    expect(parseKey(Uint8Array.of(3, 0, 0))).toBe(undefined)
    expect(parseKey(new Uint8Array(34).fill(4).fill(9, 33))).toBe(undefined)
  })
})
