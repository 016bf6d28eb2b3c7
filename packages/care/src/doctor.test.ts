import { execFile } from 'node:child_process'
import { chmod, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { totalmem } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { availableProcessors } from '@bletchley/core/processors'
import { createCurveKeyFile } from '@bletchley/crypto/curve-key-file'
import { lockFolder } from '@bletchley/crypto/folder-lock'
import type { SealingOptions } from '@bletchley/crypto/key-file'
import { describe, expect, it } from 'vitest'
import { Reply } from 'zeromq'
import { worker } from '../test/worker.ts'
import { checkMemory } from './doctor/machine.ts'
import { type Check, type DoctorOptions, examine } from './index.ts'

/** What was found of one name, as lines. */
async function found(name: string, options: Omit<DoctorOptions, 'endpoints'> & { endpoints?: string[] }) {
  const checks = await examine({ endpoints: [], ...options })
  return checks.filter((check) => check.name === name).map(lineOf)
}

function lineOf({ status, found: text, remedy }: Check): string {
  // Whoever reads of something wrong is told what to do about it, and nobody else.
  expect(remedy !== undefined && remedy !== '', text).toBe(status !== 'ok')
  return `${status}: ${text}`
}

/** A server on a port that the system chose. */
async function listening<T extends ReturnType<typeof createServer | typeof createHttpServer>>(server: T) {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { port, [Symbol.asyncDispose]: async () => void server.close() }
}

it('finds a whole folder well, changes nothing, and leaves no folder of its probes', async () => {
  await using folder = await worker()
  const before = await readdir(folder.data, { recursive: true })
  const checks = await examine({ dataFolder: folder.data, endpoints: [], sealing: {} })
  if (process.platform === 'linux') {
    // Some file systems have no fixed number of inodes.
    const names = new Set(checks.map(({ name }) => name).filter((name) => name !== 'inodes'))
    expect([...names].join(', ')).toBe(
      'node, platform, zeromq, lmdb, folder lock, secp256k1, ' +
        'data folder, writing, lock, database, key files, signing key, ' +
        'file system, disk space, clock, open files, file size, core dumps, address space, memory, swap',
    )
  }
  const named = Object.fromEntries(checks.map((check) => [check.name, lineOf(check)]))
  expect(named).toMatchObject({
    node: `ok: ${process.version}`,
    zeromq: 'ok: a message went there and back',
    lmdb: 'ok: a record was written and read',
    'folder lock': 'ok: a folder was locked, and let go',
    secp256k1: 'ok: a signature was made and checked',
    'data folder': `ok: ${folder.data}, its owner’s alone`,
    writing: 'ok: the data folder can be written',
    lock: 'ok: no process has the data folder',
    'key files': 'ok: 2, their owner’s alone',
    'signing key': 'ok: opens with the sealing key',
  })
  expect(named.database).toMatch(/^ok: \d records, 0\.\d MB of 0\.\d MB in use$/)
  expect(named.clock).toMatch(/^ok: 20/)
  expect((await readdir(folder.data, { recursive: true })).filter((name) => !name.endsWith('lock.mdb'))).toEqual(
    before.filter((name) => !name.endsWith('lock.mdb')),
  )
})

describe('a data folder', () => {
  it('that is not there, or is none, is told', async () => {
    await using folder = await worker()
    const { base, data } = folder
    const absent = join(base, 'absent')
    expect(await found('data folder', { dataFolder: absent })).toEqual([`warning: ${absent} is not there`])
    // Where it will be there is room, or not.
    expect(await found('disk space', { dataFolder: absent })).toHaveLength(1)
    const file = join(base, 'file')
    await writeFile(file, '')
    expect(await found('data folder', { dataFolder: file })).toEqual([`problem: ${file} is not a folder`])
    const loop = join(base, 'loop')
    await symlink(loop, loop)
    expect(await examine({ dataFolder: loop, endpoints: [] })).toContainEqual({
      name: 'data folder',
      status: 'problem',
      found: `${loop} cannot be read (ELOOP)`,
      remedy: 'run as a user who may read it',
    })
    await writeFile(join(data, 'store', 'data.mdb'), 'no database'.repeat(1000))
    expect(await found('database', { dataFolder: data })).toEqual([
      `problem: ${join(data, 'store', 'data.mdb')} is not a database, or is damaged`,
    ])
    await rm(join(data, 'store'), { recursive: true })
    expect(await found('database', { dataFolder: data })).toEqual([
      'ok: none yet; the core makes it at its first start',
    ])
  })

  it('that others can look into is told, and each such key file', async () => {
    await using folder = await worker()
    const { base, data } = folder
    await chmod(data, 0o710)
    expect(await found('data folder', { dataFolder: data })).toEqual([
      `problem: ${data} is open to other users (mode 710)`,
    ])
    const elsewhere = join(base, 'sealing.key')
    await rename(join(data, 'sealing.key'), elsewhere)
    const options = { dataFolder: data, sealing: { path: elsewhere } }
    expect(await found('key files', options)).toEqual(['ok: 2, their owner’s alone'])
    for (const path of [join(data, 'signing-key.sealed'), elsewhere]) await chmod(path, 0o604)
    expect(await found('key files', options)).toEqual(
      [join(data, 'signing-key.sealed'), elsewhere].map((path) => `problem: ${path} is open to other users (mode 604)`),
    )
  })

  it.skipIf(process.getuid?.() !== 0)('that belongs to another user is told', async () => {
    await using folder = await worker()
    await promisify(execFile)('chown', ['1', folder.data])
    expect(await found('data folder', { dataFolder: folder.data })).toEqual([
      `problem: ${folder.data} belongs to user 1, and this is user 0`,
    ])
  })

  it('whose keys do not open is told, by what is missing', async () => {
    const lock = (command: string): SealingOptions => ({ lock: { kind: 'command', command } })
    const [right, wrong] = ['11', '22'].map((byte) => lock(`printf ${byte.repeat(32)}`))
    await using folder = await worker({ sealing: right })
    const { data, base } = folder
    const signingKey = async (sealing?: SealingOptions) => {
      const checks = await examine({ dataFolder: data, endpoints: [], sealing })
      const { status, found: text, remedy } = checks.find(({ name }) => name === 'signing key')!
      return [status, text, remedy]
    }
    expect(await signingKey()).toEqual(['ok', 'its sealing key is locked, and was not opened', undefined])
    expect(await signingKey(right)).toEqual(['ok', 'opens with the sealing key', undefined])
    const unlock = 'check what unlocks the sealing key'
    expect(await signingKey(wrong)).toEqual(['problem', expect.stringContaining('does not open'), unlock])
    expect(await signingKey(lock('false'))).toEqual(['problem', expect.stringContaining('The sealing command'), unlock])
    const passphrase: SealingOptions = { lock: { kind: 'passphrase', read: async () => 'of another kind' } }
    expect(await signingKey(passphrase)).toEqual(['problem', expect.stringContaining('sealing.key'), unlock])
    const broken = 'put both files back from a backup; never delete one that cannot be read'
    await rename(join(data, 'sealing.key'), join(base, 'aside'))
    const absent = 'name the file with --sealing-key, or put it back from where it is kept'
    expect(await signingKey()).toEqual(['problem', expect.stringContaining('sealing key'), absent])
    await rename(join(base, 'aside'), join(data, 'sealing.key'))
    await writeFile(join(data, 'signing-key.sealed'), 'damaged')
    expect(await signingKey(right)).toEqual(['problem', expect.stringContaining('signing-key.sealed'), broken])
    await rm(join(data, 'signing-key.sealed'))
    expect(await signingKey()).toEqual(['ok', 'none yet; the core makes it at its first start', undefined])
  })

  it('that a process has is told, with the process', async () => {
    await using folder = await worker()
    const lock = await lockFolder(folder.data, 'core')
    expect(await found('lock', { dataFolder: folder.data })).toEqual([
      expect.stringContaining(`held by process ${process.pid} (bletchley core)`),
    ])
    lock.release()
  })
})

describe('a principal', () => {
  it.each<[string, { result?: unknown; awayMs?: number; date?: boolean; text?: string }, RegExp]>([
    ['whose clock is right', {}, /^ok: it answers; its clock is [01]\.\d s away$/],
    ['whose clock is behind', { awayMs: -60_000 }, /^warning: it answers; its clock is (?:59|6\d)\.\d s away$/],
    ['whose clock is ahead', { awayMs: 60_000 }, /^warning: it answers; its clock is (?:5\d|60)\.\d s away$/],
    ['whose clock is far away', { awayMs: -400_000 }, /^problem: it answers; its clock is (?:399|4\d\d)\.\d s away$/],
    ['that does not tell the time', { date: false }, /^ok: it answers; it does not tell the time$/],
    ['that is something else', { result: 7 }, /^problem: it answers, but not as a principal$/],
    ['that answers with a page', { text: '<html>' }, /^problem: it does not answer: /],
  ])('%s', async (_, { result = true, awayMs = 0, date = true, text }, expected) => {
    const server = createHttpServer((request, response) => {
      expect(request.method).toBe('POST')
      response.sendDate = false
      if (date) response.setHeader('date', new Date(Date.now() + awayMs).toUTCString())
      response.end(text ?? JSON.stringify({ jsonrpc: '2.0', id: 1, result }))
    })
    await using listened = await listening(server)
    await using folder = await worker()
    const principalUrl = `http://127.0.0.1:${listened.port}`
    expect(await found('principal', { dataFolder: folder.data, principalUrl })).toEqual([
      expect.stringMatching(expected),
    ])
  })

  it('that is not there is told, with the reason', async () => {
    await using folder = await worker()
    const { port, ...closed } = await listening(createServer())
    await closed[Symbol.asyncDispose]()
    expect(await found('principal', { dataFolder: folder.data, principalUrl: `http://127.0.0.1:${port}` })).toEqual([
      `problem: it does not answer: connect ECONNREFUSED 127.0.0.1:${port}`,
    ])
    expect(await found('principal', { dataFolder: folder.data })).toEqual([])
  })
})

// Some of them wait for answers that do not come.
describe.concurrent('endpoints', () => {
  it('are free, taken, or none', async () => {
    await using folder = await worker()
    const dataFolder = folder.data
    await using taken = await listening(createServer((socket) => socket.destroy()))
    const endpoint = `tcp://127.0.0.1:${taken.port}`
    const path = (length: number) => `${folder.base}/${'x'.repeat(length - folder.base.length - 1)}`
    await writeFile(join(folder.base, 'file'), '')
    const cases: [string, string][] = [
      ['tcp://127.0.0.1:0', 'ok: tcp://127.0.0.1:0 is free'],
      ['tcp://*:0', 'ok: tcp://*:0 is free'],
      ['tcp://0.0.0.0:0', 'ok: tcp://0.0.0.0:0 is free'],
      ['tcp://192.0.2.1:5552', 'problem: tcp://192.0.2.1:5552 cannot be bound (EADDRNOTAVAIL)'],
      ['tcp://localhost:*', 'ok: tcp://localhost:* is free'],
      // Interfaces have other names elsewhere.
      ...(process.platform === 'linux' ? [['tcp://lo:0', 'ok: tcp://lo:0 is free'] as [string, string]] : []),
      ['127.0.0.1:5552', 'problem: "127.0.0.1:5552" is no endpoint, as tcp://127.0.0.1:5552 and ipc://<file> are'],
      ['tcp://127.0.0.1:70000', 'problem: tcp://127.0.0.1:70000: ports end at 65535'],
      [endpoint, `problem: ${endpoint} is taken by another process`],
      [`ipc://${path(107)}`, `ok: ipc://${path(107)} is free`],
      [`ipc://${path(108)}`, `problem: ipc://${path(108)} is 108 bytes long, and the path of a socket has at most 107`],
      [`ipc://${folder.base}/file`, `problem: ${folder.base}/file is there and is no socket`],
    ]
    expect(await found('endpoint', { dataFolder, endpoints: cases.map(([each]) => each) })).toEqual(
      cases.map(([, line]) => line),
    )
    const [nowhere] = await found('endpoint', { dataFolder, endpoints: [`ipc://${folder.base}/no/where`] })
    expect(nowhere).toBe(
      `problem: ipc://${folder.base}/no/where: ENOENT: no such file or directory, access '${folder.base}/no'`,
    )
    // While the core of the folder runs, what is taken is taken by it.
    const lock = await lockFolder(dataFolder, 'core')
    const http = { host: '127.0.0.1', port: taken.port }
    expect(await found('HTTP door', { dataFolder, http })).toEqual([
      `ok: 127.0.0.1:${taken.port} is taken while the core of this data folder runs`,
    ])
    lock.release()
    expect(await found('HTTP door', { dataFolder, http })).toEqual([
      `problem: 127.0.0.1:${taken.port} cannot be bound (EADDRINUSE)`,
    ])
    expect(await found('HTTP door', { dataFolder, http: { host: '127.0.0.1', port: 0 } })).toEqual([
      'ok: 127.0.0.1:0 is free',
    ])
    expect(await found('HTTP door', { dataFolder, http: { host: '0.0.0.0', port: 0 } })).toEqual([
      expect.stringMatching(/^problem: /),
    ])
    expect(await found('HTTP door', { dataFolder })).toEqual([])
  })

  it('have a core, of this data folder or another one, or what is left of one', async () => {
    await using folder = await worker()
    await using other = await worker()
    const [answering, silent, left] = ['answering', 'silent', 'left'].map((name) => `ipc://${folder.base}/${name}`)
    const endpoints = [answering!, silent!, left!]
    const core = new Reply({ linger: 0 })
    await core.bind(answering!)
    const serving = (async () => {
      for await (const [request] of core) {
        const { id, type } = JSON.parse(String(request)) as { id: string; type: string }
        expect(type).toBe('GetRegistrationParams')
        await core.send(JSON.stringify({ id }))
      }
    })()
    // Takes whatever comes and says nothing, as a core with CURVE does to strangers.
    const mute = createServer((socket) => void socket.resume().on('error', () => {}))
    await new Promise<void>((resolve) => mute.listen(join(folder.base, 'silent'), resolve))
    const script = `
      const server = require('node:net').createServer().listen(${JSON.stringify(join(folder.base, 'left'))})
      server.on('listening', () => process.kill(process.pid, 'SIGKILL'))`
    await expect(promisify(execFile)(process.execPath, ['-e', script])).rejects.toMatchObject({ signal: 'SIGKILL' })
    const lock = await lockFolder(folder.data, 'core')
    const [running, alone] = await Promise.all(
      [folder, other].map(({ data }) => found('endpoint', { dataFolder: data, endpoints })),
    )
    lock.release()
    core.close()
    mute.close()
    await serving
    expect(alone).toEqual([
      `warning: ${answering}: a core answers, but not of this data folder`,
      `problem: ${silent} is taken by another process`,
      `ok: ${left} is left of an earlier core, and is free`,
    ])
    expect(running).toEqual([
      `ok: ${answering}: the core answers`,
      `ok: ${silent} is taken while the core of this data folder runs`,
      `ok: ${left} is left of an earlier core, and is free`,
    ])
  })

  it('that others can reach need CURVE, or a word that they do not', async () => {
    await using folder = await worker()
    const open = { dataFolder: folder.data, endpoints: ['tcp://127.0.0.1:0', 'tcp://0.0.0.0:0'] }
    expect(await found('clients', open)).toEqual([
      'problem: tcp://0.0.0.0:0 can be reached by others, and the core refuses it without CURVE',
    ])
    expect(await found('clients', { ...open, insecure: true })).toEqual([
      'warning: whoever reaches tcp://0.0.0.0:0 may do everything (--insecure)',
    ])
    const clientsPath = join(folder.base, 'clients')
    const curve = { clientsPath, keyPath: join(folder.base, 'server.key') }
    expect(await found('clients', { ...open, curve })).toEqual([expect.stringMatching(/^problem: .*cannot be used/)])
    expect(await found('CURVE key', { ...open, curve })).toEqual([`problem: ${curve.keyPath} is not there`])
    await createCurveKeyFile(curve.keyPath, 'server')
    await writeFile(clientsPath, '# nobody\n')
    expect(await found('clients', { ...open, curve })).toEqual([`warning: ${clientsPath} is empty: nobody is let in`])
    await writeFile(clientsPath, `${'0'.repeat(40)}\n`)
    expect(await found('clients', { ...open, curve })).toEqual([`ok: 1 in ${clientsPath}`])
    expect(await found('CURVE key', { ...open, curve })).toEqual([`ok: ${curve.keyPath}`])
    await writeFile(join(folder.data, 'curve.key'), 'damaged', { mode: 0o600 })
    expect(await found('CURVE key', { ...open, curve: { clientsPath } })).toEqual([
      `problem: ${join(folder.data, 'curve.key')} is not a CURVE key file, or is damaged`,
    ])
    await rm(join(folder.data, 'curve.key'))
    await symlink(curve.keyPath, join(folder.data, 'curve.key'))
    expect(await found('CURVE key', { ...open, curve: { clientsPath } })).toEqual([
      expect.stringContaining('curve.key'),
    ])
  })
})

describe.skipIf(process.platform !== 'linux')('limits of the process', () => {
  it('are those that it has', async () => {
    await using folder = await worker()
    // In a process of its own, from what is built: a limit that was lowered stays so.
    const script = `
      import { examine } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}
      const checks = await examine({ dataFolder: process.argv[1], endpoints: [] })
      console.log(JSON.stringify(checks))`
    // The hard limit as well: Node raises its soft one of open files to it.
    const set = 'ulimit -n 1024; ulimit -f 1024; ulimit -c 0; exec "$0" "$@"'
    const args = ['-c', set, process.execPath, '--input-type=module', '-e', script, folder.data]
    const { stdout } = await promisify(execFile)('bash', args)
    const checks = JSON.parse(stdout) as Check[]
    const names = ['open files', 'file size', 'core dumps']
    expect(names.map((name) => lineOf(checks.find((check) => check.name === name)!))).toEqual([
      'warning: at most 1024',
      `warning: at most ${2 ** 20} bytes: the database grows`,
      'ok: off',
    ])
  })

  it('memory is compared with what the threads may take', async () => {
    await using folder = await worker()
    const [limit, total] = [process.constrainedMemory(), totalmem()]
    for (const threads of [undefined, 1, Math.ceil(totalmem() / 2 ** 30) + 1]) {
      expect(await found('memory', { dataFolder: folder.data, threads })).toEqual([
        lineOf(checkMemory(threads ?? availableProcessors(), limit, total)),
      ])
    }
  })
})
