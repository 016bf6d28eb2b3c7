import { constants } from 'node:fs'
import { access, lstat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname } from 'node:path'
import { assertEndpoint, isServed, needsIpv6, withAddress } from '@bletchley/core/doors'
import { lockHolder } from '@bletchley/crypto/folder-lock'
import { Request } from 'zeromq'
import { type Check, ok, problem, reasonOf, warning } from './check.ts'

/** As long as the principal gets. */
const replyTimeoutMs = 5000

/** Whether the core's endpoints are free, or who has them. */
export async function checkPorts(endpoints: readonly string[], dataFolder: string): Promise<Check[]> {
  const running = lockHolder(dataFolder)?.use === 'core'
  return Promise.all(endpoints.map((endpoint) => checkEndpoint(endpoint, running)))
}

async function checkEndpoint(endpoint: string, running: boolean): Promise<Check> {
  const name = 'endpoint'
  let address: string
  try {
    assertEndpoint(endpoint)
    address = await withAddress(endpoint)
  } catch (error) {
    return problem(name, reasonOf(error), 'name an address of this machine with --bind, or a file')
  }
  const [, path] = /^ipc:\/\/(.+)$/.exec(address) ?? []
  if (path !== undefined) return checkSocketFile(endpoint, path, running)
  address = address.replace('//*:', '//0.0.0.0:')
  const [, host, port] = /^tcp:\/\/\[?(.+?)\]?:(\d+|\*)$/.exec(address)!
  const code = await listen(host!, port === '*' ? 0 : Number(port))
  if (code === undefined) return ok(name, `${endpoint} is free`)
  if (code === 'EADDRINUSE') return checkTaken(endpoint, address, running)
  if (code === 'EACCES') return problem(name, `${endpoint} is not allowed (EACCES)`, 'take a port from 1024')
  return problem(name, `${endpoint} cannot be bound (${code})`, 'name an address of this machine with --bind')
}

async function checkSocketFile(endpoint: string, path: string, running: boolean): Promise<Check> {
  const name = 'endpoint'
  const status = await lstat(path).catch(() => undefined)
  if (status !== undefined) {
    if (!status.isSocket()) {
      return problem(name, `${path} is there and is no socket`, 'name another one with --bind')
    }
    // Of one that is so busy that nobody can tell it is not.
    if (await isServed(path).catch(() => true)) return checkTaken(endpoint, endpoint, running)
    return ok(name, `${endpoint} is left of an earlier core, and is free`)
  }
  try {
    await access(dirname(path), constants.W_OK)
    return ok(name, `${endpoint} is free`)
  } catch (error) {
    return problem(name, `${endpoint}: ${reasonOf(error)}`, 'make the folder, for the core’s user')
  }
}

/** @param address where it is to be reached */
async function checkTaken(endpoint: string, address: string, running: boolean): Promise<Check> {
  const name = 'endpoint'
  if (await answers(address)) {
    if (running) return ok(name, `${endpoint}: the core answers`)
    return warning(name, `${endpoint}: a core answers, but not of this data folder`, 'check --data and --bind')
  }
  // With CURVE it answers only those that it knows.
  if (running) return ok(name, `${endpoint} is taken while the core of this data folder runs`)
  return problem(
    name,
    `${endpoint} is taken by another process`,
    'find it with `ss -lptnx`, or take another endpoint with --bind',
  )
}

/** @returns the system's code if it cannot be bound */
export function listen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'unknown'))
    server.listen({ host, port }, () => server.close(() => resolve(undefined)))
  })
}

async function answers(endpoint: string): Promise<boolean> {
  const client = new Request({
    linger: 0,
    receiveTimeout: replyTimeoutMs,
    sendTimeout: replyTimeoutMs,
    ipv6: needsIpv6(endpoint),
  })
  try {
    client.connect(endpoint)
    await client.send('{"id":"doctor","type":"GetRegistrationParams"}')
    const [reply] = await client.receive()
    return (JSON.parse(String(reply)) as { id?: unknown }).id === 'doctor'
  } catch {
    return false
  } finally {
    client.close()
  }
}
