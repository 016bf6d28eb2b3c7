import { CryptoError, MsgPackReader } from '@bletchley/crypto'
import { StateError } from './errors.ts'

/**
 * Reads a struct in either of its two forms: an array of all members in order, or a map by name (unknown names are
 * skipped, as the reference does). spec/crypto.md 2.6
 *
 * @param readMember must consume exactly the member `name`
 */
export function readStruct<Name extends string>(
  reader: MsgPackReader,
  names: readonly Name[],
  readMember: (name: Name) => void,
): void {
  const missing = new Set<Name>(names)
  if (reader.peekType() === 'map') {
    for (let left = reader.mapHeader(); left > 0; left--) {
      const label = reader.str()
      const name = names.find((candidate) => candidate === label)
      if (name === undefined) reader.skip()
      else {
        readMember(name)
        missing.delete(name)
      }
    }
  } else {
    if (reader.arrayHeader() !== names.length) throw malformed()
    for (const name of names) readMember(name)
    missing.clear()
  }
  if (missing.size > 0) throw malformed()
}

/** Decodes one whole message; whatever is wrong with it becomes a StateError `malformed`. */
export function decodeMessage<T>(bytes: Uint8Array, read: (reader: MsgPackReader) => T): T {
  try {
    const reader = new MsgPackReader(bytes)
    const result = read(reader)
    reader.end()
    return result
  } catch (error) {
    if (error instanceof CryptoError && error.code === 'malformed_message') throw malformed(error)
    throw error
  }
}

/** @returns 32 bytes */
export function readHash(reader: MsgPackReader): Uint8Array {
  const hash = reader.byteArray(32)
  if (hash.length !== 32) throw malformed()
  return hash
}

export function malformed(cause?: unknown): StateError {
  return new StateError('malformed', 'the decrypted bytes are not a state or delta', { cause })
}
