import { Pacer } from '@bletchley/store'
import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'
import { rowsInRoom } from './replyRows.ts'

/** One unknown address fails them all, as in the reference. */
export const getTips: Handler<'GetTips'> = async ({ addresses }, { store, room }) => {
  async function* rows() {
    let position = 0
    for await (const tip of store.tips(addresses, new Pacer(room.peer))) {
      const address = addresses[position++]!
      if (tip === undefined) throw notFound('get_tip', address)
      yield { address, ...tip }
    }
  }
  return { tips: await rowsInRoom(room, rows) }
}
