// Deploys a contract, then adds delta after delta, each with snapshot and receipt, and prints the number of each one that
// was acknowledged. The crash test kills it.
import { createHash } from 'node:crypto'
import { ContractStore, openLmdb } from '@bletchley/store'

const hashDelta = (data) => new Uint8Array(createHash('sha256').update(data).digest())
const store = await ContractStore.open(openLmdb({ folder: process.argv[2] }), { hashDelta })
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
    snapshot: data,
    receipt: { taskId: new Uint8Array(32).fill(key), reply: data },
  })
  previousHash = hashDelta(data)
  process.stdout.write(`${key}\n`)
}
