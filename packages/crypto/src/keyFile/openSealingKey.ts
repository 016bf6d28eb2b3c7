import { join } from 'node:path'
import { bytesToHex, concatBytes, equalBytes, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import { KeyFileError } from './keyFileError.ts'
import { type Lock, makeLock, type OpenLock, openLock, type ReadPassphrase } from './lock.ts'
import { createExclusively, createFolder, readOwnerOnly, removeTemporaryFiles, replaceFile } from './ownerOnlyFile.ts'
import { listSealed } from './sealedFile.ts'
import { keyLength, minSealedBytes, SealingKey } from './sealingKey.ts'

export const sealingKeyFileName = 'sealing.key'
const plainPrefix = 'bletchley-sealing-key-1 '
const prefix = 'bletchley-sealing-key-2 '

/** Where the sealing key of a data folder lies, and what unlocks it. */
export interface SealingOptions {
  /** File of the key if it is to lie elsewhere; its folder must exist, so that a medium that is not mounted is noticed. */
  path?: string | undefined
  /** What a key that is made here is locked with, and what one that is there must be locked with. */
  lock?: Lock | undefined
  /** Asks for the passphrase of a key that turns out to be locked with one, where no lock is given. */
  askPassphrase?: ReadPassphrase | undefined
}

/** A sealing key, and the file that it came from. */
export interface SealingKeyFile {
  path: string
  key: SealingKey
  /** Absent if the file holds the key itself. */
  lock: OpenLock | undefined
}

/**
 * Opens the sealing key of a data folder, and makes one on first use.
 *
 * @param dataFolder created, for its owner only, if absent
 * @throws KeyFileError; above all `missing_sealing_key` if the data folder already has sealed files but the key is
 *   gone: a new key could not open them; `locked`, `other_lock` or `wrong_passphrase` if it cannot be unlocked
 */
export async function openSealingKey(dataFolder: string, options: SealingOptions = {}): Promise<SealingKey> {
  await createFolder(dataFolder)
  const path = sealingKeyPath(dataFolder, options)
  let content = await readOwnerOnly(path)
  if (content === undefined && (await listSealed(dataFolder)).length > 0) {
    // Another process may just have made both the key and, after it, the first sealed file.
    content = await readOwnerOnly(path)
    if (content === undefined) {
      throw new KeyFileError('missing_sealing_key', `${dataFolder} has sealed files, but their key ${path} is missing`)
    }
  }
  if (content === undefined) {
    const key = SealingKey.random()
    const file = { path, key, lock: options.lock && (await makeLock(options.lock)) }
    if (await createExclusively(path, encodeKeyFile(file))) return key
    content = await readOwnerOnly(path)
  }
  return (await openKeyFile(path, content, options)).key
}

/**
 * Reads the sealing key of a data folder, and makes nothing.
 *
 * @throws KeyFileError `missing_sealing_key` if there is none, and as `openSealingKey`
 */
export async function readSealingKey(dataFolder: string, options: SealingOptions = {}): Promise<SealingKey> {
  return (await readKeyFile(dataFolder, options)).key
}

/** As `readSealingKey`, with what is needed to write the file again. */
export async function readKeyFile(dataFolder: string, options: SealingOptions = {}): Promise<SealingKeyFile> {
  const path = sealingKeyPath(dataFolder, options)
  const content = await readOwnerOnly(path)
  if (content === undefined) throw new KeyFileError('missing_sealing_key', `There is no sealing key ${path}`)
  return openKeyFile(path, content, options)
}

/** Puts the sealing key there, in place of one that is there. Only for who has its lock (`withKeyFileLocked`), since it was read. */
export async function writeKeyFile(file: SealingKeyFile): Promise<void> {
  await replaceFile(file.path, encodeKeyFile(file))
  // What a process left behind that was killed could hold the key without its lock.
  await removeTemporaryFiles(file.path)
}

/** As `writeKeyFile`, unless one is there; says whether it did. */
export function createKeyFile(file: SealingKeyFile): Promise<boolean> {
  return createExclusively(file.path, encodeKeyFile(file))
}

export function sealingKeyPath(dataFolder: string, options: SealingOptions = {}): string {
  return options.path ?? join(dataFolder, sealingKeyFileName)
}

/**
 * What a sealing key is locked with, from its file alone: `none`, `command`, or `passphrase` with the cost of scrypt.
 *
 * @returns undefined if there is no file
 */
export async function describeLock(dataFolder: string, options: SealingOptions = {}): Promise<string | undefined> {
  const path = sealingKeyPath(dataFolder, options)
  const content = await readOwnerOnly(path)
  if (content === undefined) return undefined
  const [kind, ...cost] = parseKeyFile(path, content).words.split(' ')
  return kind === 'passphrase' ? `passphrase (scrypt, N 2^${cost[0]}, r ${cost[1]}, p ${cost[2]})` : kind
}

/** Whether the file of a sealing key is of use only with a passphrase or a command. */
export function isLockedKeyFile(content: Uint8Array): boolean {
  return /^bletchley-sealing-key-2 (?:passphrase|command)\b/.test(new TextDecoder('latin1').decode(content))
}

/** Whether this is what the file of a sealing key may have become with another lock: a key that is locked does not tell. */
export function mayHoldKey(content: Uint8Array, key: SealingKey): boolean {
  try {
    const { words, payload } = parseKeyFile('', content)
    if (words !== 'none') return payload.length >= minSealedBytes
    return equalBytes(keyFromBytes(payload, '').bytes, key.bytes)
  } catch {
    return false
  }
}

function encodeKeyFile({ key, lock }: SealingKeyFile): Uint8Array {
  const { previous } = key
  const bytes = previous === undefined ? key.bytes : concatBytes(key.bytes, previous.bytes)
  if (lock === undefined) {
    const head = previous === undefined ? plainPrefix : `${prefix}none `
    return utf8ToBytes(`${head}${bytesToHex(bytes)}\n`)
  }
  const head = `${prefix}${lock.words}`
  return utf8ToBytes(`${head} ${bytesToHex(lock.key.seal(head, bytes))}\n`)
}

async function openKeyFile(
  path: string,
  content: Uint8Array | undefined,
  { lock, askPassphrase }: SealingOptions,
): Promise<SealingKeyFile> {
  const { words, payload } = parseKeyFile(path, content)
  if (words === 'none') {
    if (lock !== undefined) {
      const reason = `is not locked, though a ${lock.kind} was given; lock it with \`bletchley keys relock\``
      throw new KeyFileError('other_lock', `${path} ${reason}`)
    }
    return { path, key: keyFromBytes(payload, path), lock: undefined }
  }
  const asked = askPassphrase && words.startsWith('passphrase ') && { kind: 'passphrase' as const, read: askPassphrase }
  const opened = await openLock(words, lock ?? (asked || undefined), path)
  const bytes = payload.length < minSealedBytes ? undefined : opened.key.unseal(`${prefix}${words}`, payload)
  if (bytes === undefined) {
    const what = words === 'command' ? 'The key that the sealing command gives' : 'The passphrase'
    throw new KeyFileError('wrong_passphrase', `${what} does not open ${path}; or the file was changed`)
  }
  return { path, key: keyFromBytes(bytes, path), lock: opened }
}

/** `words` describes the lock, `none` if there is none; `payload` is the key, locked or not. */
function parseKeyFile(path: string, content: Uint8Array | undefined): { words: string; payload: Uint8Array } {
  const line = new TextDecoder().decode(content)
  const [, plain] = /^bletchley-sealing-key-1 ([0-9a-f]{64})\s*$/i.exec(line) ?? []
  if (plain !== undefined) return { words: 'none', payload: hexToBytes(plain) }
  const [, words, payload] = /^bletchley-sealing-key-2 ([a-z][a-z0-9 ]{0,99}) ((?:[0-9a-f]{2})+)\s*$/.exec(line) ?? []
  if (words === undefined) throw notAKey(path)
  return { words, payload: hexToBytes(payload!) }
}

function keyFromBytes(bytes: Uint8Array, path: string): SealingKey {
  const key = bytes.subarray(0, keyLength)
  const previous = bytes.subarray(keyLength)
  if (key.length !== keyLength || (previous.length !== 0 && previous.length !== keyLength)) throw notAKey(path)
  return new SealingKey(key, previous.length === 0 ? undefined : new SealingKey(previous))
}

function notAKey(path: string): KeyFileError {
  return new KeyFileError('malformed', `${path} is not a sealing key, or is cut off`)
}
