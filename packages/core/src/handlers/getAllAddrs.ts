import type { Handler } from './handler.ts'

export const getAllAddrs: Handler<'GetAllAddrs'> = async (_, { readings, room }) => ({
  addresses: await readings.addresses.inRoom(room),
})
