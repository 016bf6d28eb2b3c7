import type { Handler } from './handler.ts'
import { taskInRoom } from './taskInRoom.ts'

export const computeTask: Handler<'ComputeTask'> = async (input, { engine, room }) => {
  const reply = await taskInRoom(room, () => engine.compute(input, room.peer))
  return reply.kind === 'failed' ? { failedTask: reply.result } : reply.result
}
