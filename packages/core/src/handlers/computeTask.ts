import type { Handler } from './handler.ts'
import { mostTaskBytes } from './replyRows.ts'

export const computeTask: Handler<'ComputeTask'> = async (input, { engine, room }) => {
  const reply = await engine.compute(input)
  // It is kept, so that one which finds no room can be asked for again.
  await room.take(mostTaskBytes(reply.result))
  return reply.kind === 'failed' ? { failedTask: reply.result } : reply.result
}
