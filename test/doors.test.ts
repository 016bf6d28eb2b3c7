import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, readFile, rename, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { connect as connectTcp, createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { hexToBytes } from '@bletchley/bytes'
import { type ClientOptions, CoreClient } from '@bletchley/client'
import { encodeZ85 } from '@bletchley/crypto'
import { createCurveKeyFile, readCurveKeyFile } from '@bletchley/crypto/curve-key-file'
import { encodeRequest } from '@bletchley/protocol'
import { CommandProcess, runCommand, temporaryFolder } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Dealer, Request } from 'zeromq'

// Who gets in, who does not, and what the operator sees of it; over real processes and the command.

let folder: string
let cleanUp: () => PromiseLike<void>

beforeAll(async () => {
  const temporary = await temporaryFolder()
  folder = temporary.path
  cleanUp = () => temporary[Symbol.asyncDispose]()
})
afterAll(() => cleanUp())

const execute = promisify(execFile)
const command = fileURLToPath(new URL('../packages/cli/bin/bletchley.js', import.meta.url))

const isRoot = process.getuid?.() === 0
const nobody = 65_534

/** A client's key pair, and where its file is. */
async function createClient(name: string) {
  const file = join(folder, `${name}.key`)
  await createCurveKeyFile(file, 'client')
  const { publicKey, secretKey } = await readCurveKeyFile(file, 'client')
  return { file, text: encodeZ85(publicKey), publicKey, secretKey: secretKey.bytes }
}
type TestClient = Awaited<ReturnType<typeof createClient>>

/** Writes a list of clients as editors do: beside the file, and then in its place. */
async function list(path: string, ...lines: string[]): Promise<void> {
  await listWithMode(0o644, path, ...lines)
}

async function listWithMode(mode: number, path: string, ...lines: string[]): Promise<void> {
  await writeFile(`${path}.new`, `# the clients of a test\n${lines.join('\n')}\n`)
  await chmod(`${path}.new`, mode)
  await rename(`${path}.new`, path)
}

/** A list that another user has put in the place of ours. */
async function listOfAnother(path: string, line: string): Promise<void> {
  await writeFile(`${path}.new`, `${line}\n`, { mode: 0o600 })
  await chown(`${path}.new`, nobody, nobody)
  await rename(`${path}.new`, path)
}

/** A core that demands CURVE, on an endpoint that other machines could reach. */
async function startCore(name: string, clients: string, ...args: string[]) {
  const data = join(folder, name)
  const serverKey = await createCurveKeyFile(join(data, 'curve.key'), 'server')
  const process = new CommandProcess([
    'core',
    '--bind',
    'tcp://0.0.0.0:0',
    '--data',
    data,
    '--threads',
    '1',
    '--clients',
    clients,
    ...args,
  ])
  const endpoint = (await process.readLine()).replace(/^ready tcp:\/\/0\.0\.0\.0/, 'tcp://127.0.0.1')
  const connect = (client?: TestClient, options: ClientOptions & { serverKey?: Uint8Array } = {}) =>
    new CoreClient(endpoint, { ...options, ...(client && { curve: { serverKey, ...client, ...pick(options) } }) })
  return { process, endpoint, serverKey, connect, [Symbol.asyncDispose]: () => process[Symbol.asyncDispose]() }
}

const pick = ({ serverKey }: { serverKey?: Uint8Array }) => (serverKey === undefined ? {} : { serverKey })

/** Asks until the error at the deadline says why: on a busy machine a handshake takes its time. */
async function refusalOf(client: CoreClient, pattern: RegExp): Promise<string> {
  for (;;) {
    const answer = await client.methods.getAllAddrs(undefined, { timeoutMs: 300 }).catch((error: Error) => error)
    if (!(answer instanceof Error)) throw new Error('it was answered')
    if (pattern.test(answer.message)) return answer.message
    expect(answer.message).toMatch(/^No reply within 300 ms|^Disconnected/)
  }
}

/** Asks until there is an answer; the connection may be on its way. */
async function untilAnswered(client: CoreClient): Promise<void> {
  for (;;) {
    const answer = await client.methods.getAllAddrs(undefined, { timeoutMs: 300 }).catch((error: Error) => error)
    if (!(answer instanceof Error)) return
  }
}

