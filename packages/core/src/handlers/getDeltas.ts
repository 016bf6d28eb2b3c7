import { maxReplyBytes, WorkerError } from '@bletchley/protocol'
import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'

/** A byte is a digit and a comma at least. */
const maxDeltaBytes = maxReplyBytes / 2

/** Groups in request order, ascending inside a group; one unknown address fails them all. */
export const getDeltas: Handler<'GetDeltas'> = async ({ ranges }, { store }) => {
  const deltas = []
  let bytes = 0
  for (const { address, from, to } of ranges) {
    if (!(await store.hasContract(address))) throw notFound('get_deltas', address)
    for await (const chunk of store.deltaChunks(address, from, to)) {
      for (const delta of chunk) {
        deltas.push({ address, ...delta })
        bytes += delta.data.length
      }
      // What cannot be sent is not collected: the stored range may be larger than the memory.
      if (bytes > maxDeltaBytes)
        throw new WorkerError('limit_exceeded', { limit: 'bytes of deltas', maximum: maxDeltaBytes })
    }
  }
  return { deltas }
}
