import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, chmod, cp, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { randomBytes } from '@bletchley/crypto'
import { CommandProcess, runCommand, startCoreProcess, temporaryFolder } from '@bletchley/testkit'
import { describe, expect, it } from 'vitest'

// What others do to a core's data folder, and beside it, while it runs.

const run = promisify(execFile)
const command = fileURLToPath(new URL('../packages/cli/bin/bletchley.js', import.meta.url))
const http = ['--http', '127.0.0.1:0']

async function startObserved(args: readonly string[] = []) {
  const core = await startCoreProcess({ args: [...http, ...args] })
  const url = (await core.process.readLine()).replace('http ', '')
  const reasons = async () =>
    ((await (await fetch(`${url}/readyz`)).json()) as { reasons: string[] }).reasons.join('; ')
  const metrics = async () => (await fetch(`${url}/metrics`)).text()
  const write = () => {
    const deltas = [{ address: new Uint8Array(32).fill(1), key: 0, data: randomBytes(100) }]
    return core.client.methods.updateDeltas({ deltas })
  }
  return Object.assign(core, { reasons, metrics, write })
}

describe('a core whose data folder', () => {
  it.each([
    ['is removed', (folder: string) => rm(folder, { recursive: true }), /data\.mdb was removed/],
    ['is renamed', (folder: string) => rename(folder, `${folder}.old`), /data\.mdb was removed/],
    ['gets another database', (folder: string) => replace(join(folder, 'store', 'data.mdb')), /data\.mdb was replaced/],
  ])('%s says so, and acknowledges no write', async (_, change, problem) => {
    await using base = await temporaryFolder()
    const dataFolder = join(base.path, 'data')
    await using core = await startObserved(['--data', dataFolder])
    await core.write()
    await change(dataFolder)
    await expect.poll(core.reasons).toMatch(problem)
    await expect(core.write()).rejects.toMatchObject({ code: 'store_failed' })
    expect(core.process.stderr).toMatch(problem)
    expect(core.process.stderr).toContain('what this core does would be lost at its next start')
  })

  it.each([
    ['lock', /lock was removed or replaced/],
    ['signing-key.sealed', /signing-key\.sealed was removed/],
    ['sealing.key', /sealing\.key was removed/],
  ])('loses its %s acknowledges no write until it is back', async (name, problem) => {
    await using core = await startObserved()
    const file = join(core.dataFolder, name)
    await rename(file, `${file}.old`)
    await expect.poll(core.reasons).toMatch(problem)
    await expect(core.write()).rejects.toMatchObject({ code: 'store_failed' })
    await rename(`${file}.old`, file)
    await expect.poll(core.reasons).toBe('')
    await core.write()
  })

  it.each(['sealing.key', 'signing-key.sealed', 'curve.key'])(
    'has another %s is not ready, and acknowledges no write that needs it',
    async (name) => {
      await using base = await temporaryFolder()
      const dataFolder = join(base.path, 'data')
      await runCommand(['keys', 'curve', '--data', dataFolder])
      const clients = join(base.path, 'clients')
      const client = await runCommand(['keys', 'curve', '--client', '--curve-key', join(base.path, 'client.key')])
      await writeFile(clients, /^[!-~]{40}$/m.exec(client.stdout.replaceAll(' ', '\n'))![0])
      await using core = await startObserved([
        '--data',
        dataFolder,
        ...(name === 'curve.key' ? ['--clients', clients] : []),
      ])
      const file = join(dataFolder, name)
      const content = await readFile(file)
      await writeFile(file, Buffer.from(content).fill(0x30))
      await expect.poll(core.reasons).toBe(`${file} was replaced or changed`)
      if (name !== 'curve.key') await expect(core.write()).rejects.toMatchObject({ code: 'store_failed' })
      await writeFile(file, content)
      await expect.poll(core.reasons).toBe('')
    },
  )

  it('gets another lock for its sealing key goes on', async () => {
    await using base = await temporaryFolder()
    const passphrase = join(base.path, 'passphrase')
    await writeFile(passphrase, 'correct horse battery staple', { mode: 0o600 })
    await using core = await startObserved()
    const relock = ['keys', 'relock', '--data', core.dataFolder]
    for (const lock of [
      ['--new-passphrase-file', passphrase],
      ['--passphrase-file', passphrase, '--unlocked'],
    ]) {
      expect(await runCommand([...relock, ...lock])).toMatchObject({ code: 0 })
      // So that it is known to have looked.
      await rename(join(core.dataFolder, 'lock'), join(core.dataFolder, 'away'))
      await expect.poll(core.reasons).toMatch(/lock was removed/)
      await rename(join(core.dataFolder, 'away'), join(core.dataFolder, 'lock'))
      await expect.poll(core.reasons).toBe('')
      await core.write()
    }
  })

  it.skipIf(process.platform === 'win32')('has a socket whose file is removed is not ready', async () => {
    await using base = await temporaryFolder()
    const socket = join(base.path, 'socket')
    await using core = await startCoreProcess({ args: ['--bind', `ipc://${socket}`, ...http] })
    await core.process.readLine()
    const url = (await core.process.readLine()).replace('http ', '')
    const ready = async () => (await (await fetch(`${url}/readyz`)).json()) as { reasons: string[] }
    await rm(socket)
    await expect
      .poll(async () => (await ready()).reasons)
      .toEqual([`the file of ipc://${socket} was removed: nobody can connect to it`])
    expect(core.process.stderr).toContain('peers cannot connect')
  })
})

