import { concatBytes, u32be, u64be } from '@bletchley/bytes'
import { describe, expect, test } from 'vitest'
import { CountingBackend } from '../../test/harness.ts'
import { bytes32, openStore } from '../../test/model.ts'
import { type Entry, type KeyRange, type KeyValueBackend, openMemory, verifyRecords } from '../index.ts'
import {
  bytecodeKey,
  contractKey,
  deltaKey,
  orderKey,
  receiptKey,
  schemaKey,
  sequenceKey,
  snapshotKey,
} from './keys.ts'
import { encodeContract, encodeSnapshot } from './records.ts'

const [address, second] = [bytes32(1), bytes32(2)]
/** The shortest that a blob can be. */
const blob = new Uint8Array(28)
const receipt = bytes32(9)

/** A contract of bytecode and three deltas, and one of bytecode alone. */
async function sound(): Promise<KeyValueBackend> {
  const backend = openMemory()
  const store = await openStore(backend)
  await store.putContract(address, Uint8Array.of(1), { key: 0, data: blob })
  await store.putDeltas([1, 2].map((key) => ({ address, key, data: blob })))
  await store.putBytecode(second, Uint8Array.of(1))
  await backend.commit([
    { key: snapshotKey(address), value: encodeSnapshot({ key: 2, data: blob }) },
    { key: receiptKey(address, 2), value: receipt },
  ])
  return backend
}

async function problemsOf(backend: KeyValueBackend, addresses?: Uint8Array[]): Promise<string[]> {
  const problems: string[] = []
  for await (const { problem } of verifyRecords(backend, { addresses })) problems.push(problem)
  return problems
}

