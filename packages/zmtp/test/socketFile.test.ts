import { once } from 'node:events'
import { existsSync, statSync, unlinkSync } from 'node:fs'
import { link, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Listener, listen } from '../src/index.ts'
import { frame, message, openings, Wire } from './wire.ts'

let folder: string
let path: string
let endpoint: string
const cleanups: (() => unknown)[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bletchley-socket-'))
  path = join(folder, 'socket')
  endpoint = `ipc://${path}`
})
afterEach(async () => {
  for (const each of cleanups.splice(0).reverse()) await each()
  await rm(folder, { recursive: true })
})

/** What a peer sends goes back to it. */
async function echo(...endpoints: string[]): Promise<Listener> {
  const listener = await listen(endpoints, { onMessage: (connection, { parts }) => void connection.send(parts) })
  cleanups.push(() => listener.close(0))
  return listener
}

async function bare(at: string): Promise<Server> {
  const server = createServer().listen(at)
  cleanups.push(() => server.close())
  await once(server, 'listening')
  return server
}

/** A socket in a file that nobody serves. */
async function leaveSocket(): Promise<void> {
  // Node removes what it has made: so another name of it is what stays.
  const server = await bare(join(folder, 'first'))
  await link(join(folder, 'first'), path)
  await new Promise((resolve) => server.close(resolve))
}

async function isServed(): Promise<boolean> {
  using wire = new Wire(endpoint)
  wire.send(openings['3.1'].opening, message(frame, ['', 'text']))
  await Promise.race([wire.until('text'), wire.ended()])
  return wire.text.includes('text')
}

describe('a socket in a file', () => {
  it('is its owner’s alone, and gone at the end', async () => {
    const mode = (): number | undefined => statSync(path, { throwIfNoEntry: false })?.mode
    const mask = process.umask(0)
    const opened = echo(endpoint)
    let atFirst = mode()
    for (let turn = 0; turn < 100 && atFirst === undefined; turn++) {
      await undefined
      atFirst = mode()
    }
    expect(process.umask(mask)).toBe(0)
    const listener = await opened
    expect([listener.endpoints, statSync(path).isSocket(), await isServed()]).toEqual([[endpoint], true, true])
    expect([atFirst! & 0o777, mode()! & 0o777]).toEqual([0o600, 0o600])
    await listener.close(0)
    expect(await readdir(folder)).toEqual([])
  })

  it('replaces one that a dead process has left', async () => {
    await leaveSocket()
    expect(statSync(path).isSocket()).toBe(true)
    await echo(endpoint)
    expect(await isServed()).toBe(true)
  })

  it('leaves one alone that is served', async () => {
    await echo(endpoint)
    await expect(echo(endpoint)).rejects.toThrow(`${endpoint} cannot be bound: ${path} is served by another process`)
    expect(await isServed()).toBe(true)
  })

  it('leaves one alone that comes while it looks at one that was left', async () => {
    await leaveSocket()
    const opened = echo(endpoint)
    // In the same turn: it has asked, and has not heard yet that nobody answers.
    unlinkSync(path)
    const server = createServer((socket) => socket.end('other')).listen(path)
    cleanups.push(() => server.close())
    await expect(opened).rejects.toThrow(`${endpoint} cannot be bound: `)
    const [said] = await once(connect(path), 'data')
    expect(String(said)).toBe('other')
  })

  it('takes the place of one that goes while it is looked at', async () => {
    await leaveSocket()
    const opened = echo(endpoint)
    unlinkSync(path)
    await opened
    expect(await isServed()).toBe(true)
  })

  it.runIf(process.platform === 'linux')('leaves one alone of which nobody can tell whether it is served', async () => {
    const server = createServer().listen({ path, backlog: 1 })
    cleanups.push(() => server.close())
    await once(server, 'listening')
    // None of them is accepted before this turn ends; so the next one has to come again later.
    const waiting = Array.from({ length: 8 }, () => connect(path).on('error', () => undefined))
    await expect(echo(endpoint)).rejects.toThrow(`nobody can tell whether ${path} is served (EAGAIN)`)
    expect(existsSync(path)).toBe(true)
    for (const each of waiting) each.destroy()
  })

  it('takes the place of no file that is no socket', async () => {
    await writeFile(path, 'precious')
    await expect(echo(endpoint)).rejects.toThrow(`${path} is there, and is no socket: it is not replaced`)
    const other = join(folder, 'link')
    await symlink(path, other)
    await expect(echo(`ipc://${other}`)).rejects.toThrow(`${other} is there, and is no socket: it is not replaced`)
    expect(await readFile(path, 'utf8')).toBe('precious')
    expect((await readdir(folder)).sort()).toEqual(['link', 'socket'])
  })

  it('does not take along at its end what others have put in its place', async () => {
    const first = await echo(endpoint)
    await rename(path, join(folder, 'away'))
    await echo(endpoint)
    await first.close(0)
    expect(await isServed()).toBe(true)
    expect((await readdir(folder)).sort()).toEqual(['away', 'socket'])

    const away = join(folder, 'away')
    await rm(away)
    const second = await echo(`ipc://${away}`)
    await rm(away)
    await writeFile(away, 'precious')
    await second.close(0)
    expect(await readFile(away, 'utf8')).toBe('precious')
    expect((await readdir(folder)).sort()).toEqual(['away', 'socket'])
  })

  it('may be removed before its end', async () => {
    const listener = await echo(endpoint)
    await rm(path)
    await listener.close(0)
    expect(await readdir(folder)).toEqual([])
  })

  it.runIf(process.platform === 'linux')(
    'has a path as long as the system’s paths of sockets, and no longer',
    async () => {
      const longest = join(folder, 'x'.repeat(107 - folder.length - 1))
      await echo(`ipc://${longest}`)
      expect(await readdir(folder)).toEqual([longest.slice(folder.length + 1)])
      await expect(echo(`ipc://${longest}x`)).rejects.toThrow(new RangeError(`ipc://${longest}x is no endpoint`))
      const umlaut = `${longest.slice(0, -1)}ä`
      await expect(echo(`ipc://${umlaut}`)).rejects.toThrow(RangeError)
    },
  )
})

describe('an address that is taken', () => {
  it('is named, and nothing stays bound', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    cleanups.push(() => taken.close())
    await once(taken, 'listening')
    const { port } = taken.address() as { port: number }
    const free = createServer().listen(0, '127.0.0.1')
    await once(free, 'listening')
    const { port: freePort } = free.address() as { port: number }
    await new Promise((resolve) => free.close(resolve))
    const other = `tcp://127.0.0.1:${freePort}`
    const refused = echo(endpoint, other, `tcp://127.0.0.1:${port}`, `ipc://${folder}/never`)
    await expect(refused).rejects.toThrow(`tcp://127.0.0.1:${port} cannot be bound: listen EADDRINUSE`)
    await expect(refused).rejects.toMatchObject({ cause: { code: 'EADDRINUSE' } })
    expect(await readdir(folder)).toEqual([])
    const [connected] = await once(connect(freePort, '127.0.0.1'), 'error')
    expect(connected).toMatchObject({ code: 'ECONNREFUSED' })
    // Who has it keeps it.
    expect(await once(connect(port, '127.0.0.1'), 'connect')).toEqual([])
    await expect(echo('ipc:///nowhere/at/all')).rejects.toThrow('ipc:///nowhere/at/all cannot be bound: ')
  })
})
