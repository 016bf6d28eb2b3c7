import { type KeyValueBackend, openMemory } from '@bletchley/store'

/** The address of a contract that a test tells from others by its number. */
export function addressOf(contract: number): Uint8Array {
  const address = new Uint8Array(32)
  new DataView(address.buffer).setUint32(0, contract)
  return address
}

/** Records in memory. @param change gives the methods that do something else with them */
export function memoryBut(change: (inner: KeyValueBackend) => Partial<KeyValueBackend>): KeyValueBackend {
  const inner = openMemory()
  return {
    get: (key) => inner.get(key),
    entries: (range) => inner.entries(range),
    keys: (range) => inner.keys(range),
    first: (range) => inner.first(range),
    commit: (batch, expectations) => inner.commit(batch, expectations),
    stats: () => inner.stats(),
    close: () => inner.close(),
    assertInPlace: () => inner.assertInPlace(),
    clearDeadReaders: () => inner.clearDeadReaders(),
    ...change(inner),
  }
}
