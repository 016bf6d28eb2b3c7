import type { TaskReply } from '../engine/taskReplies.ts'
import type { ReplyRoom } from '../server/replyRoom.ts'
import { mostTaskBytes, waitForRoom } from './replyRows.ts'

/**
 * A task's reply, once there is room for it. If that takes waiting it is let go of meanwhile, and asked for again: the engine
 * has the same signed bytes, or can read them.
 *
 * @throws WorkerError `busy` if the peer does not read; it may ask for the reply when it has
 */
export async function taskInRoom<R extends TaskReply>(room: ReplyRoom, run: () => Promise<R>): Promise<R> {
  let reply: R | undefined = await run()
  const bytes = mostTaskBytes(reply.result)
  if (room.tryTake(bytes)) return reply
  reply = undefined
  await waitForRoom(room, bytes)
  return run()
}
