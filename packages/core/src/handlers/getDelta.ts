import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'
import { readInRoom } from './replyRows.ts'

export const getDelta: Handler<'GetDelta'> = async ({ address, key }, { store, room }) => {
  const data = await readInRoom(
    room,
    (pacer) => store.getDelta(address, key, pacer),
    (bytes) => bytes,
  )
  if (data === undefined) throw notFound('get_delta', address)
  return { address, key, data }
}
