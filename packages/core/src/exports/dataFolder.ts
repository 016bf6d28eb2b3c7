// What a core leaves in its data folder, for those who look after it.
export { assertWorker, storeFolder, whileReadable, withReader } from '../dataFolder.ts'
export { decodeReceipt } from '../engine/taskReplies.ts'
export { fetchStateKeys } from '../keys/fetchStateKeys.ts'
export { StateKeys } from '../keys/stateKeys.ts'
