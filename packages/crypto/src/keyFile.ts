import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { type FileHandle, link, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from './bytes.ts'
import { Secret } from './secret.ts'

/*
 * Secrets on disk: files of the owner only, sealed under a key that is itself such a file.
 *
 * What this protects against:
 * - other users of the machine: each file is readable by its owner alone, and one that is not is refused;
 * - copies without the sealing key: a backup or a stolen disk with the data folder is of no use if the sealing key was
 *   kept elsewhere (option `path`), for instance on a removable medium or a memory file system;
 * - damage and confusion: a changed, cut off, renamed or swapped file is noticed, and never overwritten.
 *
 * What it does not protect against:
 * - whoever has both the data folder and the sealing key, which by default lies in that same folder;
 * - root, or any process of the same user; and nothing protects the secrets in memory;
 * - putting back an older version of a file that was sealed with the same key for the same purpose.
 *
 * A hardware enclave seals to the processor and the program; this seals to a file. It is no substitute.
 *
 * Sealed file: "BLETCHLEY SEALED\n" || version(1) || AES-256-GCM ciphertext || tag(16) || iv(12), where all before the
 * ciphertext and the purpose are associated data. Sealing key file: one line of text, "bletchley-sealing-key-1 <hex>".
 */

const sealingKeyFileName = 'sealing.key'
const sealingKeyPrefix = 'bletchley-sealing-key-1 '
const sealedSuffix = '.sealed'
const sealedVersion = 1
const sealedMagic = utf8ToBytes('BLETCHLEY SEALED\n')
const sealedHeader = concatBytes(sealedMagic, Uint8Array.of(sealedVersion))
const algorithm = 'aes-256-gcm'
const keyLength = 32
const tagLength = 16
const ivLength = 12
/** Keys are small; a larger file is not one of ours, and is not read. */
const maxFileBytes = 1 << 20
const ownerOnlyFile = 0o600
const ownerOnlyFolder = 0o700
const groupAndOthers = 0o077
const hasModes = process.platform !== 'win32'

/** The key of all sealed files of one data folder: 32 bytes that do not print. `openSealingKey` is the way to one. */
export class SealingKey extends Secret {
  constructor(key: Uint8Array) {
    super(key)
    if (key.length !== keyLength) throw new RangeError(`A sealing key has ${keyLength} bytes, got ${key.length}`)
  }

  /** The content of a sealed file that holds `secret`. */
  seal(purpose: string, secret: Uint8Array): Uint8Array {
    const iv = randomBytes(ivLength)
    const cipher = createCipheriv(algorithm, this.bytes, iv, { authTagLength: tagLength })
    cipher.setAAD(concatBytes(sealedHeader, utf8ToBytes(purpose)))
    const ciphertext = cipher.update(secret)
    cipher.final()
    return concatBytes(sealedHeader, ciphertext, cipher.getAuthTag(), iv)
  }

  /** What a sealed file of at least header, tag and iv holds; undefined if key, purpose or any byte is another. */
  unseal(purpose: string, content: Uint8Array): Uint8Array | undefined {
    const ivOffset = content.length - ivLength
    const tagOffset = ivOffset - tagLength
    const decipher = createDecipheriv(algorithm, this.bytes, content.subarray(ivOffset), { authTagLength: tagLength })
    decipher.setAAD(concatBytes(content.subarray(0, sealedHeader.length), utf8ToBytes(purpose)))
    decipher.setAuthTag(content.subarray(tagOffset, ivOffset))
    const secret = new Uint8Array(decipher.update(content.subarray(sealedHeader.length, tagOffset)))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    return secret
  }
}

/**
 * Opens the sealing key of a data folder, and makes one on first use.
 *
 * @param dataFolder created, for its owner only, if absent
 * @param options.path file of the key if it is to lie elsewhere; its folder must exist, so that a medium that is not
 *   mounted is noticed
 * @throws KeyFileError; above all `missing_sealing_key` if the data folder already has sealed files but the key is
 *   gone: a new key could not open them
 */
export async function openSealingKey(
  dataFolder: string,
  options: { path?: string | undefined } = {},
): Promise<SealingKey> {
  await createFolder(dataFolder)
  const path = options.path ?? join(dataFolder, sealingKeyFileName)
  let content = await readOwnerOnly(path)
  if (content === undefined && (await hasSealedFiles(dataFolder))) {
    // Another process may just have made both the key and, after it, the first sealed file.
    content = await readOwnerOnly(path)
    if (content === undefined) {
      throw new KeyFileError('missing_sealing_key', `${dataFolder} has sealed files, but their key ${path} is missing`)
    }
  }
  if (content === undefined) {
    const line = utf8ToBytes(`${sealingKeyPrefix}${bytesToHex(randomBytes(keyLength))}\n`)
    content = (await createExclusively(path, line)) ? line : await readOwnerOnly(path)
  }
  return parseSealingKey(content, path)
}

/**
 * Reads a sealed file.
 *
 * @param path    ends in `.sealed`
 * @param purpose what the file is for, as it was given when the file was written; text of the program, not secret
 * @returns what was sealed, or undefined if there is no such file
 * @throws KeyFileError if the file is not the owner's alone, or is damaged, or of another key, purpose or version
 */
export async function readSealed(
  path: string,
  sealingKey: SealingKey,
  purpose: string,
): Promise<Uint8Array | undefined> {
  assertSealedName(path)
  const content = await readOwnerOnly(path)
  if (content === undefined) return undefined
  if (content.length < sealedHeader.length || !startsWith(content, sealedMagic)) {
    throw new KeyFileError('malformed', `${path} is not a sealed file of Bletchley, or is cut off`)
  }
  const version = content[sealedMagic.length]
  if (version !== sealedVersion) {
    throw new KeyFileError('unsupported_version', `${path} has version ${version}; this program knows ${sealedVersion}`)
  }
  if (content.length < sealedHeader.length + tagLength + ivLength) {
    throw new KeyFileError('malformed', `${path} is cut off`)
  }
  const secret = sealingKey.unseal(purpose, content)
  if (secret === undefined) {
    throw new KeyFileError(
      'undecryptable',
      `${path} was sealed with another key or for another purpose, or was changed`,
    )
  }
  return secret
}

/**
 * Writes a sealed file, durable when the promise resolves, and whole or not at all. Replaces a file that can be read;
 * one that cannot is never overwritten.
 *
 * @param path  ends in `.sealed`; its folder is created, for its owner only, if absent
 * @param bytes what to seal, secret, up to about 1 MB
 * @throws KeyFileError as `readSealed`, if there is a file that cannot be read
 */
export async function writeSealed(
  path: string,
  sealingKey: SealingKey,
  purpose: string,
  bytes: Uint8Array,
): Promise<void> {
  await readSealed(path, sealingKey, purpose)
  const content = sealContent(sealingKey, purpose, bytes)
  await createFolder(dirname(path))
  await withTemporaryFile(path, content, (temporary) => rename(temporary, path))
}

/**
 * Reads a sealed file, or makes it with what `create` gives. However many processes do this at once, all get the
 * content of the one file that stays.
 *
 * @param create called if there is no file yet; its bytes are dropped if another process was faster
 * @throws KeyFileError as `readSealed`
 */
export async function readOrCreateSealed(
  path: string,
  sealingKey: SealingKey,
  purpose: string,
  create: () => Uint8Array,
): Promise<Uint8Array> {
  const existing = await readSealed(path, sealingKey, purpose)
  if (existing !== undefined) return existing
  const bytes = create()
  await createFolder(dirname(path))
  if (await createExclusively(path, sealContent(sealingKey, purpose, bytes))) return bytes
  const winner = await readSealed(path, sealingKey, purpose)
  if (winner === undefined) throw new KeyFileError('malformed', `${path} was created and removed by someone else`)
  return winner
}

function sealContent(sealingKey: SealingKey, purpose: string, bytes: Uint8Array): Uint8Array {
  const content = sealingKey.seal(purpose, bytes)
  if (content.length > maxFileBytes) throw new RangeError(`A sealed file holds at most ${maxFileBytes} bytes`)
  return content
}

function parseSealingKey(content: Uint8Array | undefined, path: string): SealingKey {
  const line = content === undefined ? '' : new TextDecoder().decode(content)
  const hex = line.startsWith(sealingKeyPrefix) ? line.slice(sealingKeyPrefix.length).trimEnd() : ''
  if (!/^[0-9a-f]{64}$/i.test(hex)) throw new KeyFileError('malformed', `${path} is not a sealing key, or is cut off`)
  return new SealingKey(hexToBytes(hex))
}

function assertSealedName(path: string): void {
  // By this name `openSealingKey` finds out that a folder has sealed files.
  if (!path.endsWith(sealedSuffix)) throw new RangeError(`The name of a sealed file ends in ${sealedSuffix}`)
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array): boolean {
  return prefix.every((byte, i) => bytes[i] === byte)
}

async function hasSealedFiles(folder: string): Promise<boolean> {
  const names = await readdir(folder, { recursive: true })
  return names.some((name) => name.endsWith(sealedSuffix))
}

async function readOwnerOnly(path: string): Promise<Uint8Array | undefined> {
  let file: FileHandle
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (hasErrorCode(error, 'ENOENT')) return undefined
    throw new KeyFileError('unreadable', `${path} cannot be opened`, { cause: error })
  }
  try {
    const status = await file.stat()
    if (!status.isFile()) throw new KeyFileError('unreadable', `${path} is not a file`)
    if (hasModes && (status.mode & groupAndOthers) !== 0) {
      throw new KeyFileError('unsafe_permissions', `${path} is open to other users; allow its owner only (chmod 600)`)
    }
    if (status.size > maxFileBytes) throw new KeyFileError('malformed', `${path} is too large to be a key`)
    return new Uint8Array(await file.readFile())
  } finally {
    await file.close()
  }
}

