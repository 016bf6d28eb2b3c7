import { maxReplyBytes } from '@bletchley/protocol'
import type { ContractStore } from '@bletchley/store'
import { type AllTips, readAllTips } from './allTips.ts'
import { addressBytes } from './replyRows.ts'
import { type Found, SharedReading } from './sharedReading.ts'

/** What is read of all contracts at once. */
export interface Readings {
  readonly tips: SharedReading<AllTips>
  /** In the order of creation. */
  readonly addresses: SharedReading<Uint8Array[]>
}

export function readingsOf(store: ContractStore): Readings {
  return {
    tips: new SharedReading(store, () => readAllTips(store)),
    addresses: new SharedReading(store, () => readAllAddresses(store)),
  }
}

async function readAllAddresses(store: ContractStore): Promise<Found<Uint8Array[]>> {
  const found = await store.allAddresses()
  return { found, bytes: Math.min(maxReplyBytes, found.length * addressBytes) }
}