describe('the files of a core', () => {
  it.skipIf(process.platform === 'win32')('are its owner’s alone, and a folder that is not is told of', async () => {
    await using base = await temporaryFolder()
    const dataFolder = join(base.path, 'data')
    await mkdir(dataFolder)
    await chmod(dataFolder, 0o755)
    await using core = await startObserved(['--data', dataFolder])
    await core.write()
    expect(core.process.stderr).toContain('"mode":"755"')
    expect(core.process.stderr).toContain('the data folder is open to other users')
    expect((await stat(join(dataFolder, 'store'))).mode & 0o777).toBe(0o700)
    const files = (await readdir(dataFolder, { withFileTypes: true, recursive: true })).filter((each) => each.isFile())
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(['data.mdb', 'lock.mdb', 'lock']))
    const backup = join(base.path, 'backup')
    expect(await runCommand(['backup', backup, '--data', dataFolder])).toMatchObject({ code: 0 })
    const copied = (await readdir(backup, { withFileTypes: true, recursive: true })).filter((each) => each.isFile())
    for (const { parentPath, name } of [...files, ...copied]) {
      expect((await stat(join(parentPath, name))).mode & 0o777, name).toBe(0o600)
    }
  })

  it.skipIf(process.platform === 'win32')('are for its owner whatever the umask is', async () => {
    await using base = await temporaryFolder()
    const umask = '0777'
    const data = join(base.path, 'above', 'data')
    await using core = await startCoreProcess({ dataFolder: data, umask, args: ['--threads', '1'] })
    for (const args of [
      ['keys', 'curve', '--data', data],
      ['keys', 'relock', '--data', data, '--new-sealing-command', `printf ${'11'.repeat(32)}`],
      ['backup', join(base.path, 'backup'), '--data', data],
      ['export', join(base.path, 'export'), '--data', data],
    ]) {
      expect(await runCommand(args, { umask }), args.join(' ')).toMatchObject({ code: 0 })
    }
    await core.process.kill('SIGTERM')
    await using principal = new CommandProcess(['principal', '--port', '0', '--data', join(base.path, 'principal')], {
      umask,
    })
    await principal.readLine()
    const made = await readdir(base.path, { withFileTypes: true, recursive: true })
    expect(made.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['data.mdb', 'curve.key', 'export', 'audit.jsonl']),
    )
    for (const each of made) {
      const { mode } = await stat(join(each.parentPath, each.name))
      expect(mode & 0o777, join(each.parentPath, each.name)).toBe(each.isDirectory() ? 0o700 : 0o600)
    }
  })

  it.skipIf(process.platform === 'win32')(
    'take no right from others that the umask leaves them, and give none',
    async () => {
      await using base = await temporaryFolder()
      const folder = join(base.path, 'contract')
      for (const [umask, mode] of [
        ['0027', 0o750],
        ['0777', 0o700],
      ] as const) {
        const end = await runCommand(['contract', 'new', join(folder, umask)], { umask })
        expect(end, end.stderr).toMatchObject({ code: 0 })
        expect((await stat(join(folder, umask))).mode & 0o777).toBe(mode)
      }
    },
  )

  it('that it may not make are told of, by the doctor as well', async () => {
    await using base = await temporaryFolder()
    const limited = { fileSizeLimit: 8 }
    const data = ['--data', join(base.path, 'data'), '--bind', 'tcp://127.0.0.1:0']
    const { code, stderr } = await runCommand(['core', ...data], limited)
    expect([code, stderr]).toEqual([1, expect.stringContaining('as a database needs (EFBIG)')])
    const doctor = await runCommand(['doctor', ...data, '--json'], limited)
    const { checks } = JSON.parse(doctor.stdout) as { checks: { name: string; status: string }[] }
    const problems = checks.flatMap(({ name, status }) => (status === 'problem' ? [name] : []))
    expect(problems).toContain('lmdb')
    if (process.platform === 'linux') expect(problems).toContain('file size')
  })
})

