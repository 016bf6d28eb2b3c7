import { Turns } from '@bletchley/testkit/turns'
import { expect, test } from 'vitest'
import { CountingBackend, harnesses } from '../../test/harness.ts'
import { keyValueConformance } from '../../test/keyValueConformance.ts'
import { bytes32, collect, hash, openStore } from '../../test/model.ts'
import { storeConformance } from '../../test/storeConformance.ts'
import { type ContractStore, type KeyRange, type KeyValueBackend, KeyValueStore, openMemory } from '../index.ts'
import { receiptKey } from './keys.ts'

for (const [name, createHarness] of Object.entries(harnesses)) {
  keyValueConformance(name, createHarness)
  storeConformance(name, async () => {
    const harness = await createHarness()
    let backend: KeyValueBackend | undefined
    return {
      // One core opens a folder, so stores side by side share what is open.
      async open(onChange) {
        backend ??= await harness.open()
        const store = await KeyValueStore.open(backend, { hash, ...(onChange && { onChange }) })
        const close = store.close.bind(store)
        store.close = () => {
          backend = undefined
          return close()
        }
        return store
      },
      [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
    }
  })
}

/** Of which each read takes a tenth of a millisecond at least. It knows how many came in one turn of the event loop. */
class SlowBackend extends CountingBackend {
  readonly turns = new Turns()
  mostInATurn = 0
  #turn = { count: 0, reads: 0 }

  override async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#work()
    return super.get(key)
  }

  override async *keys(range: KeyRange): AsyncIterable<Uint8Array[]> {
    this.#work()
    yield* super.keys(range)
  }

  #work(): void {
    if (this.#turn.count !== this.turns.count) this.#turn = { count: this.turns.count, reads: 0 }
    this.mostInATurn = Math.max(this.mostInATurn, ++this.#turn.reads)
    for (const began = performance.now(); performance.now() - began < 0.1; );
  }
}

const count = 500
const numbers = Array.from({ length: count }, (_, index) => index)
const [first, ...others] = numbers.map((number) =>
  bytes32(1)
    .fill(number >> 8, 0, 1)
    .fill(number & 255, 1, 2),
)
const address = first!
const rows = numbers.map((number) => ({ address, key: 2 * number, data: Uint8Array.of(1) }))

test.each<[string, (store: ContractStore) => Promise<unknown>]>([
  [
    'writes other deltas in their place',
    (store) => store.putDeltas(rows.map((row) => ({ ...row, data: Uint8Array.of(2) }))),
  ],
  [
    'writes to many contracts',
    (store) => store.putDeltas(others.map((address) => ({ address, key: 1, data: Uint8Array.of(2) }))),
  ],
  ['removes many ranges', (store) => store.removeDeltas(rows.map(({ key }) => ({ address, from: key, to: key + 1 })))],
  ['looks for tips', (store) => collect(store.tips([address, ...others]))],
  ['looks for their lengths', (store) => collect(store.tipLengths(0))],
  ['reads receipts of older versions', (store) => store.receiptTasks(address)],
])('others have their turn while the store %s', async (_, work) => {
  const memory = openMemory()
  const filled = await openStore(memory)
  await filled.putDeltas([...rows, ...others.map((address) => ({ address, key: 0, data: Uint8Array.of(1) }))])
  await filled.putSnapshot(address, { key: 0, data: Uint8Array.of(1) }, hash(Uint8Array.of(1)))
  await memory.commit(rows.map(({ key }) => ({ key: receiptKey(address, key), value: bytes32(9) })))
  const backend = new SlowBackend(memory)
  const store = await openStore(backend)
  await work(store)
  backend.turns.stop()
  // A stretch of 3 ms has room for 30.
  expect(backend.mostInATurn).toBeLessThan(100)
})
