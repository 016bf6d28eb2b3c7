import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { equalBytes, utf8ToBytes } from '@bletchley/bytes'
import { addressOf, generateKeyPair, recoverAddress, sign } from '@bletchley/crypto'
import { lockFolder } from '@bletchley/crypto/folder-lock'
import { openLmdb } from '@bletchley/store'
import { Reply, Request } from 'zeromq'
import { type Check, ok, problem, reasonOf, warning } from './check.ts'

const leastNode = [20, 19] as const
/** Those that CI, or an author's machine, runs. */
const knownPlatforms = ['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64']
const replyTimeoutMs = 5000

/** Node, the machine, and whether the native modules do what they are for. */
export async function checkEnvironment(): Promise<Check[]> {
  return [
    checkNode(process.version),
    checkPlatform(`${process.platform}-${process.arch}`, libc()),
    await attempt('zeromq', 'a message went there and back', probeZeromq),
    await attempt('lmdb', 'a record was written and read', probeLmdb),
    await attempt('folder lock', 'a folder was locked, and let go', probeLock),
    await attempt('secp256k1', 'a signature was made and checked', probeSignature),
  ]
}

/** @param version as Node tells it, with a v */
export function checkNode(version: string): Check {
  const [major, minor] = version.slice(1).split('.').map(Number) as [number, number]
  if (major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1])) return ok('node', version)
  return problem('node', version, `install Node ${leastNode.join('.')} or later`)
}

export function checkPlatform(platform: string, libc: string): Check {
  const found = `${platform}, ${libc}`
  if (knownPlatforms.includes(platform)) return ok('platform', found)
  return warning('platform', found, `what was tried is ${knownPlatforms.join(', ')}`)
}

function libc(): string {
  if (process.platform !== 'linux') return 'libc of the system'
  // Otherwise it would look up the names of its peers.
  Object.assign(process.report, { excludeNetwork: true })
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
  return header.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`
}

async function attempt(name: string, done: string, probe: () => Promise<void>): Promise<Check> {
  try {
    await probe()
    return ok(name, done)
  } catch (error) {
    if (codesOfFolders.includes(systemCodeOf(error) ?? '')) {
      const remedy = `set TMPDIR to a folder with room in which this user may write; it is ${tmpdir()} now`
      return problem(name, `it could not be tried: ${reasonOf(error)}`, remedy)
    }
    return problem(name, reasonOf(error), 'install again with `npm ci --ignore-scripts` on this machine')
  }
}

/** What the system says of a folder that is missing, full, or not for writing. Modules that are not there have other codes. */
const codesOfFolders = ['EACCES', 'EDQUOT', 'ELOOP', 'ENOENT', 'ENOSPC', 'ENOTDIR', 'EPERM', 'EROFS']

function systemCodeOf(error: unknown): string | undefined {
  const { code, cause } = error as NodeJS.ErrnoException
  return code ?? (cause === undefined ? undefined : systemCodeOf(cause))
}

async function probeZeromq(): Promise<void> {
  const endpoint = 'inproc://bletchley-doctor'
  const options = { linger: 0, receiveTimeout: replyTimeoutMs }
  const [server, client] = [new Reply(options), new Request(options)]
  try {
    await server.bind(endpoint)
    client.connect(endpoint)
    await client.send('there')
    await server.receive()
    await server.send('back')
    await client.receive()
  } finally {
    client.close()
    server.close()
  }
}

async function probeLmdb(): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const database = await openLmdb({ folder })
    try {
      const byte = Uint8Array.of(1)
      await database.commit([{ key: byte, value: byte }])
      if ((await database.get(byte))?.[0] !== byte[0]) throw new Error('what was written was not read')
    } finally {
      await database.close()
    }
  })
}

async function probeLock(): Promise<void> {
  await inTemporaryFolder(async (folder) => (await lockFolder(folder, 'doctor')).release())
}

async function probeSignature(): Promise<void> {
  const { secretKey, publicKey } = generateKeyPair()
  const message = utf8ToBytes('doctor')
  const signer = recoverAddress(message, sign(secretKey, message))
  if (!equalBytes(signer, addressOf(publicKey))) throw new Error('a signature leads to another key')
}

async function inTemporaryFolder(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'bletchley-doctor-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}
