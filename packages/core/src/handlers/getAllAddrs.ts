import type { Handler } from './handler.ts'
import { addressBytes, allInRoom } from './replyRows.ts'

export const getAllAddrs: Handler<'GetAllAddrs'> = async (_, { store, room }) => {
  async function* addresses() {
    for await (const chunk of store.addressChunks()) yield* chunk
  }
  return { addresses: await allInRoom(room, addresses, () => addressBytes) }
}
