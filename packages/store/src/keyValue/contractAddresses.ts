import { concatBytes, equalBytes } from '@bletchley/bytes'
import type { KeyValueBackend } from './backend.ts'
import { addressOf, allContracts, contractSpan } from './keys.ts'

/**
 * The addresses under which anything is stored, in byte order, found by one seek each: also those that the order of
 * contracts does not list. A key of another shape is passed over.
 *
 * @param after begins behind this address
 */
export async function* contractAddresses(backend: KeyValueBackend, after?: Uint8Array): AsyncGenerator<Uint8Array> {
  let gte = after === undefined ? allContracts.gte : contractSpan(after).lt
  for (;;) {
    const entry = await backend.first({ gte, lt: allContracts.lt })
    if (entry === undefined) return
    const address = addressOf(entry.key)
    if (address === undefined) gte = concatBytes(entry.key, Uint8Array.of(0))
    else {
      yield address
      gte = contractSpan(address).lt
    }
  }
}

/** Whether a record is there with this value. */
export async function holds(backend: KeyValueBackend, key: Uint8Array, value: Uint8Array): Promise<boolean> {
  const stored = await backend.get(key)
  return stored !== undefined && equalBytes(stored, value)
}
