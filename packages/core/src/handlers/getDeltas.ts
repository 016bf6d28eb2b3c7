import { Pacer } from '@bletchley/store'
import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'
import { rowsInRoom } from './replyRows.ts'

/** Groups in request order, ascending inside a group; one unknown address fails them all. */
export const getDeltas: Handler<'GetDeltas'> = async ({ ranges }, { store, room }) => {
  async function* rows() {
    const pacer = new Pacer(room.peer)
    for (const { address, from, to } of ranges) {
      if (!(await store.hasContract(address))) throw notFound('get_deltas', address)
      for await (const chunk of store.deltaChunks(address, from, to, pacer)) {
        for (const { key, data } of chunk) yield { address, key, data }
      }
      await pacer.pause()
    }
  }
  return { deltas: await rowsInRoom(room, rows) }
}
