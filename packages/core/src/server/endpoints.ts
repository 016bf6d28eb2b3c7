import { lookup } from 'node:dns/promises'
import { chmodSync, closeSync, existsSync, lstatSync, openSync, realpathSync, statSync } from 'node:fs'
import { connect, isIP } from 'node:net'
import { devNull, networkInterfaces } from 'node:os'
import { dirname, resolve } from 'node:path'
import { systemPath } from '@bletchley/crypto/key-file'
import { isLoopback } from '@bletchley/http/loopback'
import type { Router } from 'zeromq'

/** Bytes, without the one that ends it. */
const maxSocketPath = process.platform === 'darwin' ? 103 : 107

const maxPort = 65_535

/** More than a socket or an endpoint takes, and than peers can take in the moment that it needs. */
const filesOfSocket = 16

const ownerOnly = 0o600
const groupAndOthers = 0o077
const writableByOthers = 0o022
const sticky = 0o1000

/** @throws RangeError if the endpoint is of no kind that a core can serve */
export function assertEndpoint(endpoint: string): void {
  if (!/^(tcp|ipc|inproc):\/\/./.test(endpoint)) {
    throw new RangeError(`${JSON.stringify(endpoint)} is no endpoint, as tcp://127.0.0.1:5552 and ipc://<file> are`)
  }
  const [, port] = /:(\d+|\*)$/.exec(endpoint) ?? []
  if (endpoint.startsWith('tcp://') && port === undefined) {
    throw new RangeError(`${endpoint} has no port, as tcp://127.0.0.1:5552 has`)
  }
  // libzmq would take the lower 16 bits.
  if (Number(port) > maxPort) throw new RangeError(`${endpoint}: ports end at ${maxPort}`)
  const bytes = Buffer.byteLength(endpoint) - 'ipc://'.length
  if (endpoint.startsWith('ipc://') && bytes > maxSocketPath) {
    throw new RangeError(`${endpoint} is ${bytes} bytes long, and the path of a socket has at most ${maxSocketPath}`)
  }
}

/** Whether only processes of this machine can reach an endpoint: loopback, or a socket in a file of the owner's. */
export function isLocal(endpoint: string): boolean {
  if (endpoint.startsWith('inproc://')) return true
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

/**
 * Binds a socket. One in a file is its owner's alone from the first moment on (mode 0600).
 *
 * @returns the endpoint, with the real port where 0 was asked
 * @throws Error if the endpoint is taken, also by a file that is no socket, which is never removed
 */
export async function bindEndpoint(socket: Router, endpoint: string): Promise<string> {
  const path = socketPath(endpoint)
  if (path !== undefined) await assertFree(path)
  try {
    // In one turn: a peer's connection to an endpoint that is bound already takes a file as well.
    assertFilesLeft()
    if (path === undefined) socket.bindSync(endpoint)
    else bindFile(socket, endpoint, path)
  } catch (cause) {
    throw new Error(`${endpoint} cannot be bound: ${(cause as Error).message}`, { cause })
  }
  // On a socket of both kinds an IPv4 address is shown within an IPv6 one.
  return socket.lastEndpoint!.replace(/^tcp:\/\/\[::ffff:([\d.]+)\]/, 'tcp://$1')
}

/**
 * libzmq ends the process where it gets no file for what it makes (zeromq 6.8.0): so it is asked only where some are left.
 *
 * @throws Error if there are none left
 */
export function assertFilesLeft(): void {
  const opened: number[] = []
  try {
    while (opened.length < filesOfSocket) opened.push(openSync(devNull, 'r'))
  } catch (cause) {
    throw new Error(`no files are left for a socket: ${(cause as Error).message}`, { cause })
  } finally {
    for (const each of opened) closeSync(each)
  }
}

function bindFile(socket: Router, endpoint: string, path: string): void {
  // The mask is the process's: so it is changed for the one call that makes the file, and nothing runs in between.
  const mask = process.umask(groupAndOthers)
  try {
    socket.bindSync(endpoint)
  } finally {
    process.umask(mask)
  }
  chmodSync(path, ownerOnly)
}

/** Whether ZeroMQ has to be told that addresses are of IPv6. */
export function needsIpv6(endpoint: string): boolean {
  return endpoint.startsWith('tcp://[')
}

/**
 * The endpoint with the address that its name stands for on this machine; `localhost` may be either loopback.
 *
 * @throws Error if the name stands for none
 */
export async function withAddress(endpoint: string): Promise<string> {
  const [, name, port] = /^tcp:\/\/([^[\]:;*]+):(\d+|\*)$/.exec(endpoint) ?? []
  // ZeroMQ knows interfaces by their names.
  if (name === undefined || isIP(name) !== 0 || name in networkInterfaces()) return endpoint
  const { address, family } = await lookup(name).catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`${endpoint} cannot be bound: the name does not resolve (${cause.code})`, { cause })
  })
  return `tcp://${family === 6 ? `[${address}]` : address}:${port}`
}

/** Whether the file of a socket that was closed is still there: libzmq removes it in the background. */
export function isFileThere(endpoint: string): boolean {
  return fileOf(endpoint) !== undefined
}

/**
 * What tells the file of an endpoint from any that takes its place; undefined if there is none. Its owner may change rights
 * and times of it. Where the file system notes no time of birth, another file that got the same number is taken for it.
 */
export function fileOf(endpoint: string): string | undefined {
  const path = socketPath(endpoint)
  const status = path === undefined ? undefined : lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return status && `${status.dev} ${status.ino} ${status.birthtimeNs}`
}

function socketPath(endpoint: string): string | undefined {
  const path = /^ipc:\/\/([^@*].*)$/.exec(endpoint)?.[1]
  return process.platform === 'win32' ? undefined : path
}

/** libzmq removes whatever is in its way; so what is there is looked at before. */
async function assertFree(path: string): Promise<void> {
  const status = lstatSync(path, { throwIfNoEntry: false })
  if (status === undefined) return
  if (!status.isSocket()) throw new Error(`${path} is there, and is no socket: it is not replaced`)
  if (await answers(path)) throw new Error(`${path} is served by another process`)
}

/** Whether anybody listens; a socket that a process has left behind refuses. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const connection = connect(path)
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false)
      else reject(new Error(`nobody can tell whether ${path} is served (${error.code})`, { cause: error }))
    })
  })
}
