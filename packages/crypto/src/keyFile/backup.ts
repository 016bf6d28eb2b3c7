import { dirname, join } from 'node:path'
import { bytesToHex, concatBytes, equalBytes, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import { KeyFileError } from './keyFileError.ts'
import { makeLock, openLock, type ReadPassphrase } from './lock.ts'
import { createKeyFile, readKeyFile, type SealingOptions, sealingKeyPath } from './openSealingKey.ts'
import { createExclusively, createFolder, readOwnerOnly } from './ownerOnlyFile.ts'
import { isInside } from './paths.ts'
import { openAllSealed, type PurposesOf } from './rotate.ts'
import { minSealedBytes, SealingKey } from './sealingKey.ts'

/** Room for a million state keys. */
const maxBackupBytes = 1 << 28
const maxHeaderBytes = 200
const prefix = 'bletchley-key-backup-1 '
const newline = 0x0a
const plainPath = /^(?:[A-Za-z0-9][A-Za-z0-9._-]*\/)*[A-Za-z0-9][A-Za-z0-9._-]*\.sealed$/

/** Inside of a backup: the sealing key, and each sealed file as it is on disk, in hex. */
interface Payload {
  sealingKey: string
  files: Record<string, string>
}

/**
 * Writes all keys of a data folder to one file, encrypted with a passphrase of its own.
 *
 * @param path must not exist
 * @returns the sealed files that are in it
 * @throws KeyFileError if any sealed file cannot be opened, or a rotation was broken off
 */
export async function backUpKeys(
  dataFolder: string,
  options: SealingOptions,
  purposesOf: PurposesOf,
  path: string,
  passphrase: ReadPassphrase,
): Promise<string[]> {
  if (isInside(path, dataFolder)) {
    throw new KeyFileError(
      'unwritable',
      `${path} is inside of ${dataFolder}: a backup lies elsewhere than what it is of`,
    )
  }
  const { key } = await readKeyFile(dataFolder, options)
  if (key.previous !== undefined) {
    throw new KeyFileError('undecryptable', `A rotation of ${dataFolder} was broken off; end it with \`keys rotate\``)
  }
  const files = await openAllSealed(dataFolder, key, purposesOf)
  const payload: Payload = {
    sealingKey: bytesToHex(key.bytes),
    files: Object.fromEntries(files.map(({ path, content }) => [path, bytesToHex(content)])),
  }
  const { words, key: backupKey } = await makeLock({ kind: 'passphrase', read: passphrase })
  const header = `${prefix}${words}\n`
  const content = concatBytes(utf8ToBytes(header), backupKey.seal(header, utf8ToBytes(JSON.stringify(payload))))
  if (!(await createExclusively(path, content))) throw new KeyFileError('exists', `${path} exists; nothing was written`)
  return Object.keys(payload.files)
}

/**
 * Puts the keys of a backup into a data folder. A restore that was broken off can be repeated: the sealing key comes
 * last, and until then nothing opens the folder or takes it for an empty one.
 *
 * @param options where the sealing key is to lie, and what it is to be locked with
 * @returns the sealed files that were in it
 * @throws KeyFileError exists if the folder has a sealing key, or a sealed file that is not the backup's; wrong_passphrase
 */
export async function restoreKeys(
  dataFolder: string,
  options: SealingOptions,
  path: string,
  passphrase: ReadPassphrase,
): Promise<string[]> {
  const { sealingKey, files } = await readBackup(path, passphrase)
  const keyPath = sealingKeyPath(dataFolder, options)
  const taken = (name: string) => new KeyFileError('exists', `${name} exists; nothing was overwritten`)
  if ((await readOwnerOnly(keyPath)) !== undefined) throw taken(keyPath)
  const entries = Object.entries(files).map(([name, hex]) => ({
    path: join(dataFolder, name),
    content: hexToBytes(hex),
  }))
  for (const { path, content } of entries) {
    const existing = await readOwnerOnly(path)
    if (existing !== undefined && !equalBytes(existing, content)) throw taken(path)
  }
  const lock = options.lock && (await makeLock(options.lock))
  await createFolder(dataFolder)
  for (const { path, content } of entries) {
    await createFolder(dirname(path))
    if (await createExclusively(path, content)) continue
    const existing = await readOwnerOnly(path)
    if (existing === undefined || !equalBytes(existing, content)) throw taken(path)
  }
  const key = new SealingKey(hexToBytes(sealingKey))
  if (!(await createKeyFile({ path: keyPath, key, lock }))) throw taken(keyPath)
  return Object.keys(files)
}

async function readBackup(path: string, passphrase: ReadPassphrase): Promise<Payload> {
  const content = await readOwnerOnly(path, { maxBytes: maxBackupBytes })
  if (content === undefined) throw new KeyFileError('missing', `There is no ${path}`)
  const end = content.subarray(0, maxHeaderBytes).indexOf(newline) + 1
  const header = new TextDecoder().decode(content.subarray(0, end))
  const sealed = content.subarray(end)
  if (!header.startsWith(`${prefix}passphrase `) || sealed.length < minSealedBytes) {
    throw new KeyFileError('malformed', `${path} is no backup of keys, or is cut off`)
  }
  const lock = { kind: 'passphrase' as const, read: passphrase }
  const { key } = await openLock(header.slice(prefix.length, -1), lock, path)
  const bytes = key.unseal(header, sealed)
  if (bytes === undefined) {
    throw new KeyFileError('wrong_passphrase', `The passphrase does not open ${path}; or the file was changed`)
  }
  const payload = JSON.parse(new TextDecoder().decode(bytes)) as Payload
  for (const name of Object.keys(payload.files)) {
    if (!plainPath.test(name)) throw new KeyFileError('malformed', `${path} holds a file with a name that is none`)
  }
  return payload
}
