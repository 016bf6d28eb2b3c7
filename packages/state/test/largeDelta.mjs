// Applies a delta of a million operations in a thread whose heap is bounded: new Worker(…, { workerData: kind }). Posts what
// became of it.
import { parentPort, workerData } from 'node:worker_threads'
import { encrypt, MsgPackWriter } from '@bletchley/crypto'
import { applyDelta, encodeJson, initialState } from '@bletchley/state'

const count = 1_000_000
const key = new Uint8Array(32)

/** A path for each operation, of few members or of one array. */
const pathsOf = {
  members: (at) => `/${at % 1000}`,
  items: (at) => (at === 0 ? '/a' : '/a/-'),
  refused: (at) => (at === count - 1 ? '/none/a' : `/${at % 1000}`),
}

const writer = new MsgPackWriter()
writer.arrayHeader(2)
writer.arrayHeader(count)
for (let at = 0; at < count; at++) {
  writer.arrayHeader(3)
  writer.str('add')
  const path = pathsOf[workerData](at)
  writer.str(path)
  if (path === '/a') writer.arrayHeader(0)
  else writer.int(at)
}
writer.byteArray(new Uint8Array(32))

const state = initialState()
let code
try {
  applyDelta(state, 0, key, encrypt(key, writer.bytes()))
} catch (error) {
  code = error.code
}
parentPort.postMessage({ code, length: encodeJson(state.json).length })
