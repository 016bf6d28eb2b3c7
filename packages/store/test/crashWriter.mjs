// Deploys a contract, then adds delta after delta, each with receipt and then snapshot, and prints the number of each one
// of which both were acknowledged. The crash test kills it.
import { createHash } from 'node:crypto'
import { ContractStore, openLmdb } from '@bletchley/store'

const hashDelta = (data) => new Uint8Array(createHash('sha256').update(data).digest())
const store = await ContractStore.open(await openLmdb({ folder: process.argv[2] }), { hashDelta })
const address = new Uint8Array(32).fill(1)

const tip = await store.getTip(address)
let previousHash = tip && hashDelta(tip.data)
for (let key = tip ? tip.key + 1 : 0; ; key++) {
  const data = new Uint8Array(3000).fill(key)
  await store.commitTask({
    address,
    delta: { key, data },
    previousHash,
    bytecode: key === 0 ? data : undefined,
    receipt: { taskId: new Uint8Array(32).fill(key), reply: data },
  })
  previousHash = hashDelta(data)
  await store.putSnapshot(address, { key, data }, previousHash)
  process.stdout.write(`${key}\n`)
}
