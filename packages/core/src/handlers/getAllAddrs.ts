import type { Handler } from './handler.ts'
import { addressBytes } from './replyRows.ts'

export const getAllAddrs: Handler<'GetAllAddrs'> = async (_, { store, room }) => {
  const addresses = await store.allAddresses()
  await room.take(addresses.length * addressBytes)
  return { addresses }
}