describe('a core with CURVE', () => {
  let core: Awaited<ReturnType<typeof startCore>>
  let listed: TestClient
  let second: TestClient
  let stranger: TestClient
  let path: string

  beforeAll(async () => {
    listed = await createClient('listed')
    second = await createClient('second')
    stranger = await createClient('stranger')
    path = join(folder, 'clients')
    await list(path, `${listed.text} the node`, `  ${Buffer.from(second.publicKey).toString('hex')}`)
    core = await startCore('curve', path)
  })
  afterAll(() => core[Symbol.asyncDispose]())

  it('serves clients of the list, and tells the operator its own public key', async () => {
    using client = core.connect(listed)
    using other = core.connect(second)
    expect(await client.methods.getAllAddrs(undefined)).toEqual({ addresses: [] })
    expect(await other.methods.getAllAddrs(undefined)).toEqual({ addresses: [] })
    await core.process.untilLogged(/core answers.*\n/)
    const line = core.process.stderr.split('\n').find((each) => each.includes('core answers'))
    expect(JSON.parse(line!)).toMatchObject({ curve: encodeZ85(core.serverKey), clients: 2 })
    expect(core.process.stderr).not.toContain('INSECURE')
  })

  it('gives nothing to a client that is not on the list; both sides say why', async () => {
    using client = core.connect(stranger)
    expect(await refusalOf(client, /list/)).toContain(`the public key ${stranger.text} is not on the list of the core`)
    await core.process.untilLogged(/not_listed/)
    const line = core.process.stderr.split('\n').find((each) => each.includes('not_listed'))
    expect(JSON.parse(line!)).toMatchObject({
      level: 40,
      key: stranger.text,
      address: '127.0.0.1',
      msg: 'client refused',
    })
  })

  it('gives nothing to a client that takes another key for the core’s', async () => {
    using client = core.connect(listed, { serverKey: stranger.publicKey })
    expect(await refusalOf(client, /public key/)).toContain(`${stranger.text} is probably not its public key`)
    await core.process.untilLogged(/"reason":"wrong_server_key","key":"no key"/)
  })

  it('gives nothing to a client without a key', async () => {
    using client = core.connect()
    await refusalOf(client, /CURVE/)
    await core.process.untilLogged(/"reason":"no_key","key":"no key"/)
  })

  it('gives nothing to other peers without keys, whatever they speak', async () => {
    const peers = [new Request({ linger: 0 }), new Dealer({ linger: 0 }), new Dealer({ plainUsername: 'a', linger: 0 })]
    for (const peer of peers) {
      // Heard only from now on, and told once: libzmq does not try such a server again.
      const ended = new Promise((resolve) => peer.events.on('disconnect', resolve))
      peer.connect(core.endpoint)
      void peer.send(encodeRequest('GetAllAddrs', 'x', undefined)).catch(() => {})
      await ended
      expect(peer.readable).toBe(false)
      peer.close()
    }
    const { hostname, port } = new URL(core.endpoint)
    for (const text of ['GET / HTTP/1.1\r\n\r\n', '\xff\0\0\0\0\0\0\0\x01\x7f', '\0'.repeat(1000)]) {
      const socket = connectTcp(Number(port), hostname)
      let heard = ''
      socket.on('data', (bytes) => {
        heard += bytes.toString()
      })
      // A reset is as good a refusal.
      socket.on('error', () => {})
      socket.end(text)
      await new Promise((resolve) => socket.once('close', resolve))
      expect(heard).not.toContain('GetAllAddrs')
    }
    using client = core.connect(listed)
    await untilAnswered(client)
  })

  it('gives nothing more to a client that is removed, also on a connection that it has; SIGHUP tells it at once', async () => {
    using client = core.connect(listed)
    using removed = core.connect(second)
    await Promise.all([untilAnswered(client), untilAnswered(removed)])
    const before = core.process.stderr.length
    await list(path, `${listed.text} the node`)
    core.process.signal('SIGHUP')
    await core.process.untilLogged(/list of clients read/, before)
    await refusalOf(removed, /is not on the list of the core/)
    await core.process.untilLogged(/not_listed/, before)
    await untilAnswered(client)
  })

  it('lets a client in that is added, which finds out by itself; the file is watched', async () => {
    using waiting = core.connect(second)
    await refusalOf(waiting, /is not on the list of the core/)
    const before = core.process.stderr.length
    await list(path, listed.text, second.text)
    await core.process.untilLogged(/list of clients read/, before)
    await untilAnswered(waiting)
  })

  const listsOfOthers: [string, () => Promise<void>, RegExp][] = isRoot
    ? [['another user’s', () => listOfAnother(path, stranger.text), /belongs to another user/]]
    : []

  it.each<[string, () => Promise<void>, RegExp]>([
    ['malformed', () => list(path, listed.text, 'nonsense'), /line 3 does not begin with a public key/],
    ['gone', () => unlink(path), /ENOENT/],
    // In one step: a list that could be written only a moment later would be taken in between.
    ['open to writers', () => listWithMode(0o666, path, stranger.text), /can be written by other users/],
    ...listsOfOthers,
  ])('keeps the old list when the new one is %s, and says so', async (_, change, reason) => {
    const before = core.process.stderr.length
    await change()
    core.process.signal('SIGHUP')
    await core.process.untilLogged(/the list of clients cannot be used: the old one stays in force/, before)
    expect(core.process.stderr.slice(before)).toMatch(reason)
    using client = core.connect(second)
    await untilAnswered(client)
    using other = core.connect(stranger)
    await refusalOf(other, /is not on the list of the core/)
    await unlink(path).catch(() => {})
    await list(path, listed.text, second.text)
    core.process.signal('SIGHUP')
    await core.process.untilLogged(/list of clients read/, before)
  })

  it('shows whoever listens neither keys nor messages', async () => {
    const heard: Buffer[] = []
    const wire = createServer((client) => {
      const server = connectTcp(Number(new URL(core.endpoint).port), '127.0.0.1')
      for (const [from, to] of [
        [client, server],
        [server, client],
      ] as const) {
        from.on('data', (bytes: Buffer) => {
          heard.push(bytes)
          to.write(bytes)
        })
        from.on('error', () => {}).on('close', () => to.destroy())
      }
    })
    await new Promise<void>((resolve) => wire.listen(0, '127.0.0.1', resolve))
    const { port } = wire.address() as { port: number }
    using client = new CoreClient(`tcp://127.0.0.1:${port}`, { curve: { serverKey: core.serverKey, ...listed } })
    const address = new Uint8Array(32).fill(0x5a)
    await client.methods.updateDeltas({ deltas: [{ address, key: 0, data: address }] })
    expect((await client.methods.getDelta({ address, key: 0 })).data).toEqual(address)
    await client.methods.removeContract({ address })
    client.close()
    wire.close()
    const bytes = Buffer.concat(heard)
    expect(bytes.includes('CURVE')).toBe(true)
    for (const secret of [listed.publicKey, core.serverKey, 'UpdateDeltas', '5a5a5a', '90,90,90']) {
      expect(bytes.includes(typeof secret === 'string' ? secret : Buffer.from(secret))).toBe(false)
    }
  })

  it('is spoken to by the command', async () => {
    const call = ['call', 'GetAllAddrs', '--endpoint', core.endpoint, '--curve-server-key', encodeZ85(core.serverKey)]
    const refusedWithin = (timeout: number) =>
      runCommand([...call, '--curve-key', stranger.file, '--timeout', String(timeout)])
    const [served, first, half] = await Promise.all([
      runCommand([...call, '--curve-key', listed.file]),
      refusedWithin(6000),
      runCommand(call),
    ])
    let refused = first
    // On a busy machine the handshake may take longer; then the command cannot say why.
    for (let timeout = 12_000; / ms$/m.test(refused.stderr); timeout *= 2) refused = await refusedWithin(timeout)
    expect(served).toMatchObject({ code: 0, stdout: expect.stringContaining('"addresses":[]') })
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('is not on the list of the core') })
    expect(half).toMatchObject({ code: 2, stderr: expect.stringContaining('both') })
  })

  it('never shows a secret key', async () => {
    for (const file of [join(folder, 'curve', 'curve.key'), listed.file]) {
      const secret = /^secret (.+)$/m.exec(await readFile(file, 'utf8'))![1]!
      expect(secret).toHaveLength(40)
      expect(core.process.stderr).not.toContain(secret)
    }
  })
})

