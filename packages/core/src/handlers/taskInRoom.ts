import type { Turn } from '../engine/taskEngine.ts'
import type { TaskReply } from '../engine/taskReplies.ts'
import { heldBytes } from '../heldBytes.ts'
import type { RequestContext } from './handler.ts'
import { mostTaskBytes, waitForRoom } from './replyRows.ts'

/**
 * A task's reply, once there is room for it. It is held while that takes waiting, as far as there is memory for that; otherwise
 * it is let go of, and asked for again: the engine may have the same signed bytes, or can read them.
 *
 * @throws WorkerError `busy` if the peer does not read; it may ask for the reply when it has
 */
export async function taskInRoom<R extends TaskReply>(
  { room, heldTasks }: Pick<RequestContext, 'room' | 'heldTasks'>,
  run: (turn: Turn) => Promise<R>,
): Promise<R> {
  const { peer } = room
  let reply: R | undefined = await run({ mayBegin: () => heldTasks.assertMayBegin(peer) })
  const bytes = mostTaskBytes(reply.result)
  if (room.tryTake(bytes)) return reply
  const held = heldBytes(reply.result)
  if (!heldTasks.tryHold(peer, held)) {
    reply = undefined
    await waitForRoom(room, bytes)
    return run({ isAgain: true })
  }
  try {
    await waitForRoom(room, bytes)
    return reply
  } finally {
    heldTasks.release(peer, held)
  }
}
