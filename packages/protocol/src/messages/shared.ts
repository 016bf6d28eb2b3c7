import { address, byteArray, gas, hex, index, indexOrState, list, publicKey, status, struct } from '../wire.ts'

// Shapes that several messages have in common. Peers copy rows of one message into requests of another, and refuse
// members that they do not know: a delta row has exactly these.

/** A delta with its place. */
export const deltaRow = struct({ address, key: index, data: byteArray })

/** The deltas `[from, to)` of one contract. */
export const range = struct({ address, from: index, to: index })

/** Result of writing one contract. */
export const writeResult = struct({ status })

/** Result of writing deltas. */
export const deltaWriteResult = struct({
  status,
  errors: list(struct({ address, key: indexOrState, status })),
})

/** What both tasks need, in the order of the protocol document. */
export const taskInput = {
  encryptedArgs: hex(),
  encryptedFn: hex(),
  userDHKey: publicKey,
  gasLimit: gas,
  contractAddress: address,
} as const

/** What both tasks give back after the delta, in the order of the protocol document. */
export const taskResult = {
  usedGas: gas,
  ethereumPayload: hex(),
  ethereumAddress: hex(20),
  signature: hex(65),
} as const

export const rangeNote =
  '`from` is included, `to` is not. The widest range, 0 to 4294967295, is allowed: the cost follows what is stored. The last index there can be is in no range.'
export const overwriteNote = 'What is stored under the same address or index is overwritten.'
export const atomicNote = 'One atomic batch, on disk before the reply.'
export const statusNote = '`status` is 0 when done and -1 when the database failed.'
export const echoNote = 'The reply repeats `address` as the request spelt it.'
export const p2pMirrorNote = 'Dialect enigma-p2p repeats the members of `result` beside it.'
