import { lookup } from 'node:dns/promises'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { dirname, resolve } from 'node:path'
import { systemPath } from '@bletchley/crypto/key-file'
import { isLoopback } from '@bletchley/http/loopback'
import { fileIdentity, maxSocketPathBytes } from '@bletchley/zmtp'

const maxPort = 65_535

const writableByOthers = 0o022
const sticky = 0o1000

/** @throws RangeError if the endpoint is of no kind that a core can serve */
export function assertEndpoint(endpoint: string): void {
  if (/^ipc:\/\/[^*@]/.test(endpoint)) assertSocketPath(endpoint)
  else if (/^tcp:\/\/./.test(endpoint)) assertTcp(endpoint)
  else throw noEndpoint(endpoint)
}

function noEndpoint(endpoint: string): RangeError {
  return new RangeError(`${JSON.stringify(endpoint)} is no endpoint, as tcp://127.0.0.1:5552 and ipc://<file> are`)
}

function assertTcp(endpoint: string): void {
  const [, port] = /:(\d+|\*)$/.exec(endpoint) ?? []
  if (port === undefined) throw new RangeError(`${endpoint} has no port, as tcp://127.0.0.1:5552 has`)
  if (Number(port) > maxPort) throw new RangeError(`${endpoint}: ports end at ${maxPort}`)
  // An address of IPv6 is in brackets.
  if (!/^tcp:\/\/(\[[^\]]+\]|[^[\]:]+):[^:]+$/.test(endpoint)) throw noEndpoint(endpoint)
}

function assertSocketPath(endpoint: string): void {
  const bytes = Buffer.byteLength(endpoint) - 'ipc://'.length
  if (bytes <= maxSocketPathBytes) return
  const limit = `the path of a socket has at most ${maxSocketPathBytes}`
  throw new RangeError(`${endpoint} is ${bytes} bytes long, and ${limit}`)
}

/** Whether only processes of this machine can reach an endpoint: loopback, or a socket in a file of the owner's. */
export function isLocal(endpoint: string): boolean {
  // A name in the abstract namespace (`ipc://@name`) has neither owner nor mode.
  if (endpoint.startsWith('ipc://')) return !endpoint.startsWith('ipc://@')
  const host = /^tcp:\/\/(.+):[^:]*$/.exec(endpoint)?.[1]
  return host !== undefined && isLoopback(host)
}

/**
 * Refuses endpoints that others can reach: without CURVE whoever reaches the socket may read the database, remove
 * contracts and install keys.
 *
 * @param address the endpoint with the address that its name stands for: `localhost` need not be loopback
 * @throws RangeError if the endpoint is not local; the text says what to do
 */
export function assertLocal(endpoint: string, address: string = endpoint): void {
  if (isLocal(endpoint) && isLocal(address)) return
  const what = address === endpoint ? endpoint : `${endpoint} is ${address} on this machine, which`
  throw new RangeError(
    `${what} can be reached by others, so its clients must be known: make a key pair with \`bletchley keys curve\`, ` +
      'list the public keys of the clients in a file, and say --clients <file>; or bind to 127.0.0.1; ' +
      'or say --insecure to serve whoever comes',
  )
}

/** What speaks against the folder of an `ipc://` socket. */
export interface FolderRisk {
  readonly text: string
  /** Others can put a socket of theirs in place of this one at any time. */
  readonly replaceable: boolean
}

/**
 * The folder that holds the socket, and those above it, as they are now; undefined if nothing speaks against them, or the
 * endpoint is not of that kind.
 */
export function folderRisk(endpoint: string): FolderRisk | undefined {
  const path = socketPath(endpoint)
  if (path === undefined || process.getuid === undefined) return undefined
  const folder = dirname(resolve(systemPath(path)))
  if (!existsSync(folder)) throw new Error(`${endpoint} cannot be bound: there is no folder ${folder}`)
  // Whoever can rename a folder on the way, or replace a link, puts another one in its place.
  for (const each of new Set([...upwardsFrom(folder), ...upwardsFrom(realpathSync(folder))])) {
    const { mode, uid } = statSync(each)
    if (uid !== 0 && uid !== process.getuid()) {
      return { text: `${each} belongs to another user, who can replace the socket`, replaceable: true }
    }
    if ((mode & writableByOthers) !== 0 && (mode & sticky) === 0) {
      return { text: `other users can write to ${each}, and replace the socket (chmod go-w)`, replaceable: true }
    }
  }
  if ((statSync(folder).mode & writableByOthers) === 0) return undefined
  return { text: `other users can put a socket into ${folder} while this core is not running`, replaceable: false }
}

/** A folder and all above it. */
function upwardsFrom(folder: string): string[] {
  const above = dirname(folder)
  return above === folder ? [folder] : [folder, ...upwardsFrom(above)]
}

/** Whether a socket of libzmq has to be told that addresses are of IPv6. */
export function needsIpv6(endpoint: string): boolean {
  return endpoint.startsWith('tcp://[')
}

/**
 * The endpoint with the address that its name stands for on this machine: of a host, `localhost` may be either loopback; or of a
 * network interface, its first one of IPv4.
 *
 * @throws Error if the name stands for none
 */
export async function withAddress(endpoint: string): Promise<string> {
  const [, name, port] = /^tcp:\/\/([^[\]:;*]+):(\d+|\*)$/.exec(endpoint) ?? []
  if (name === undefined || isIP(name) !== 0) return endpoint
  const ofInterface = networkInterfaces()[name]?.find(({ family }) => family === 'IPv4')
  if (ofInterface !== undefined) return `tcp://${ofInterface.address}:${port}`
  const { address, family } = await lookup(name).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${endpoint} cannot be bound: the name does not resolve (${cause.code})`, { cause })
  })
  return `tcp://${family === 6 ? `[${address}]` : address}:${port}`
}

/** What tells the file of an endpoint from any that takes its place; undefined if there is none. */
export function fileOf(endpoint: string): string | undefined {
  const path = socketPath(endpoint)
  return path === undefined ? undefined : fileIdentity(path)
}

function socketPath(endpoint: string): string | undefined {
  const path = /^ipc:\/\/([^@*].*)$/.exec(endpoint)?.[1]
  return process.platform === 'win32' ? undefined : path
}