async function replace(file: string): Promise<void> {
  await cp(file, `${file}.copy`)
  await rename(`${file}.copy`, file)
}

/** Runs a command that may read the data folder, and write nothing in it. */
async function readOnly(args: readonly string[]): Promise<{ code: number; stderr: string }> {
  const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}
  return run(process.execPath, [command, ...args], nobody).then(
    ({ stderr }) => ({ code: 0, stderr }),
    ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
  )
}

describe.skipIf(process.platform === 'win32')('whoever reads and cannot be seen by a core', () => {
  it('is refused while it runs or that cannot be told, and reads when it does not', async (context) => {
    await using base = await temporaryFolder()
    const dataFolder = join(base.path, 'data')
    const core = await startObserved(['--data', dataFolder])
    try {
      await core.write()
      await chmod(base.path, 0o777)
      for (const path of [dataFolder, join(dataFolder, 'store')]) await chmod(path, 0o755)
      for (const name of ['store/data.mdb', 'store/lock.mdb']) await chmod(join(dataFolder, name), 0o444)
      // Another user may not even be allowed to read the program.
      if ((await readOnly(['--version'])).code !== 0) return context.skip()
      const reading = [
        ['verify', '--data', dataFolder],
        ['backup', join(base.path, 'backup'), '--data', dataFolder],
        ['export', join(base.path, 'export'), '--data', dataFolder],
      ]
      await chmod(join(dataFolder, 'lock'), 0o444)
      for (const args of reading) {
        const { code, stderr } = await readOnly(args)
        expect([code, stderr], args[0]).toEqual([1, expect.stringContaining('in use by process')])
        expect(stderr, args[0]).toContain('could not see what is being read')
      }
      await core.process.kill('SIGTERM')
      expect(await readOnly(reading[0]!)).toMatchObject({ code: 0 })
      if (process.getuid?.() === 0) {
        await chmod(join(dataFolder, 'lock'), 0o600)
        expect((await readOnly(reading[0]!)).stderr).toContain('whether a core runs cannot be told')
      }
    } finally {
      await core[Symbol.asyncDispose]()
    }
  })
})

it('how long somebody reads has a metric, and one who was killed does not count', async () => {
  await using core = await startObserved()
  await core.write()
  const seconds = async () => {
    const [, value] = /^bletchley_store_oldest_reader_seconds (\S+)$/m.exec(await core.metrics()) ?? []
    return Number(value)
  }
  await expect.poll(seconds).toBe(0)
  const script = `
    import lmdb from ${JSON.stringify(pathToFileURL(createRequire(import.meta.url).resolve('lmdb')).href)}
    const database = lmdb.open({ path: process.argv[1], readOnly: true, noSubdir: false, keyEncoding: 'binary' })
    const transaction = database.useReadTransaction()
    for (const _ of database.getKeys({ transaction, limit: 1, start: Buffer.of(1) })) console.log('reading')
    setInterval(() => transaction, 1000)`
  const args = ['--input-type=module', '-e', script, join(core.dataFolder, 'store')]
  const reader = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(reader, 'exit')
  try {
    await once(reader.stdout, 'data')
    await expect.poll(seconds).toBeGreaterThan(1)
  } finally {
    reader.kill('SIGKILL')
  }
  await ended
  await expect.poll(seconds).toBe(0)
})

it('the same folder is read beside its core by who can be seen', async () => {
  await using core = await startObserved()
  await core.write()
  await access(join(core.dataFolder, 'store', 'lock.mdb'))
  expect(await runCommand(['verify', '--data', core.dataFolder])).toMatchObject({ code: 0 })
})
