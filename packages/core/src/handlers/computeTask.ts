import type { Handler } from './handler.ts'
import { taskInRoom } from './taskInRoom.ts'

export const computeTask: Handler<'ComputeTask'> = async (input, request) => {
  const reply = await taskInRoom(request, (turn) => request.engine.compute(input, request.room.peer, turn))
  return reply.kind === 'failed' ? { failedTask: reply.result } : reply.result
}