/** Makes the file unless it exists, and says whether it did. A hard link appears whole and replaces nothing. */
async function createExclusively(path: string, content: Uint8Array): Promise<boolean> {
  return withTemporaryFile(path, content, async (temporary) => {
    try {
      await link(temporary, path)
      return true
    } catch (error) {
      if (hasErrorCode(error, 'EEXIST')) return false
      throw error
    }
  })
}

/** Writes `content` to a file beside `path`, lets `place` put it there, and makes both durable. */
async function withTemporaryFile<T>(
  path: string,
  content: Uint8Array,
  place: (temporary: string) => Promise<T>,
): Promise<T> {
  const folder = dirname(path)
  const temporary = join(folder, `.${basename(path)}.${bytesToHex(randomBytes(8))}.tmp`)
  try {
    const file = await openNew(temporary)
    try {
      await file.writeFile(content)
      await file.sync()
    } finally {
      await file.close()
    }
    const result = await place(temporary)
    await syncFolder(folder)
    return result
  } finally {
    await rm(temporary, { force: true })
  }
}

async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx', ownerOnlyFile)
  } catch (error) {
    throw new KeyFileError('unwritable', `No file can be created in ${dirname(path)}`, { cause: error })
  }
}

async function createFolder(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: ownerOnlyFolder })
  if (first === undefined) return
  const outermost = dirname(resolve(first))
  for (let folder = dirname(resolve(path)); folder !== outermost; folder = dirname(folder)) await syncFolder(folder)
  await syncFolder(outermost)
}

/** Makes the names in a folder durable. Windows cannot, and does not need to, open a folder for this. */
async function syncFolder(path: string): Promise<void> {
  if (!hasModes) return
  const folder = await open(path, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function hasErrorCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** Why a key file cannot be used. The message names the file, never its content. */
export class KeyFileError extends Error {
  readonly code: KeyFileErrorCode

  constructor(code: KeyFileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'KeyFileError'
    this.code = code
  }
}

export type KeyFileErrorCode =
  | 'unreadable'
  | 'unwritable'
  | 'unsafe_permissions'
  | 'malformed'
  | 'unsupported_version'
  | 'undecryptable'
  | 'missing_sealing_key'