describe('keys curve', () => {
  it('makes key pairs that are their owner’s alone, and overwrites none', async () => {
    const data = join(folder, 'made')
    const made = await runCommand(['keys', 'curve', '--data', data, '--json'])
    expect(made.code).toBe(0)
    const { publicKey, hex, file } = JSON.parse(made.stdout) as Record<string, string>
    expect(file).toBe(join(data, 'curve.key'))
    expect(encodeZ85(hexToBytes(hex!))).toBe(publicKey)
    expect((await stat(file!)).mode & 0o777).toBe(0o600)
    const before = await readFile(file!)
    const again = await runCommand(['keys', 'curve', '--data', data])
    expect(again).toMatchObject({ code: 1, stderr: expect.stringContaining('is not overwritten') })
    expect(await readFile(file!)).toEqual(before)
  })

  it('is asked for by a core that has none, and one that others can read is refused', async () => {
    const clients = join(folder, 'nobody')
    await list(clients)
    const start = (data: string) =>
      runCommand(['core', '--data', data, '--bind', 'tcp://127.0.0.1:0', '--clients', clients])
    const data = join(folder, 'wide')
    await createCurveKeyFile(join(data, 'curve.key'), 'server')
    await chmod(join(data, 'curve.key'), 0o640)
    const [missing, wide] = await Promise.all([start(join(folder, 'without')), start(data)])
    expect(missing).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/`bletchley keys curve --curve-key \S+curve\.key` makes one/),
    })
    expect(wide).toMatchObject({ code: 1, stderr: expect.stringContaining('chmod 600') })
  })
})

