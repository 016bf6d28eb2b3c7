// Deploys a contract, then adds delta after delta, each with receipt and then snapshot, and prints the number of each one
// of which both were acknowledged. The crash test kills it.
import { createHash } from 'node:crypto'
import { KeyValueStore, openLmdb } from '@bletchley/store'

const hash = (data) => new Uint8Array(createHash('sha256').update(data).digest())
const store = await KeyValueStore.open(await openLmdb({ folder: process.argv[2] }), { hash })
const address = new Uint8Array(32).fill(1)

const { contract } = await store.load(address)
for (let key = contract ? contract.tip.key + 1 : 0; ; key++) {
  const data = new Uint8Array(3000).fill(key)
  await store.commitTask({
    address,
    version: (await store.load(address)).contract?.version,
    delta: { key, data },
    deltaHash: hash(data),
    code: key === 0 ? { bytecode: data, hash: hash(data) } : undefined,
    receipt: { taskId: new Uint8Array(32).fill(key), reply: data },
  })
  await store.putSnapshot(address, { key, data }, hash(data))
  process.stdout.write(`${key}\n`)
}
