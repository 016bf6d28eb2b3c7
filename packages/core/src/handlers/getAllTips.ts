import type { Handler } from './handler.ts'

export const getAllTips: Handler<'GetAllTips'> = async (_, { readings, room, omissions }) => {
  const { tips, omitted } = await readings.tips.inRoom(room)
  omissions.count(omitted)
  return { tips, omitted: omitted.length > 0 ? omitted : undefined }
}
