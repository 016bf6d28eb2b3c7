import { constants, type Stats } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { storeFolder, withReader } from '@bletchley/core/data-folder'
import { readSigningIdentity } from '@bletchley/core/signing-key'
import { describeHolder, lockHolder } from '@bletchley/crypto/folder-lock'
import { KeyFileError, listSealed, readSealingKey, type SealingOptions } from '@bletchley/crypto/key-file'
import type { StoreStats } from '@bletchley/store'
import { type Check, megabytes, ok, problem, reasonOf, warning } from './check.ts'
import { checkOwner, checkWritable } from './ownership.ts'
import { checkRoom } from './room.ts'

const MB = 1 << 20

/** The folder, who has it, its database, and the room around it. */
export async function checkDataFolder(dataFolder: string, sealing: SealingOptions): Promise<Check[]> {
  const folder = await statOf(dataFolder)
  const unreadable = await refusal(dataFolder, constants.R_OK | constants.X_OK)
  if (unreadable === 'ENOENT') {
    return [
      warning('data folder', `${dataFolder} is not there`, 'the core makes it at its first start; else check --data'),
      ...(await checkRoom(dirname(resolve(dataFolder)), 0)),
    ]
  }
  if (folder?.isDirectory() === false) {
    return [problem('data folder', `${dataFolder} is not a folder`, 'name another folder with --data')]
  }
  if (folder === undefined || unreadable !== undefined) {
    const owner = folder === undefined ? 'a user who may read it' : `its owner, user ${folder.uid}`
    return [problem('data folder', `${dataFolder} cannot be read (${unreadable})`, `run as ${owner}`)]
  }
  const [database, usedBytes] = await checkDatabase(dataFolder)
  const unwritable = await refusal(dataFolder, constants.W_OK)
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

/** @returns the check, and how many bytes a copy takes */
async function checkDatabase(dataFolder: string): Promise<[Check, number]> {
  if ((await statOf(join(storeFolder(dataFolder), 'data.mdb'))) === undefined) {
    return [ok('database', 'none yet; the core makes it at its first start'), 0]
  }
  try {
    const stats = await withReader(dataFolder, async (_, backend) => backend.stats())
    return [checkUse(stats), stats.usedBytes]
  } catch (error) {
    return [problem('database', reasonOf(error), '`bletchley verify`, and restore a backup if it finds damage'), 0]
  }
}

/** Whether much of the database's file is free. */
export function checkUse({ fileBytes, usedBytes, records }: StoreStats): Check {
  const found = `${records} records, ${megabytes(usedBytes)} of ${megabytes(fileBytes)} in use`
  if (fileBytes <= 256 * MB || usedBytes * 2 >= fileBytes) return ok('database', found)
  return warning('database', found, '`bletchley compact`, when the core may stop, gives the room back')
}

async function checkKeyFiles(
  dataFolder: string,
  sealing: SealingOptions,
  unwritable: string | undefined,
): Promise<Check[]> {
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
  return [
    ...(unsafe.length > 0 ? unsafe : [ok('key files', `${files}, their owner’s alone`)]),
    await checkSigningKey(dataFolder, sealing),
  ]
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
    // It says of itself what is needed.
    if (codeOf(error) === 'locked') return ok(name, 'its sealing key is locked, and was not opened')
    return problem(name, reasonOf(error), remedyOf(error))
  }
}

function codeOf(error: unknown): KeyFileError['code'] | undefined {
  return error instanceof KeyFileError ? error.code : undefined
}

/** @param error of reading the sealing key or what is sealed with it; of another kind, it is of what unlocks that */
function remedyOf(error: unknown): string {
  switch (codeOf(error)) {
    case undefined:
    case 'other_lock':
    case 'wrong_passphrase':
    case 'command_failed':
      return 'check what unlocks the sealing key'
    case 'missing_sealing_key':
      return 'name the file with --sealing-key, or put it back from where it is kept'
    case 'unsafe_permissions':
      return 'make it its owner’s alone, as `key files` says'
    default:
      return 'put both files back from a backup; never delete one that cannot be read'
  }
}

/** @returns the system's code if this process may not */
async function refusal(path: string, mode: number): Promise<string | undefined> {
  return access(path, mode).then(
    () => undefined,
    ({ code }: NodeJS.ErrnoException) => code,
  )
}

async function statOf(path: string): Promise<Stats | undefined> {
  return stat(path).catch(() => undefined)
}
