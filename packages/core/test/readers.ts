import type { Reader } from '../src/server/replyRoom.ts'

const readers = new Map<string, { id: string; lastProgressAt: number }>()

/** The peer of this name, which takes something when a test says so. */
export function readerNamed(id: string): Reader & { lastProgressAt: number } {
  const reader = readers.get(id) ?? { id, lastProgressAt: 0 }
  readers.set(id, reader)
  return reader
}
