import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSealingKey, openSigningKey, type SealingOptions } from '@bletchley/crypto/key-file'
import { type ContractStore, KeyValueStore, openLmdb, type Write } from '@bletchley/store'

export const address = (value: number): Uint8Array => new Uint8Array(32).fill(value)

/** A worker's data folder, in a folder of its own: keys, and a contract of bytecode. */
export async function worker({ sealing = {} }: { sealing?: SealingOptions | undefined } = {}) {
  const base = await mkdtemp(join(tmpdir(), 'bletchley-'))
  const data = join(base, 'data')
  await openSigningKey(data, await openSealingKey(data, sealing), 'worker signing key')
  await withStore(data, (store) => store.putBytecode(address(1), Uint8Array.of(1, 2, 3)))
  return { base, data, [Symbol.asyncDispose]: () => rm(base, { recursive: true }) }
}

export async function withStore<T>(dataFolder: string, work: (store: ContractStore) => Promise<T>): Promise<T> {
  const backend = await openLmdb({ folder: join(dataFolder, 'store') })
  const store = await KeyValueStore.open(backend, { hash: (delta) => delta })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

/** Deltas `[from, to)` of a contract, each of its own bytes. */
export function deltas(contract: number, from: number, to: number, bytes = 28) {
  return Array.from({ length: to - from }, (_, index) => {
    const key = from + index
    return { address: address(contract), key, data: new Uint8Array(bytes).fill(contract * 16 + key) }
  })
}

/** Writes records that no store would. */
export async function damage(dataFolder: string, batch: Write[]): Promise<void> {
  const backend = await openLmdb({ folder: join(dataFolder, 'store') })
  await backend.commit(batch)
  await backend.close()
}

/** A key of a contract's records: 1 deltas, 2 the snapshot, 3 the bytecode, 4 the record, 5 receipts. */
export function recordKey(contract: number, tag: number, index?: number): Uint8Array {
  return Uint8Array.of(4, ...address(contract), tag, ...(index === undefined ? [] : [0, 0, index >> 8, index & 255]))
}

/** All that a database says to peers; blobs by their number and hash. */
export function contentsOf(dataFolder: string) {
  return withStore(dataFolder, async (store) => {
    const contents: { contract: number; bytecode: Uint8Array | undefined; deltas: string[] }[] = []
    for (const contract of await store.allAddresses()) {
      const chain = await store.getDeltas(contract, 0, 2 ** 32)
      contents.push({
        contract: contract[0]!,
        bytecode: await store.getBytecode(contract),
        deltas: chain.map(({ key, data }) => `${key} ${createHash('sha256').update(data).digest('hex')}`),
      })
    }
    return contents
  })
}
