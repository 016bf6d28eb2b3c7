import type { Handler } from './handler.ts'
import { taskInRoom } from './taskInRoom.ts'

export const deploySecretContract: Handler<'DeploySecretContract'> = async (input, request) => {
  const reply = await taskInRoom(request, (turn) => request.engine.deploy(input, request.room.peer, turn))
  return reply.kind === 'failed' ? { failedTask: reply.result } : reply.result
}
