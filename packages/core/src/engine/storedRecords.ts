import type { ContractReader } from '@bletchley/store'
import { hashWithPauses } from '../largeBytes.ts'
import type { ContractRecords, StoredDelta, StoredTip } from './contractStates.ts'

/** Contracts' records as compute threads get them from a store. */
export function storedRecords(store: ContractReader): ContractRecords {
  return {
    async bytecode(address) {
      const bytecode = await store.getBytecode(address)
      return bytecode && copy(bytecode)
    },
    async snapshot(address) {
      const snapshot = await store.getSnapshot(address)
      return snapshot && copy(snapshot.data)
    },
    async deltas(address, from) {
      for await (const chunk of store.deltaChunks(address, from)) return packed(chunk)
      return []
    },
  }
}

/** A contract's newest delta, as a job of a thread needs to know it. */
export async function storedTip(store: ContractReader, address: Uint8Array): Promise<StoredTip | undefined> {
  const tip = await store.getTip(address)
  return tip && { key: tip.key, hash: await hashWithPauses(tip.data) }
}

/** In memory of its own: a view of a larger buffer would be cloned whole when it is sent to a thread. */
export function copy(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
}

/** The deltas as views of one buffer, which is cloned faster than hundreds. */
function packed(deltas: StoredDelta[]): StoredDelta[] {
  const bytes = new Uint8Array(deltas.reduce((sum, { data }) => sum + data.length, 0))
  let end = 0
  return deltas.map(({ key, data }) => {
    bytes.set(data, end)
    end += data.length
    return { key, data: bytes.subarray(end - data.length, end) }
  })
}
