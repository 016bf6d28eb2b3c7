import { expect, it } from 'vitest'
import { readerNamed } from '../../test/readers.ts'
import type { Turn } from '../engine/taskEngine.ts'
import type { TaskReply } from '../engine/taskReplies.ts'
import { defaultRoomLimits, ReplyRooms } from '../server/replyRoom.ts'
import { HeldTasks } from './heldTasks.ts'
import { taskInRoom } from './taskInRoom.ts'

const mebibyte = 1024 * 1024

/** A task whose reply takes as much room as twice its output, and how it was asked for. */
function task(outputBytes = mebibyte / 2) {
  const turns: Turn[] = []
  const run = async (turn: Turn): Promise<TaskReply> => {
    turn.mayBegin?.()
    turns.push(turn)
    const output = new Uint8Array(outputBytes)
    return { kind: 'failed', result: { output, usedGas: 1n, signature: new Uint8Array(65) } }
  }
  return { turns, run }
}

/** A peer may have so many bytes; nobody waits for long. */
const rooms = (bytes: number) =>
  new ReplyRooms({
    ...{ ...defaultRoomLimits, unreadBytesPerPeer: bytes, unreadBytes: 100 * bytes, unreadPatienceMs: 300_000 },
  })
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

it('asks once for the reply to a task where there is room for it, and takes that', async () => {
  const room = rooms(8 * mebibyte).of(readerNamed('peer'))
  const { turns: asked, run } = task()
  await taskInRoom({ room, heldTasks: new HeldTasks() }, run)
  expect([asked.length, room.bytes]).toEqual([1, mebibyte])
})

it('asks once as well where the reply waits for room: the engine may not have it any more', async () => {
  const shared = rooms(8 * mebibyte)
  const other = shared.of(readerNamed('peer'))
  expect(other.tryTake(7.5 * mebibyte)).toBe(true)
  const room = shared.of(readerNamed('peer'))
  const { turns: asked, run } = task()
  const heldTasks = new HeldTasks()
  const reply = taskInRoom({ room, heldTasks }, run)
  await turns(30)
  expect([asked.length, room.bytes]).toEqual([1, 0])
  other.shrink(0)
  expect((await reply).result.output).toHaveLength(mebibyte / 2)
  expect([asked.length, room.bytes]).toEqual([1, mebibyte])
  // Nothing is held any more.
  expect(heldTasks.tryHold('peer', 256 * mebibyte)).toBe(true)
  shared.close()
})

it('lets go of a reply that nobody could hold, and asks for it again as one that was taken before', async () => {
  const shared = rooms(8 * mebibyte)
  const other = shared.of(readerNamed('peer'))
  expect(other.tryTake(8 * mebibyte)).toBe(true)
  const heldTasks = new HeldTasks()
  expect(heldTasks.tryHold('another', 256 * mebibyte)).toBe(true)
  expect(heldTasks.tryHold('third', 128 * mebibyte)).toBe(true)
  expect(heldTasks.tryHold('fourth', 64 * mebibyte)).toBe(true)
  const { turns: asked, run } = task(65 * mebibyte)
  const room = shared.of(readerNamed('peer'))
  const reply = taskInRoom({ room, heldTasks }, run)
  await turns(30)
  expect(asked.map(({ isAgain }) => isAgain)).toEqual([undefined])
  other.shrink(0)
  await reply
  expect(asked.map(({ isAgain }) => isAgain)).toEqual([undefined, true])
  shared.close()
})

it('gives up with its peer, and holds nothing then', async () => {
  const shared = rooms(8 * mebibyte)
  expect(shared.of(readerNamed('peer')).tryTake(8 * mebibyte)).toBe(true)
  const heldTasks = new HeldTasks()
  const reply = taskInRoom({ room: shared.of(readerNamed('peer')), heldTasks }, task().run)
  reply.catch(() => {})
  await turns(30)
  expect(heldTasks.tryHold('peer', 256 * mebibyte)).toBe(false)
  shared.close()
  await expect(reply).rejects.toMatchObject({ code: 'shutting_down' })
  expect(heldTasks.tryHold('peer', 256 * mebibyte)).toBe(true)
})

it('does not begin a task of a peer whose results wait, long before they are as many as may be', async () => {
  const shared = rooms(8 * mebibyte)
  const heldTasks = new HeldTasks()
  const { turns: asked, run } = task()
  // Of 512 MiB, a third for one peer.
  expect(heldTasks.tryHold('peer', 170 * mebibyte)).toBe(true)
  await taskInRoom({ room: shared.of(readerNamed('peer')), heldTasks }, run)
  expect(heldTasks.tryHold('peer', mebibyte)).toBe(true)
  await expect(taskInRoom({ room: shared.of(readerNamed('peer')), heldTasks }, run)).rejects.toMatchObject({
    code: 'busy',
    data: { limit: 'bytes of replies that this peer has not read', maximum: 512 * mebibyte },
  })
  await taskInRoom({ room: shared.of(readerNamed('other')), heldTasks }, run)
  heldTasks.release('peer', mebibyte)
  await taskInRoom({ room: shared.of(readerNamed('peer')), heldTasks }, run)
  expect(asked).toHaveLength(3)
})

it('holds results of however many peers within 512 MiB, and of each half of what the others leave', () => {
  const heldTasks = new HeldTasks()
  const unit = mebibyte / 4
  let all = 0
  for (let peer = 0; peer < 20; peer++) {
    let own = 0
    while (heldTasks.tryHold(`${peer}`, unit)) own += unit
    expect(own).toBe(Math.floor((512 * mebibyte - all) / 2 / unit) * unit)
    all += own
  }
  expect(all).toBeLessThanOrEqual(512 * mebibyte)
})
