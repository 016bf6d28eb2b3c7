import { expect, it } from 'vitest'
import type { TaskReply } from '../engine/taskReplies.ts'
import { ReplyRooms } from '../server/replyRoom.ts'
import { taskInRoom } from './taskInRoom.ts'

const mebibyte = 1024 * 1024

/** A task whose reply takes a mebibyte of room, and how often it was asked for. */
function task() {
  const seen = { runs: 0 }
  const run = async (): Promise<TaskReply> => {
    seen.runs++
    const output = new Uint8Array(mebibyte / 2)
    return { kind: 'failed', result: { output, usedGas: 1n, signature: new Uint8Array(65) } }
  }
  return { seen, run }
}

/** A peer may have so many bytes; nobody waits for long. */
const rooms = (bytes: number) =>
  new ReplyRooms({ unreadBytesPerPeer: bytes, unreadBytes: 100 * bytes, unreadPatienceMs: 300_000 })
const turns = async (count: number) => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

it('asks once for the reply to a task where there is room for it, and takes that', async () => {
  const room = rooms(8 * mebibyte).of('peer')
  const { seen, run } = task()
  await taskInRoom(room, run)
  expect([seen.runs, room.bytes]).toEqual([1, mebibyte])
})

it('holds none while it waits for room, and asks once more', async () => {
  const shared = rooms(8 * mebibyte)
  const other = shared.of('peer')
  expect(other.tryTake(7.5 * mebibyte)).toBe(true)
  const room = shared.of('peer')
  const { seen, run } = task()
  const reply = taskInRoom(room, run)
  await turns(30)
  expect([seen.runs, room.bytes]).toEqual([1, 0])
  other.shrink(0)
  expect((await reply).result.output).toHaveLength(mebibyte / 2)
  expect([seen.runs, room.bytes]).toEqual([2, mebibyte])
  shared.close()
})
