import { mkdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { CoreClient, computeFunction, deployContract } from '@bletchley/client'
import { randomBytes } from '@bletchley/crypto'
import { isWorkerError } from '@bletchley/protocol'
import { CommandProcess, runCommand, startCoreProcess, TestPrincipal, temporaryFolder } from '@bletchley/testkit'
import { describe, expect, it } from 'vitest'
import { assemble } from './hostile/scripted.ts'
import { inTime } from './inTime.ts'

// What the machine around a service does to it: signals, a log that nobody reads, folders that go away, descriptors that
// run out, connections that die.

describe('signals', () => {
  it.each(['core', 'principal', 'dev'])(
    '%s opens no debugger and goes on; SIGQUIT is an orderly stop',
    async (name) => {
      await using folder = await temporaryFolder()
      const port = name === 'core' ? [] : [name === 'dev' ? '--principal-port' : '--port', '0']
      const bind = name === 'principal' ? [] : ['--bind', `ipc://${folder.path}/socket`]
      await using service = new CommandProcess([name, '--data', folder.path, ...port, ...bind])
      await service.readLine()
      service.signal('SIGUSR1')
      service.signal('SIGUSR2')
      // The line that a reload leaves comes behind them.
      service.signal('SIGHUP')
      await service.untilLogged(/SIGHUP/)
      const { code, stderr } = await service.kill('SIGQUIT')
      expect(code).toBe(0)
      expect(stderr).toContain('SIGQUIT')
      expect(stderr).not.toContain('Debugger')
    },
  )
})

describe('a log that nobody reads', () => {
  it('keeps no request waiting, is read on later, and does not keep the process', async () => {
    await using core = await startCoreProcess({ args: ['--log-level', 'debug', '--http', '127.0.0.1:0'] })
    const url = /^http (\S+)$/.exec(await core.process.readLine())![1]!
    const dropped = async (): Promise<number> => {
      const metrics = await (await fetch(`${url}/metrics`)).text()
      return Number(/^bletchley_log_lines_dropped_total (\d+)$/m.exec(metrics)![1])
    }
    const askUntilLinesAreDropped = async (): Promise<void> => {
      for (const before = await dropped(); (await dropped()) === before; ) {
        await Promise.all(Array.from({ length: 1000 }, () => core.client.methods.getAllAddrs(undefined)))
      }
    }
    expect(await dropped()).toBe(0)
    core.process.pauseErrors()
    await askUntilLinesAreDropped()

    core.process.resumeErrors()
    await core.process.untilLogged(/"droppedLines":\d+,"msg":"lines of the log were dropped/)
    const offset = core.process.stderr.length
    await core.client.methods.getAllAddrs(undefined)
    await core.process.untilLogged(/message answered/, offset)

    core.process.pauseErrors()
    await askUntilLinesAreDropped()
    core.process.signal('SIGTERM')
    expect(await core.process.exitCode()).toBe(0)
  })
})

describe('a working directory that is removed', () => {
  it('is not missed: a lost thread is replaced, and the next task is computed', async () => {
    await using folder = await temporaryFolder()
    const release = join(folder.path, 'release')
    await mkdir(release)
    await using core = await startCoreProcess({
      args: ['--threads', '1', '--run-limit', '2000'],
      dataFolder: join(folder.path, 'data'),
      cwd: release,
    })
    const address = randomBytes(32)
    const loop = assemble('(module (func (export "call") (loop (br 0))))')
    await core.client.methods.updateNewContract({ address, bytecode: loop })
    await new TestPrincipal().installKeys(core.client, [address])
    const call = { contractAddress: address, callable: 'f()', args: [] }
    const computes = () => computeFunction(core.client, { ...call, gasLimit: 50_000n })
    // The thread has started, and will be lost.
    expect(await inTime(computes)).toMatchObject({ kind: 'failed' })
    await rmdir(release)
    const tookTooLong = { code: 'task_aborted', data: { reason: 'took too long' } }
    await expect(computeFunction(core.client, { ...call, gasLimit: 2n ** 64n - 1n })).rejects.toMatchObject(tookTooLong)
    // On a busy machine the clock may end this one as well; where no thread starts, there is another reason.
    let end: unknown
    do {
      end = await computes().catch((error: unknown) => error)
      if (end instanceof Error) expect(end).toMatchObject(tookTooLong)
    } while (end instanceof Error)
    expect(end).toMatchObject({ kind: 'failed' })
  })
})

describe('connections that use up the limit of open files', () => {
  /** What is under way when a connection is ended comes again. */
  async function ask(client: CoreClient): Promise<void> {
    for (;;) {
      try {
        await client.methods.getAllAddrs(undefined)
        return
      } catch (error) {
        if (!isWorkerError(error) || error.code !== 'disconnected') throw error
      }
    }
  }

  it('are ended, which the log tells in few lines, and whoever is of use is served', async () => {
    await using core = await startCoreProcess({ args: ['--threads', '1', '--log-level', 'warn'], openFileLimit: 90 })
    const port = Number(new URL(core.endpoint).port)
    await ask(core.client)
    const idle = Array.from({ length: 150 }, () => connect(port, '127.0.0.1').on('error', () => {}))
    await core.process.untilLogged(/the limit of open files allows no more connections/)
    await ask(core.client)
    for (const each of idle) each.destroy()
    using later = new CoreClient(core.endpoint)
    await ask(later)
    // Where the system lets those that waited come again, they may be too many once more.
    expect(core.process.stderr.match(/the limit of open files/g)!.length).toBeLessThan(10)
  })

  const open = (port: number, count: number): Socket[] =>
    Array.from({ length: count }, () => connect(port, '127.0.0.1').on('error', () => {}))

  it('do not end the core, however fast they come, nor do those of its HTTP door', async () => {
    const args = ['--threads', '1', '--log-level', 'warn', '--http', '127.0.0.1:0']
    await using core = await startCoreProcess({ args, openFileLimit: 90 })
    const { host, port } = new URL(/^http (\S+)$/.exec(await core.process.readLine())![1]!)
    const idle: Socket[] = []
    for (let round = 0; round < 3; round++) {
      // They are answered, so that they are not taken for silent ones.
      const door = open(Number(port), 80)
      for (const each of door) each.write(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      idle.push(...door, ...open(Number(new URL(core.endpoint).port), 300))
      await ask(core.client)
    }
    await core.process.untilLogged(/the limit of open files allows no more connections/)
    for (const each of idle) each.destroy()
    await ask(core.client)
    await core.process.untilLogged(/there are as many HTTP connections as may be/)
    core.process.signal('SIGTERM')
    expect(await core.process.exitCode()).toBe(0)
  })

  it('leave the principal some', async () => {
    await using folder = await temporaryFolder()
    await using principal = new CommandProcess(['principal', '--data', folder.path, '--port', '0'], {
      openFileLimit: 60,
    })
    const { port, href } = new URL((await principal.readLine()).split(' ')[1]!)
    const idle = open(Number(port), 200)
    for (const each of idle) each.write(`GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`)
    expect((await fetch(href)).status).toBe(404)
    await principal.untilLogged(/there are as many HTTP connections as may be/)
    for (const each of idle) each.destroy()
  })
})

// V8 reserves some 10 GB of it for each memory of WebAssembly.
describe.skipIf(process.platform !== 'linux')('too little address space', () => {
  const GB = 1 << 20
  const remedy = 'LimitAS=infinity in the systemd unit, or ulimit -v unlimited; what limits memory itself is MemoryMax='
  const args = (data: string) => ['--data', data, '--threads', '1', '--bind', 'tcp://127.0.0.1:0']

  async function diagnosis(data: string, addressSpaceLimit: number, ...more: string[]) {
    const end = await runCommand(['doctor', '--json', ...args(data), ...more], { addressSpaceLimit })
    const { checks } = JSON.parse(end.stdout) as { checks: { name: string; status: string; found: string }[] }
    return checks
  }

  it('is told of, and nothing else is taken for broken', async () => {
    await using folder = await temporaryFolder()
    // So little that not even what the commands hash with gets any.
    for (const limit of [2, 16]) {
      const checks = await diagnosis(folder.path, limit * GB, '--principal-url', 'http://127.0.0.1:9999')
      const found = `at most ${limit}.0 GB, too little for one thread that runs contracts`
      expect(checks.filter(({ status }) => status === 'problem')).toEqual([
        { name: 'address space', status: 'problem', found, remedy },
      ])
      const seeThere = { name: 'principal', status: 'warning', found: 'not asked', remedy: 'see `address space`' }
      expect(checks).toContainEqual(seeThere)
    }
  })

  it.each([2, 16])('of %d GB keeps nobody from help, nor from what runs no contract', async (limit) => {
    await using folder = await temporaryFolder()
    const config = join(folder.path, 'bletchley.yaml')
    await writeFile(config, `data: ${folder.path}\n`)
    for (const args of [['--version'], ['principal', '--help'], ['dev', '--help']]) {
      const { code, stderr } = await runCommand(args, { addressSpaceLimit: limit * GB })
      expect([code, stderr], args.join(' ')).toEqual([0, ''])
    }
    const status = await runCommand(['keys', 'status', '--config', config], { addressSpaceLimit: limit * GB })
    expect([status.code, status.stderr]).toEqual([1, expect.stringMatching(/^error: There is no sealing key /)])
  })

  it('keeps a core from starting, and what doctor says is needed is enough for tasks', async () => {
    await using folder = await temporaryFolder()
    const [space] = (await diagnosis(folder.path, 500 * GB)).filter(({ name }) => name === 'address space')
    expect(space?.status).toBe('warning')
    const needed = Number(/^at most 500\.0 GB; a core with 1 thread needs (\d+\.\d) GB, /.exec(space!.found)![1])
    for (const limit of [2, 16, Math.floor(needed - 1)]) {
      const end = await runCommand(['core', ...args(folder.path)], { addressSpaceLimit: limit * GB })
      expect([end.code, end.stdout], `${limit} GB`).toEqual([1, ''])
      expect(end.stderr).toMatch(/^error: The address space of this process is too small: at most \d+\.0 GB[,;] /)
      expect(end.stderr).toContain(`Raise the limit: ${remedy}`)
    }
    const dataFolder = join(folder.path, 'data')
    // Beside what is reserved a core takes some for its database and its work.
    const addressSpaceLimit = Math.ceil((needed + 0.5) * GB)
    await using core = await startCoreProcess({ dataFolder, args: ['--threads', '1'], addressSpaceLimit })
    const contractAddress = randomBytes(32)
    await new TestPrincipal().installKeys(core.client, [contractAddress])
    const ledger = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
    const issuer = `0x${'11'.repeat(32)}`
    const task = { contractAddress, gasLimit: 10_000_000n }
    const construct = { ...task, callable: 'construct(bytes32,uint64)', args: [issuer, 0n] }
    expect(await deployContract(core.client, ledger, construct)).toMatchObject({ kind: 'success' })
    const ask = { ...task, callable: 'total_supply()', args: [] }
    for (let round = 0; round < 3; round++) {
      expect(await computeFunction(core.client, ask)).toMatchObject({ kind: 'success' })
    }
    expect(core.process.stderr).not.toContain('failed')
  })
})

describe('addresses of the loopback', () => {
  const all = Object.values(networkInterfaces()).flat()
  const hasIpv6 = all.some((each) => each?.address === '::1')

  it('are served and reached in IPv4, by name and, where the machine has it, in IPv6', async () => {
    const hosts = ['127.0.0.1', 'localhost', ...(hasIpv6 ? ['[::1]'] : [])]
    const binds = hosts.flatMap((host) => ['--bind', `tcp://${host}:0`])
    await using folder = await temporaryFolder()
    await using core = new CommandProcess(['core', '--data', folder.path, ...binds])
    for (const host of hosts) {
      const { hostname, port } = new URL((await core.readLine()).slice('ready '.length))
      expect(host === 'localhost' ? ['127.0.0.1', '[::1]'] : [host]).toContain(hostname)
      using client = new CoreClient(`tcp://${host}:${port}`)
      expect(await client.methods.getAllAddrs(undefined)).toEqual({ addresses: [] })
    }
  })
})