describe('where a core binds', () => {
  const start = (...args: string[]) => runCommand(['core', '--data', join(folder, 'bind'), '--threads', '1', ...args])

  it('refuses an endpoint that others can reach, and says what to do', async () => {
    for (const endpoint of ['tcp://0.0.0.0:0', 'tcp://[::]:0']) {
      const { code, stderr } = await start('--bind', endpoint)
      expect(code).toBe(1)
      for (const part of [endpoint, 'bletchley keys curve', '--clients', '--insecure']) expect(stderr).toContain(part)
    }
  })

  // A machine whose `localhost` is another address needs a file system view of its own.
  it.skipIf(!isRoot || process.platform !== 'linux')(
    'takes localhost for what it is on the machine',
    async (context) => {
      const hosts = join(folder, 'hosts')
      await writeFile(hosts, '192.0.2.1 localhost\n')
      const elsewhere = async (...args: string[]) => {
        const line = 'mount --bind "$0" /etc/hosts && exec "$@"'
        const { stderr } = await execute('unshare', ['-m', 'bash', '-c', line, hosts, ...args]).catch(
          (error: { stderr: string }) => error,
        )
        return stderr
      }
      if ((await elsewhere('true')) !== '') return context.skip()
      const data = ['--data', join(folder, 'elsewhere')]
      const bletchley = (...args: string[]) => elsewhere(process.execPath, command, ...args, ...data)
      const [endpoint, door, principal] = await Promise.all([
        bletchley('core', '--bind', 'tcp://localhost:0'),
        bletchley('core', '--bind', 'tcp://127.0.0.1:0', '--http', 'localhost:0'),
        bletchley('principal', '--host', 'localhost', '--port', '0'),
      ])
      expect(endpoint).toContain(
        'tcp://localhost:0 is tcp://192.0.2.1:0 on this machine, which can be reached by others',
      )
      expect(door).toContain('localhost is 192.0.2.1 on this machine, which can be reached from other machines')
      expect(principal).toContain('Other machines can reach localhost, which is 192.0.2.1 on this machine')
    },
  )

  it('serves it with --insecure, and says so loudly', async () => {
    await using core = new CommandProcess([
      'core',
      '--data',
      join(folder, 'insecure'),
      '--bind',
      'tcp://0.0.0.0:0',
      '--threads',
      '1',
      '--insecure',
    ])
    const { port } = new URL((await core.readLine()).slice('ready '.length))
    using client = new CoreClient(`tcp://127.0.0.1:${port}`)
    await client.methods.getAllAddrs(undefined)
    // What is logged behind it shows that there is no second one.
    await core.untilLogged(/core answers/)
    expect(core.stderr.match(/"level":40.*INSECURE/g)).toHaveLength(1)
  })

  it('makes an ipc socket that is its owner’s alone, and serves a REQ peer that knows of nothing', async () => {
    const run = join(folder, 'run')
    await mkdir(run, { mode: 0o700 })
    const endpoint = `ipc://${join(run, 'core.sock')}`
    await using core = new CommandProcess(['core', '--data', join(folder, 'ipc'), '--bind', endpoint, '--threads', '1'])
    expect(await core.readLine()).toBe(`ready ${endpoint}`)
    const status = await stat(join(run, 'core.sock'))
    expect([status.isSocket(), status.mode & 0o777]).toEqual([true, 0o600])
    const peer = new Request({ linger: 0 })
    peer.connect(endpoint)
    await peer.send(encodeRequest('GetAllAddrs', 'x', undefined))
    expect(String(await peer.receive())).toContain('"addresses":[]')
    peer.close()

    const other = await start('--bind', endpoint)
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('is served by another process') })
    expect((await core.kill('SIGKILL')).stderr).not.toContain('not safe')
    // What a dead process has left behind is replaced.
    await using successor = new CommandProcess([
      'core',
      '--data',
      join(folder, 'ipc'),
      '--bind',
      endpoint,
      '--threads',
      '1',
    ])
    expect(await successor.readLine()).toBe(`ready ${endpoint}`)
  })

  it('refuses a folder in which others could replace the socket, and a file that is no socket', async () => {
    const open = join(folder, 'open')
    await mkdir(open)
    await chmod(open, 0o777)
    const own = join(open, 'own')
    await mkdir(own, { mode: 0o700 })
    const [link, wayBack] = [join(folder, 'link'), join(open, 'back')]
    await symlink(own, link)
    const safe = join(folder, 'safe')
    await mkdir(safe, { mode: 0o700 })
    await symlink(safe, wayBack)
    const file = join(folder, 'precious')
    await writeFile(file, 'precious')
    // A folder of ours below one that others can write to can be renamed, and so can a link in it.
    for (const each of [own, link, wayBack]) {
      expect(await start('--bind', `ipc://${join(each, 'core.sock')}`), each).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`other users can write to ${open}, and replace the socket`),
      })
    }
    const [unsafe, taken] = await Promise.all([
      start('--bind', `ipc://${join(open, 'core.sock')}`),
      start('--bind', `ipc://${file}`),
    ])
    expect(unsafe).toMatchObject({ code: 1, stderr: expect.stringContaining('replace the socket (chmod go-w)') })
    expect(taken).toMatchObject({ code: 1, stderr: expect.stringContaining('is no socket: it is not replaced') })
    expect(await readFile(file, 'utf8')).toBe('precious')
  })
})

