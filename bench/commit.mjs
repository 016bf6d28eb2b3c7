// The baseline of a durable commit: a process of its own with a database as the store opens it. At every message it
// commits as many bytes in as many records as one task leaves behind, and tells the microseconds. Arguments: folder,
// sizes of the records.
import { openLmdb } from '@bletchley/store'
import { microseconds } from './measure.mjs'

const [folder, ...sizes] = process.argv.slice(2)
const database = await openLmdb({ folder })
let number = 0

process.on('message', async () => {
  number++
  const batch = sizes.map((size, kind) => {
    const key = Buffer.alloc(38)
    key.writeUInt32BE(kind)
    key.writeUInt32BE(number, 34)
    return { key, value: new Uint8Array(Number(size)).fill(number) }
  })
  process.send({ time: await microseconds(() => database.commit(batch)) })
})
process.on('disconnect', () => process.exit())
process.send('ready')
