import { bytesToUtf8 } from '@bletchley/bytes'
import { CryptoError, decrypt } from '@bletchley/crypto'

/** What a user asks a contract to do, decrypted. */
export interface TaskInputs {
  /** The part of the callable before its first parenthesis. */
  functionName: string
  /** ABI-encoded arguments. */
  args: Uint8Array
}

/** An input that does not decrypt or parse: the user's fault, so a failed task and not an error. */
export class InputError extends Error {}

/**
 * Decrypts a task's callable and arguments (crypto.md, section 5).
 *
 * @param sharedKey 32 bytes, secret
 * @throws InputError whose message is the text for the user (crypto.md, section 7)
 */
export function openInputs(sharedKey: Uint8Array, encryptedFn: Uint8Array, encryptedArgs: Uint8Array): TaskInputs {
  if (encryptedFn.length === 0)
    throw new InputError('Input Error: Input Error: called function representation is empty')
  return {
    functionName: functionNameOf(decodeUtf8(open(sharedKey, encryptedFn))),
    args: encryptedArgs.length === 0 ? encryptedArgs : open(sharedKey, encryptedArgs),
  }
}

/** @throws InputError if the callable has no parentheses */
export function functionNameOf(callable: string): string {
  const name = callable.indexOf('(')
  if (name === -1 || callable.indexOf(')') < name) {
    throw new InputError("Input Error: Input Error: 'callable' signature is illegal")
  }
  return callable.slice(0, name)
}

function open(sharedKey: Uint8Array, blob: Uint8Array): Uint8Array {
  try {
    return decrypt(sharedKey, blob)
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error
    const reason = error.code === 'improper_encryption' ? 'ImproperEncryption' : 'DecryptionError'
    throw new InputError(`Input Error: Cryptography Error: ${reason}`)
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return bytesToUtf8(bytes)
  } catch (error) {
    const flaw = findUtf8Flaw(bytes)
    if (flaw === undefined) throw error
    const length = flaw.length === undefined ? 'None' : `Some(${flaw.length})`
    throw new InputError(`Input Error: Input Error: Utf8Error { valid_up_to: ${flaw.at}, error_len: ${length} }`)
  }
}

/**
 * Finds the first place where bytes are not UTF-8, in the terms of the reference's error text.
 *
 * @returns the offset, and how many bytes the bad sequence has: none when the text ends inside a character
 */
export function findUtf8Flaw(bytes: Uint8Array): { at: number; length: number | undefined } | undefined {
  let at = 0
  while (at < bytes.length) {
    const lead = bytes[at]!
    const following = lead < 0x80 ? 0 : lead < 0xc2 ? -1 : lead < 0xe0 ? 1 : lead < 0xf0 ? 2 : lead < 0xf5 ? 3 : -1
    if (following === -1) return { at, length: 1 }
    for (let i = 1; i <= following; i++) {
      const next = bytes[at + i]
      if (next === undefined) return { at, length: undefined }
      // Overlong forms, surrogates and code points beyond U+10FFFF show in the second byte.
      const low = i > 1 ? 0x80 : lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
      const high = i > 1 ? 0xbf : lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
      if (next < low || next > high) return { at, length: i }
    }
    at += following + 1
  }
  return undefined
}
