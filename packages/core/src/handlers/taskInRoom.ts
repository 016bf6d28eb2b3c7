import { Pacer } from '@bletchley/store'
import type { TaskReply } from '../engine/taskReplies.ts'
import type { ReplyRoom } from '../server/replyRoom.ts'
import { mostTaskBytes } from './replyRows.ts'

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
  await room.take(bytes)
  // Room comes for many at once.
  const pacer = new Pacer(room.peer)
  while (pacer.due) await pacer.pause()
  return run()
}
