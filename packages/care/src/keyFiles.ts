import { join } from 'node:path'
import { equalBytes } from '@bletchley/bytes'
import { isLockedKeyFile, listSealed, openFile } from '@bletchley/crypto/key-file'

/** Contents by paths in the data folder. */
export type KeyFiles = ReadonlyMap<string, Uint8Array>

/** How often they are read once more. */
const attempts = 5

/**
 * The sealed files of a data folder, and the sealing key if it is locked: a plain one must not lie beside what it seals.
 * All of one moment: a rotation of keys replaces one file after the other.
 *
 * @throws Error if they are being replaced all the time
 */
export async function readKeyFiles(dataFolder: string): Promise<KeyFiles> {
  const files = await untilEqual(() => readOnce(dataFolder))
  if (files === undefined) throw new Error(`The key files of ${dataFolder} are being replaced; try again`)
  return files
}

/**
 * Reads until two readings in a row are equal.
 *
 * @returns undefined if none of them is
 */
export async function untilEqual(read: () => Promise<KeyFiles>): Promise<KeyFiles | undefined> {
  let before = await read()
  for (let left = attempts; left > 0; left--) {
    const now = await read()
    if (equalFiles(before, now)) return now
    before = now
  }
  return undefined
}

async function readOnce(dataFolder: string): Promise<KeyFiles> {
  const files = new Map<string, Uint8Array>()
  const sealingKey = await read(join(dataFolder, 'sealing.key')).catch(() => undefined)
  if (sealingKey !== undefined && isLockedKeyFile(sealingKey)) files.set('sealing.key', sealingKey)
  for (const path of await listSealed(dataFolder)) files.set(path, await read(join(dataFolder, path)))
  return files
}

async function read(path: string): Promise<Uint8Array> {
  await using file = await openFile(path)
  return await file.readFile()
}

function equalFiles(a: KeyFiles, b: KeyFiles): boolean {
  return a.size === b.size && [...a].every(([path, content]) => equalBytes(content, b.get(path) ?? new Uint8Array()))
}
