// Fills the database until the disk has no room, then goes on. Prints what it found as one JSON object. An unhandled
// rejection would end it with another exit code.
import { KeyValueStore, openLmdb, StorageError } from '@bletchley/store'

const hash = () => new Uint8Array(32)
const store = await KeyValueStore.open(await openLmdb({ folder: process.argv[2] }), { hash })
const address = new Uint8Array(32).fill(1)
const put = (key, size = 200_000, of = address) =>
  store.putDeltas([{ address: of, key, data: new Uint8Array(size).fill(key) }]).then(
    () => 'stored',
    (error) => (error instanceof StorageError ? 'refused' : `${error}`),
  )

let key = 0
while ((await put(key)) === 'stored') key++
const outcomes = await Promise.all([put(key), put(key + 1)])
const tip = await store.getTip(address)
await store.removeDeltas([{ address, from: tip.key, to: tip.key + 1 }])
const other = new Uint8Array(32).fill(2)
const together = await Promise.all([put(0, 100, other), put(key, 9_000_000), put(1, 100, other)])
process.stdout.write(
  JSON.stringify({
    lastStored: key - 1,
    outcomes,
    tip: tip.key,
    later: (await store.getTip(address)).key,
    together,
  }),
)
await store.close()
