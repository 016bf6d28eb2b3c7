import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'
import { readInRoom } from './replyRows.ts'

export const getTip: Handler<'GetTip'> = async ({ address }, { store, room }) => {
  const tip = await readInRoom(
    room,
    (pacer) => store.getTip(address, pacer),
    ({ data }) => data,
  )
  if (tip === undefined) throw notFound('get_tip', address)
  return tip
}
