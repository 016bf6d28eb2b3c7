import type { Handler } from './handler.ts'
import { taskInRoom } from './taskInRoom.ts'

export const deploySecretContract: Handler<'DeploySecretContract'> = async (input, { engine, room }) => {
  const reply = await taskInRoom(room, () => engine.deploy(input, room.peer))
  return reply.kind === 'failed' ? { failedTask: reply.result } : reply.result
}