describe('admission', () => {
  it('refuses at once what goes beyond the limits that the operator set', async () => {
    const args = ['--max-in-flight', '4', '--max-in-flight-per-peer', '3', '--max-queue', '2', '--threads', '1']
    await using core = new CommandProcess([
      'core',
      '--data',
      join(folder, 'limits'),
      '--bind',
      'tcp://127.0.0.1:0',
      ...args,
    ])
    const endpoint = (await core.readLine()).slice('ready '.length)
    const peer = new Dealer({ linger: 0 })
    peer.connect(endpoint)
    const frame = (id: string, byte: number) =>
      encodeRequest('UpdateDeltas', id, {
        deltas: [{ address: new Uint8Array(32).fill(byte), key: 0, data: new Uint8Array(10) }],
      })
    const send = async (...frames: Uint8Array[]): Promise<string[]> => {
      await peer.send(['', ...frames])
      return (await peer.receive()).slice(1).map(String)
    }
    const refused = (replies: string[], text: string) => replies.filter((each) => each.includes(text)).length

    // Frames of one message begin in the same moment.
    const within = await send(frame('a', 1), frame('b', 1), frame('c', 2))
    expect(within.join()).not.toContain('Busy')
    const queue = await send(frame('a', 1), frame('b', 1), frame('c', 1))
    expect(refused(queue, 'Busy: too many requests waiting for this contract, at most 2')).toBe(1)
    expect(queue[2]).toContain('"id":"c"')
    const crowd = await send(frame('a', 1), frame('b', 2), frame('c', 3), frame('d', 4))
    expect(refused(crowd, 'Busy: too many requests of this peer under way, at most 3')).toBe(4)
    expect(crowd.map((reply) => (JSON.parse(reply) as { id: string }).id)).toEqual(['a', 'b', 'c', 'd'])
    peer.close()
  })
})

describe('a client', () => {
  it('keeps no process from ending when its endpoint is none', async () => {
    const script = `
      import { CoreClient } from '@bletchley/client'
      try {
        new CoreClient('nonsense')
      } catch (error) {
        console.log(error.name)
      }`
    const args = ['--input-type=module', '--eval', script]
    const { stdout } = await execute(process.execPath, args, { cwd: import.meta.dirname, timeout: 120_000 })
    expect(stdout).toBe('TypeError\n')
  })
})
