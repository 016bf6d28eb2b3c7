import type { Reader } from '../src/server/replyRoom.ts'

const readers = new Map<string, { id: string; isWriting: boolean; lastProgressAt: number }>()

/** The peer of this name, which is sent nothing. */
export function readerNamed(id: string): Reader {
  const reader = readers.get(id) ?? { id, isWriting: false, lastProgressAt: 0 }
  readers.set(id, reader)
  return reader
}
