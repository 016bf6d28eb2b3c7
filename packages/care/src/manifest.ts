import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { openFile } from '@bletchley/crypto/key-file'

/** What a backup consists of. It is checked for damage; nobody signs it, so whoever can write it can change it. */
export interface Manifest {
  format: 'bletchley backup'
  version: 1
  /** ISO 8601. */
  made: string
  contracts: number
  /** What `verify` found in the database when the backup was made. */
  findings: number
  /** Whether the sealing key is in it: only one that is locked is. */
  sealingKey: boolean
  files: ManifestFile[]
}

export interface ManifestFile {
  /** In the backup and in the data folder, with slashes. */
  path: string
  bytes: number
  /** In hex. */
  sha256: string
}

export const manifestName = 'manifest.json'
/** Room for a hundred thousand key files. */
const maxManifestBytes = 1 << 25

/** Of a file that is read or copied. */
export const pieceBytes = 1 << 20

const allowedPath = /^(?:store\/data\.mdb|sealing\.key|(?:[A-Za-z0-9][\w.-]*\/)*[A-Za-z0-9][\w.-]*\.sealed)$/

/** @throws Error that says what is wrong with it */
export async function readManifest(backup: string): Promise<Manifest> {
  const path = join(backup, manifestName)
  const fail = (reason: string, cause?: unknown): never => {
    throw new Error(`${backup} is no backup that can be restored: ${reason}`, { cause })
  }
  const manifest = await readJson(path).catch((error: unknown) => fail(`${manifestName} cannot be read`, error))
  if (manifest?.format !== 'bletchley backup') return fail(`${manifestName} is of something else`)
  if (manifest.version !== 1) return fail(`it has version ${manifest.version}; this program knows 1`)
  const { files } = manifest
  if (!Array.isArray(files) || !files.every(isFile)) return fail(`${manifestName} is damaged`)
  if (!files.some(({ path }) => path === 'store/data.mdb')) return fail('it has no database')
  return manifest as Manifest
}

async function readJson(path: string): Promise<Partial<Manifest> | null> {
  await using file = await openFile(path)
  const { size } = await file.stat()
  if (size > maxManifestBytes) throw new Error(`${path} is too large`)
  return JSON.parse(await file.readFile('utf8')) as Partial<Manifest> | null
}

function isFile(value: unknown): value is ManifestFile {
  const { path, bytes, sha256 } = (value ?? {}) as Partial<ManifestFile>
  return (
    typeof path === 'string' &&
    allowedPath.test(path) &&
    typeof bytes === 'number' &&
    typeof sha256 === 'string' &&
    /^[0-9a-f]{64}$/.test(sha256)
  )
}

/** @param onBytes told of each piece that is read */
export async function describeFile(
  folder: string,
  path: string,
  onBytes?: (bytes: number) => void,
): Promise<ManifestFile> {
  const hash = createHash('sha256')
  let bytes = 0
  for await (const chunk of createReadStream(join(folder, path), {
    highWaterMark: pieceBytes,
  }) as AsyncIterable<Buffer>) {
    hash.update(chunk)
    bytes += chunk.length
    onBytes?.(chunk.length)
  }
  return { path, bytes, sha256: hash.digest('hex') }
}