describe('verifyRecords', () => {
  test('finds nothing in what a store wrote, and nothing of a contract that is not there', async () => {
    const backend = await sound()
    expect(await problemsOf(backend)).toEqual([])
    expect(await problemsOf(backend, [address, bytes32(7)])).toEqual([])
    expect(await problemsOf(openMemory())).toEqual(['the database holds no contracts'])
  })

  test.each<[string, [key: Uint8Array, value: Uint8Array | undefined][], ...problems: string[]]>([
    ['no first delta', [[deltaKey(address, 0), undefined]], 'delta 0 is missing'],
    ['a hole', [[deltaKey(address, 1), undefined]], 'delta 1 is missing'],
    [
      'a hole of several',
      [[deltaKey(address, 7), blob]],
      'deltas 3 to 6 are missing',
      'its tip is recorded as 2, but is 7',
    ],
    ['a blob that is too short', [[deltaKey(address, 1), blob.subarray(1)]], 'delta 1 has only 27 bytes'],
    ['a snapshot without its number', [[snapshotKey(address), new Uint8Array(3)]], 'the snapshot is damaged'],
    ['a snapshot that is too short', [[snapshotKey(address), new Uint8Array(31)]], 'the snapshot is damaged'],
    [
      'a snapshot that is ahead',
      [[snapshotKey(address), encodeSnapshot({ key: 3, data: blob })]],
      'the snapshot is of delta 3, behind the tip',
    ],
    [
      'a snapshot where no deltas are',
      [[snapshotKey(second), encodeSnapshot({ key: 0, data: blob })]],
      'the snapshot is of delta 0, behind the tip',
    ],
    ['empty bytecode', [[bytecodeKey(second), new Uint8Array()]], 'the bytecode is empty'],
    ['nothing but a record', [[bytecodeKey(second), undefined]], 'it has neither bytecode nor deltas'],
    [
      'a receipt that is too short',
      [[receiptKey(address, 2), new Uint8Array(31)]],
      'the receipt of delta 2 is damaged',
    ],
    [
      'receipts of deltas that are not there',
      [
        [deltaKey(address, 1), undefined],
        [receiptKey(address, 0), receipt],
        [receiptKey(address, 1), receipt],
        [receiptKey(address, 3), receipt],
        [receiptKey(address, 4, bytes32(9)), new Uint8Array()],
      ],
      'delta 1 is missing',
      'there is a receipt of delta 1, but no such delta',
      'there is a receipt of delta 3, but no such delta',
      'there is a receipt of delta 4, but no such delta',
    ],
    [
      'a strange record of a contract',
      [[concatBytes(contractKey(second), u32be(0)), blob]],
      'there is a record of an unknown kind',
    ],
    [
      'no record of a contract',
      [[contractKey(address), undefined]],
      'the record of the contract is missing',
      'number 0 of the order of contracts names one that does not have it',
    ],
    [
      'a damaged record',
      [[contractKey(second), new Uint8Array(17)]],
      'its record is damaged',
      'number 1 of the order of contracts names one that does not have it',
    ],
    [
      'a tip where none is',
      [[contractKey(second), encodeContract({ sequence: 1n, revision: 0n, tip: 4 })]],
      'its tip is recorded as 4, but is none',
    ],
    [
      'no tip where one is',
      [[contractKey(address), encodeContract({ sequence: 0n, revision: 0n, tip: undefined })]],
      'its tip is recorded as none, but is 2',
    ],
    ['no place in the order', [[orderKey(0n), undefined]], 'it is not in the order of contracts (number 0)'],
    [
      'another in its place',
      [[orderKey(0n), second]],
      'it is not in the order of contracts (number 0)',
      'number 0 of the order of contracts names one that does not have it',
    ],
    [
      'a damaged place',
      [[concatBytes(orderKey(0n), u32be(1)), address]],
      'the order of contracts has a damaged record',
    ],
    ['no next number', [[sequenceKey, undefined]], 'the record of the next contract number is damaged'],
    [
      'a next number of another size',
      [[sequenceKey, new Uint8Array(9)]],
      'the record of the next contract number is damaged',
    ],
    ['a next number that is given', [[sequenceKey, u64be(1n)]], 'the next contract number has been given already'],
    ...[
      [0],
      [0, 255],
      [schemaKey[0]!, 0],
      [schemaKey[0]!, 255],
      [sequenceKey[0]!, 0],
      [sequenceKey[0]!, 255],
      [5],
      [254, 255],
    ].map((key): [string, [Uint8Array, Uint8Array][], string] => [
      `a strange record at ${key}`,
      [[Uint8Array.from(key), blob]],
      'there are records of an unknown kind',
    ]),
  ])('finds %s', async (_, changes, ...problems) => {
    const backend = await sound()
    await backend.commit(changes.map(([key, value]) => ({ key, value })))
    expect(await problemsOf(backend)).toEqual(problems)
  })

  test('what is named is looked at, and nothing around it', async () => {
    const backend = await sound()
    await backend.commit([
      { key: bytecodeKey(second), value: new Uint8Array() },
      { key: deltaKey(address, 1), value: undefined },
      { key: sequenceKey, value: undefined },
    ])
    expect(await problemsOf(backend, [address])).toEqual(['delta 1 is missing'])
    const stop = new AbortController()
    const findings = verifyRecords(backend, { signal: stop.signal })
    expect(await findings.next()).toMatchObject({ value: { address } })
    stop.abort(new Error('stopped'))
    await expect(findings.next()).rejects.toThrow('stopped')
  })

  test('a contract that changes while it is read is read again', async () => {
    const backend = await sound()
    // A store removes a delta and changes the record, between two reads of this walk.
    let changed = false
    class Busy extends CountingBackend {
      override async *entries(range: KeyRange): AsyncIterable<Entry[]> {
        if (!changed) {
          changed = true
          await (await openStore(backend)).removeDeltas([{ address, from: 2, to: 3 }])
        }
        yield* super.entries(range)
      }
    }
    const busy = new Busy(backend)
    expect(await problemsOf(busy)).toEqual([])
    expect(changed).toBe(true)
  })
})
