import { constants, type Stats } from 'node:fs'
import { access, stat, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { storeFolder, withReader } from '@bletchley/core/data-folder'
import { readSigningIdentity } from '@bletchley/core/signing-key'
import { describeHolder, lockHolder } from '@bletchley/crypto/folder-lock'
import { KeyFileError, listSealed, quoted, readSealingKey, type SealingOptions } from '@bletchley/crypto/key-file'
import { type Check, ok, problem, reasonOf, warning } from './check.ts'

const MB = 1 << 20
/** Below these the next tasks may fail, or the operator should know. */
const leastFree = { bytes: 100 * MB, inodes: 100 }
const littleFree = { bytes: 1024 * MB, inodes: 10_000 }

/** Numbers of Linux' statfs(2) of file systems that a database must not lie on, or had better not. */
const fileSystems: Readonly<Record<number, { name: string; status: 'warning' | 'problem'; why: string }>> = {
  26985: { name: 'NFS', status: 'problem', why: 'LMDB and its locks need a local file system' },
  4283649346: { name: 'CIFS', status: 'problem', why: 'LMDB and its locks need a local file system' },
  4266872130: { name: 'SMB', status: 'problem', why: 'LMDB and its locks need a local file system' },
  16914839: { name: '9p', status: 'problem', why: 'LMDB and its locks need a local file system' },
  16914836: { name: 'tmpfs', status: 'warning', why: 'it is gone at a restart of the machine' },
  2240043254: { name: 'ramfs', status: 'warning', why: 'it is gone at a restart of the machine' },
  1702057286: { name: 'FUSE', status: 'warning', why: 'it may be a network file system' },
  2035054128: { name: 'overlay', status: 'warning', why: 'it is gone with the container, and slow; mount a volume' },
}

const groupAndOthers = 0o077
/** What the system says of a mount that is not for writing. */
const readOnly = 'EROFS'

/** The folder, who has it, its database, and the room around it. */
export async function checkDataFolder(dataFolder: string, sealing: SealingOptions): Promise<Check[]> {
  const folder = await statOf(dataFolder)
  if (folder === undefined) {
    return [
      warning('data folder', `${dataFolder} is not there`, 'the core makes it at its first start; else check --data'),
      ...(await checkRoom(dirname(resolve(dataFolder)), undefined)),
    ]
  }
  if (!folder.isDirectory()) {
    return [problem('data folder', `${dataFolder} is not a folder`, 'name another folder with --data')]
  }
  const unreadable = await access(dataFolder, constants.R_OK | constants.X_OK).catch((error: unknown) => error)
  if (unreadable !== undefined) {
    const { code } = unreadable as NodeJS.ErrnoException
    const found = `${dataFolder} cannot be read (${code})`
    return [problem('data folder', found, `run as its owner, user ${folder.uid}`)]
  }
  const [database, usedBytes] = await checkDatabase(dataFolder)
  const unwritable = await whyUnwritable(dataFolder)
  return [
    checkOwner('data folder', dataFolder, folder, '700', unwritable),
    checkWritable(unwritable, folder),
    checkHolder(dataFolder),
    database,
    ...(await checkKeyFiles(dataFolder, sealing, unwritable)),
    ...(await checkRoom(dataFolder, usedBytes)),
  ]
}

function checkHolder(dataFolder: string): Check {
  const holder = lockHolder(dataFolder)
  return ok('lock', holder === undefined ? 'no process has the data folder' : `held by ${describeHolder(holder)}`)
}

/** @param unwritable the system's code if the data folder cannot be written: then nothing about it can be changed before */
function checkOwner(
  name: string,
  path: string,
  { uid, mode }: Stats,
  wanted: string,
  unwritable: string | undefined,
): Check {
  const rights = (mode & 0o777).toString(8)
  const me = process.getuid?.()
  if (me === undefined) return ok(name, path)
  if (uid !== me) {
    const remedy = unwritable === readOnly ? 'run as its owner' : `run as its owner, or chown it to ${me}`
    return problem(name, `${path} belongs to user ${uid}, and this is user ${me}`, remedy)
  }
  if ((mode & groupAndOthers) !== 0) {
    const remedy = `chmod ${wanted} ${quoted(path)}`
    const first = unwritable === readOnly ? 'mount it for writing, and then ' : ''
    return problem(name, `${path} is open to other users (mode ${rights})`, `${first}${remedy}`)
  }
  return ok(name, `${path}, its owner’s alone`)
}

async function whyUnwritable(dataFolder: string): Promise<string | undefined> {
  try {
    await access(dataFolder, constants.W_OK)
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'unknown'
  }
}

function checkWritable(unwritable: string | undefined, { uid }: Stats): Check {
  const name = 'writing'
  if (unwritable === undefined) return ok(name, 'the data folder can be written')
  const found = `the data folder cannot be written (${unwritable})`
  if (unwritable !== readOnly) return problem(name, found, `run as its owner, user ${uid}, who may write to it`)
  const remedy = 'mount it for writing; verify, export and backup read it as it is'
  return problem(name, `${found}: it is mounted read-only`, remedy)
}

async function checkDatabase(dataFolder: string): Promise<[Check, number | undefined]> {
  if ((await statOf(join(storeFolder(dataFolder), 'data.mdb'))) === undefined) {
    return [ok('database', 'none yet; the core makes it at its first start'), undefined]
  }
  try {
    const { fileBytes, usedBytes, records } = await withReader(dataFolder, async (reader) => reader.stats())
    const found = `${records} records, ${megabytes(usedBytes)} of ${megabytes(fileBytes)} in use`
    const half = fileBytes > 256 * MB && usedBytes * 2 < fileBytes
    const remedy = '`bletchley compact`, when the core may stop, gives the room back'
    return [half ? warning('database', found, remedy) : ok('database', found), fileBytes]
  } catch (error) {
    return [
      problem('database', reasonOf(error), '`bletchley verify`, and restore a backup if it finds damage'),
      undefined,
    ]
  }
}

async function checkKeyFiles(
  dataFolder: string,
  sealing: SealingOptions,
  unwritable: string | undefined,
): Promise<Check[]> {
  const checks: Check[] = []
  const names = ['sealing.key', 'curve.key', ...(await listSealed(dataFolder))]
  const paths = names.map((name) => join(dataFolder, name))
  if (sealing.path !== undefined) paths.push(sealing.path)
  const unsafe: Check[] = []
  let files = 0
  for (const path of paths) {
    const file = await statOf(path)
    if (file === undefined) continue
    files += 1
    const check = checkOwner('key files', path, file, '600', path === sealing.path ? undefined : unwritable)
    if (check.status !== 'ok') unsafe.push(check)
  }
  checks.push(...(unsafe.length > 0 ? unsafe : [ok('key files', `${files}, their owner’s alone`)]))
  checks.push(await checkSigningKey(dataFolder, sealing))
  return checks
}

async function checkSigningKey(dataFolder: string, sealing: SealingOptions): Promise<Check> {
  const name = 'signing key'
  if ((await statOf(join(dataFolder, 'signing-key.sealed'))) === undefined) {
    return ok(name, 'none yet; the core makes it at its first start')
  }
  try {
    await readSigningIdentity(dataFolder, await readSealingKey(dataFolder, sealing))
    return ok(name, 'opens with the sealing key')
  } catch (error) {
    // What unlocks it is not there, or does not do.
    if (!(error instanceof KeyFileError)) return problem(name, reasonOf(error), 'check what unlocks the sealing key')
    // It says of itself what is needed.
    if (error.code === 'locked') return ok(name, 'its sealing key is locked, and was not opened')
    const remedy =
      error.code === 'missing_sealing_key'
        ? 'name the file with --sealing-key, or put it back from where it is kept'
        : 'put both files back from a backup; never delete one that cannot be read'
    return problem(name, error.message, remedy)
  }
}

async function checkRoom(path: string, databaseBytes: number | undefined): Promise<Check[]> {
  const system = await statfs(path).catch(() => undefined)
  if (system === undefined) return []
  const freeBytes = system.bavail * system.bsize
  const free = `${megabytes(freeBytes)} free`
  const checks: Check[] = [checkFileSystem(path, system.type)]
  const more = 'make room, or move the data folder to a larger disk'
  if (freeBytes < leastFree.bytes) checks.push(problem('disk space', free, more))
  else if (freeBytes < littleFree.bytes) checks.push(warning('disk space', free, more))
  else if (databaseBytes !== undefined && freeBytes < databaseBytes) {
    checks.push(warning('disk space', free, 'too little for a second copy: make room before compact or a backup here'))
  } else checks.push(ok('disk space', free))
  // Some file systems have no fixed number.
  if (system.files > 0) {
    const inodes = `${system.ffree} inodes free`
    if (system.ffree < leastFree.inodes) checks.push(problem('inodes', inodes, more))
    else if (system.ffree < littleFree.inodes) checks.push(warning('inodes', inodes, more))
    else checks.push(ok('inodes', inodes))
  }
  return checks
}

function checkFileSystem(path: string, type: number): Check {
  const known = process.platform === 'linux' ? fileSystems[type >>> 0] : undefined
  if (known === undefined) return ok('file system', 'local')
  const remedy = 'put the data folder on a local disk'
  return { name: 'file system', status: known.status, found: `${path} is on ${known.name}: ${known.why}`, remedy }
}

async function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined)
}

function megabytes(bytes: number): string {
  return bytes < 10 * MB ? `${(bytes / MB).toFixed(1)} MB` : `${Math.floor(bytes / MB)} MB`
}
