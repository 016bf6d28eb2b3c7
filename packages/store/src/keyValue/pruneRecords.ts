import { keptReceipts } from '../contractStore.ts'
import type { KeyValueBackend, Write } from './backend.ts'
import { contractAddresses } from './contractAddresses.ts'
import { contractKey, deltaKey, parseKey, receiptSpan, snapshotKey } from './keys.ts'
import { decodeSnapshot, decodeTip } from './records.ts'

export interface Pruned {
  snapshots: number
  receipts: number
  /** Of the values that are gone. */
  bytes: number
}

/**
 * Removes what has no meaning any more: receipts beyond those that are kept, or of deltas that are not there, and
 * snapshots of such deltas. Deltas and bytecode stay, whatever else is wrong with them.
 *
 * @param options.allSnapshots also the good ones, which the next task of each contract pays for with a rebuild
 */
export async function pruneRecords(
  backend: KeyValueBackend,
  options: { allSnapshots?: boolean; signal?: AbortSignal; onContract?(): void } = {},
): Promise<Pruned> {
  const pruned: Pruned = { snapshots: 0, receipts: 0, bytes: 0 }
  for await (const address of contractAddresses(backend)) {
    options.signal?.throwIfAborted()
    const stored = await backend.get(contractKey(address))
    const tip = stored && decodeTip(stored)
    const batch: Write[] = []
    const remove = (key: Uint8Array, value: Uint8Array, kind: 'snapshots' | 'receipts'): void => {
      batch.push({ key, value: undefined })
      pruned[kind] += 1
      pruned.bytes += value.length
    }
    const snapshot = await backend.get(snapshotKey(address))
    if (snapshot !== undefined) {
      const key = decodeSnapshot(snapshot)?.key
      const useful = key !== undefined && tip !== undefined && key <= tip && (await hasDelta(backend, address, key))
      if (!useful || options.allSnapshots) remove(snapshotKey(address), snapshot, 'snapshots')
    }
    for await (const chunk of backend.entries(receiptSpan(address, 0))) {
      for (const { key, value } of chunk) {
        const parsed = parseKey(key)
        if (parsed?.kind !== 'receipt') continue
        const kept = tip !== undefined && parsed.index <= tip && parsed.index > tip - keptReceipts
        if (!kept || !(await hasDelta(backend, address, parsed.index))) remove(key, value, 'receipts')
      }
    }
    if (batch.length > 0) await backend.commit(batch, [{ key: contractKey(address), value: stored }])
    options.onContract?.()
  }
  return pruned
}

async function hasDelta(backend: KeyValueBackend, address: Uint8Array, index: number): Promise<boolean> {
  return (await backend.get(deltaKey(address, index))) !== undefined
}
