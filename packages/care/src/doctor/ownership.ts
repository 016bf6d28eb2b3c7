import type { Stats } from 'node:fs'
import { quoted } from '@bletchley/crypto/key-file'
import { type Check, ok, problem } from './check.ts'

const groupAndOthers = 0o077
/** What the system says of a mount that is not for writing. */
const readOnly = 'EROFS'

/**
 * Whether a file or a folder is its owner's alone, and this user is the owner.
 *
 * @param wanted the mode that it should have
 * @param unwritable the system's code if the data folder cannot be written: then nothing about it can be changed before
 */
export function checkOwner(
  name: string,
  path: string,
  { uid, mode }: Pick<Stats, 'uid' | 'mode'>,
  wanted: '600' | '700',
  unwritable: string | undefined,
): Check {
  const me = process.getuid?.()
  if (me === undefined) return ok(name, path)
  if (uid !== me) {
    const remedy = unwritable === readOnly ? 'run as its owner' : `run as its owner, or chown it to ${me}`
    return problem(name, `${path} belongs to user ${uid}, and this is user ${me}`, remedy)
  }
  if ((mode & groupAndOthers) === 0) return ok(name, `${path}, its owner’s alone`)
  const rights = (mode & 0o777).toString(8)
  const first = unwritable === readOnly ? 'mount it for writing, and then ' : ''
  const remedy = `${first}chmod ${wanted} ${quoted(path)}`
  return problem(name, `${path} is open to other users (mode ${rights})`, remedy)
}

/** @param unwritable the system's code if the data folder cannot be written */
export function checkWritable(unwritable: string | undefined, { uid }: Pick<Stats, 'uid'>): Check {
  const name = 'writing'
  if (unwritable === undefined) return ok(name, 'the data folder can be written')
  const found = `the data folder cannot be written (${unwritable})`
  if (unwritable !== readOnly) return problem(name, found, `run as its owner, user ${uid}, who may write to it`)
  const remedy = 'mount it for writing; verify, export and backup read it as it is'
  return problem(name, `${found}: it is mounted read-only`, remedy)
}
