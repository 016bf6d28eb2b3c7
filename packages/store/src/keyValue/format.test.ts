import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { expect, test } from 'vitest'
import { bytes32, collect, deploy, hash, openStore } from '../../test/model.ts'
import { openMemory } from '../index.ts'
import { wholeSpan } from './keys.ts'

/** What a worker of today finds in the folder of an older one; a change here needs another number of the schema. */
test('what is stored is, byte for byte, what it was before', async () => {
  const backend = openMemory()
  const store = await openStore(backend)
  const [address, other] = [bytes32(0xaa), bytes32(0xbb)]
  const receipt = { taskId: bytes32(0xcc), reply: Uint8Array.of(5, 6) }
  await deploy(store, address, Uint8Array.of(9), Uint8Array.of(1), receipt)
  await store.putBytecode(other, Uint8Array.of(8))
  await store.putDeltas([{ address, key: 0x01020304, data: Uint8Array.of(2) }])
  await store.putSnapshot(address, { key: 0x01020304, data: Uint8Array.of(7) }, hash(Uint8Array.of(2)))
  const entries = (await collect(backend.entries(wholeSpan))).flat()
  const stored = [
    ['01', '00000002'],
    ['02', '0000000000000002'],
    ['030000000000000000', 'aa'.repeat(32)],
    ['030000000000000001', 'bb'.repeat(32)],
    [`04${'aa'.repeat(32)}0100000000`, '01'],
    [`04${'aa'.repeat(32)}0101020304`, '02'],
    [`04${'aa'.repeat(32)}02`, '0102030407'],
    [`04${'aa'.repeat(32)}03`, '09'],
    [`04${'aa'.repeat(32)}04`, '0000000000000000000000000000000201020304'],
    [`04${'aa'.repeat(32)}0500000000${'cc'.repeat(32)}`, '0506'],
    [`04${'bb'.repeat(32)}03`, '08'],
    [`04${'bb'.repeat(32)}04`, '00000000000000010000000000000000'],
  ]
  expect(entries.map(({ key, value }) => [bytesToHex(key), bytesToHex(value)])).toEqual(stored)
  // And is read again, with a receipt as older versions wrote it.
  const again = openMemory()
  await again.commit(stored.map(([key, value]) => ({ key: hexToBytes(key!), value: hexToBytes(value!) })))
  await again.commit([
    { key: hexToBytes(`04${'aa'.repeat(32)}0501020304`), value: hexToBytes(`${'dd'.repeat(32)}0708`) },
  ])
  const reader = await openStore(again)
  expect(await reader.allAddresses()).toEqual([address, other])
  expect(await reader.getTip(address)).toEqual({ key: 0x01020304, data: Uint8Array.of(2) })
  expect(await reader.getSnapshot(address)).toEqual({ key: 0x01020304, data: Uint8Array.of(7) })
  expect(await reader.getReceipt(address, bytes32(0xcc))).toEqual({ key: 0, reply: Uint8Array.of(5, 6) })
  expect(await reader.getReceipt(address, bytes32(0xdd))).toEqual({ key: 0x01020304, reply: Uint8Array.of(7, 8) })
  expect(await reader.getBytecode(other)).toEqual(Uint8Array.of(8))
})
