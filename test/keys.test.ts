import { execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { cp, mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '@bletchley/bytes'
import { randomBytes } from '@bletchley/crypto'
import { openSealingKey, writeSealed } from '@bletchley/crypto/key-file'
import { CommandProcess, runCommand, startCoreProcess, temporaryFolder } from '@bletchley/testkit'
import { describe, expect, it } from 'vitest'

// The keys of a data folder, looked after with the command as operators do.

const command = fileURLToPath(new URL('../packages/cli/bin/bletchley.js', import.meta.url))

async function runJson(...args: string[]): Promise<Record<string, unknown>> {
  const end = await runCommand(['keys', ...args, '--json'])
  return { code: end.code, stderr: end.stderr, ...(end.stdout === '' ? {} : (JSON.parse(end.stdout) as object)) }
}

async function secretFile(folder: string, text: string): Promise<string> {
  const path = join(folder, bytesToHex(randomBytes(4)))
  await writeFile(path, `${text}\n`, { mode: 0o600 })
  return path
}

async function signingAddress(data: string, ...args: string[]): Promise<string> {
  await using core = await startCoreProcess({ dataFolder: data, args: ['--threads', '1', ...args] })
  return bytesToHex((await core.client.methods.getRegistrationParams(undefined)).signingKey)
}

/** Answers the questions of a command on a terminal of its own, and returns all that was to be seen there. */
async function onTerminal(
  args: readonly string[],
  answers: readonly string[],
): Promise<{ code: number; shown: string }> {
  const script = `
import os, pty, sys
answers = sys.argv[1].split('\\n') if sys.argv[1] else []
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])
shown = b''
asked = 0
while True:
    try:
        some = os.read(terminal, 4096)
    except OSError:
        break
    if not some:
        break
    shown += some
    if shown.count(b': ') > asked and shown.endswith(b': ') and answers:
        asked = shown.count(b': ')
        os.write(terminal, answers.pop(0).encode() + b'\\r')
print(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`
  const child = spawn('python3', ['-c', script, answers.join('\n'), process.execPath, command, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let shown = ''
  child.stdout.on('data', (text: Buffer) => {
    shown += text.toString()
  })
  const code = await new Promise<number>((resolve) => child.on('close', (ended) => resolve(ended ?? -1)))
  return { code, shown }
}

describe('a data folder that is locked with a passphrase', () => {
  it('opens with it alone, gets another one, and keeps its identity', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    const [first, second] = [
      await secretFile(folder.path, 'the first passphrase'),
      await secretFile(folder.path, 'the second passphrase'),
    ]
    const address = await signingAddress(data, '--passphrase-file', first)
    const before = await readFile(join(data, 'sealing.key'))
    for (const [args, reason] of [
      [[], /is locked with a passphrase; give it with --passphrase-file/],
      [['--passphrase-file', second], /The passphrase does not open .*sealing\.key/],
      [['--passphrase-file', join(folder.path, 'none')], /There is no passphrase file/],
      [['--sealing-command', 'printf 00'], /locked with a passphrase, not with a command/],
    ] as const) {
      const end = await runCommand(['core', '--bind', 'tcp://127.0.0.1:0', '--data', data, ...args])
      expect([end.code, end.stdout], args.join(' ')).toEqual([1, ''])
      expect(end.stderr).toMatch(reason)
    }
    expect(await readFile(join(data, 'sealing.key'))).toEqual(before)
    expect(await runJson('status', '--data', data)).toMatchObject({
      opens: 'not tried',
      lock: expect.stringMatching(/^passphrase/),
    })

    const relocked = await runJson(
      'relock',
      '--data',
      data,
      '--passphrase-file',
      first,
      '--new-passphrase-file',
      second,
    )
    expect(relocked).toMatchObject({ code: 0, status: 'relocked' })
    expect(await runJson('status', '--data', data, '--passphrase-file', first)).toMatchObject({ code: 1 })
    const rotated = await runJson('rotate', '--data', data, '--passphrase-file', second)
    expect(rotated).toMatchObject({ code: 0, resealed: 1 })
    const status = await runJson('status', '--data', data, '--passphrase-file', second)
    expect(status).toMatchObject({ code: 0, opens: true, of: 'a worker', address, stateKeys: 0, oldIdentities: [] })
    expect(await signingAddress(data, '--passphrase-file', second)).toBe(address)
  })

  it('asks for it on a terminal, where it is not shown', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    const address = await signingAddress(data)
    const typed = 'typed and never shown'
    const relock = ['keys', 'relock', '--data', data]
    const differing = await onTerminal(relock, [typed, 'typed otherwise'])
    expect([differing.code, differing.shown]).toEqual([1, expect.stringContaining('The two passphrases differ')])
    const relocked = await onTerminal(relock, [typed, typed])
    expect([relocked.code, relocked.shown]).toEqual([0, expect.stringContaining('relocked')])
    const wrong = await onTerminal(['keys', 'status', '--data', data], ['not that one'])
    expect([wrong.code, wrong.shown]).toEqual([1, expect.stringContaining('The passphrase does not open')])
    const status = await onTerminal(['keys', 'status', '--data', data], [typed])
    expect([status.code, status.shown]).toEqual([0, expect.stringContaining(address)])
    for (const { shown } of [differing, relocked, wrong, status])
      expect(shown).not.toMatch(/typed (and|otherwise)|that one/)
  })
})

describe('a passphrase file', () => {
  it('of bytes that are no text is refused, and locks nothing', async () => {
    await using folder = await temporaryFolder()
    const [data, file] = [join(folder.path, 'data'), join(folder.path, 'bytes')]
    for (const bytes of [Buffer.alloc(32, 0x80), Buffer.from('ein Passwort mit \u00fc', 'latin1')]) {
      await writeFile(file, bytes, { mode: 0o600 })
      const { code, stderr } = await runCommand(['core', '--data', data, '--passphrase-file', file])
      expect([code, stderr]).toEqual([1, expect.stringContaining('is not text in UTF-8')])
      expect(existsSync(join(data, 'sealing.key'))).toBe(false)
    }
  })
})

describe('a data folder that is locked with a command', () => {
  it('opens when the command gives the key', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    const blob = await secretFile(folder.path, Buffer.alloc(32, 0x33).toString('base64'))
    const lock = ['--sealing-command', `cat '${blob}'`]
    const address = await signingAddress(data, ...lock)
    expect(await signingAddress(data, ...lock)).toBe(address)
    await rm(blob)
    const end = await runCommand(['core', '--data', data, ...lock])
    expect(end.code).toBe(1)
    expect(end.stderr).toContain('The sealing command ended with exit code 1')
  })
})

describe('keys rotate', () => {
  it('leaves a folder that opens, however often it is killed', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    const key = await openSealingKey(data)
    const count = 300
    for (let i = 0; i < count; i++) {
      const address = i.toString(16).padStart(64, '0')
      await writeSealed(
        join(data, 'state-keys', `${address}.sealed`),
        key,
        `state key of contract ${address}`,
        randomBytes(32),
      )
    }
    let kills = 0
    // A kill that comes too late on a busy machine is tried again.
    for (let round = 0; round < 4 || kills === 0; round++) {
      await using rotation = new CommandProcess(['keys', 'rotate', '--data', data])
      const before = await readFile(join(data, 'sealing.key'), 'utf8')
      // Not before it has begun: then the key file is another.
      while (rotation.running && (await readFile(join(data, 'sealing.key'), 'utf8')) === before) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      for (let turn = 0; turn < (round % 4) * 60; turn++) await new Promise((resolve) => setImmediate(resolve))
      if (rotation.running) kills++
      await rotation.kill('SIGKILL')
      const status = await runJson('status', '--data', data)
      expect(status).toMatchObject({ code: 0, opens: true, stateKeys: count })
    }
    expect(await runJson('rotate', '--data', data)).toMatchObject({ code: 0, resealed: count })
    expect(await runJson('status', '--data', data)).not.toHaveProperty('rotation')
    const left = (await readdir(data, { recursive: true })).filter((name) => name.endsWith('.tmp'))
    // What a kill leaves behind is a file that nothing reads.
    expect(left.length).toBeLessThanOrEqual(16 * kills)
  })

  it.skipIf(process.platform === 'win32')('waits for no new lock, and is not undone by one', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    const address = await signingAddress(data)
    const pipe = join(folder.path, 'pipe')
    execFileSync('mkfifo', ['-m', '600', pipe])
    await using relock = new CommandProcess(['keys', 'relock', '--data', data, '--new-passphrase-file', pipe])
    // Opens when the command does: it has read the key by then.
    await using passphrase = await open(pipe, 'w')
    for (const others of [['rotate'], ['relock', '--unlocked']]) {
      const stderr = expect.stringContaining(`is being rewritten by process ${relock.pid} (bletchley keys relock)`)
      expect(await runJson(...others, '--data', data), others[0]).toMatchObject({ code: 1, stderr })
    }
    // Beside a core, too: that only reads the key.
    expect(await signingAddress(data)).toBe(address)
    await passphrase.writeFile('correct horse battery staple\n')
    await passphrase.close()
    expect(await relock.ended()).toMatchObject({ code: 0 })
    const lock = ['--passphrase-file', await secretFile(folder.path, 'correct horse battery staple')]
    expect(await runJson('rotate', '--data', data, ...lock)).toMatchObject({ code: 0, resealed: 1 })
    expect(await runJson('status', '--data', data, ...lock)).toMatchObject({ opens: true, address })
  })

  it.skipIf(process.platform === 'win32')(
    'goes on when a command that gave the key a new lock was killed',
    async () => {
      await using folder = await temporaryFolder()
      const data = join(folder.path, 'data')
      await openSealingKey(data)
      const pipe = join(folder.path, 'pipe')
      execFileSync('mkfifo', ['-m', '600', pipe])
      await using relock = new CommandProcess(['keys', 'relock', '--data', data, '--new-passphrase-file', pipe])
      await using _passphrase = await open(pipe, 'w')
      await relock.kill('SIGKILL')
      expect(await runJson('rotate', '--data', data)).toMatchObject({ code: 0, status: 'rotated' })
    },
  )

  it.skipIf(process.platform === 'win32')('does not come between a new identity and the key that it read', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    const text = 'correct horse battery staple'
    const lock = ['--passphrase-file', await secretFile(folder.path, text)]
    await signingAddress(data, ...lock)
    const pipe = join(folder.path, 'pipe')
    execFileSync('mkfifo', ['-m', '600', pipe])
    const args = ['keys', 'new-identity', '--yes', '--data', data, '--passphrase-file', pipe]
    await using replacing = new CommandProcess(args)
    await using passphrase = await open(pipe, 'w')
    const stderr = expect.stringContaining(`process ${replacing.pid} (bletchley keys new-identity)`)
    expect(await runJson('rotate', '--data', data, ...lock)).toMatchObject({ code: 1, stderr })
    await passphrase.writeFile(`${text}\n`)
    await passphrase.close()
    expect(await replacing.ended()).toMatchObject({ code: 0 })
    expect(await runJson('status', '--data', data, ...lock)).toMatchObject({ opens: true })
  })
})

describe('keys new-identity', () => {
  it('says what it means, and keeps the old key aside', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    const address = await signingAddress(data)
    const asked = await runJson('new-identity', '--data', data)
    expect(asked).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/NEW IDENTITY OF A WORKER(.|\n)*Nothing was changed/),
    })
    expect(await signingAddress(data)).toBe(address)
    const replaced = await runJson('new-identity', '--data', data, '--yes')
    expect(replaced).toMatchObject({ code: 0, before: address })
    expect(await signingAddress(data)).toBe(replaced.address)
    const status = await runJson('status', '--data', data)
    expect(status).toMatchObject({ address: replaced.address, oldIdentities: [address] })
    expect(await runJson('rotate', '--data', data)).toMatchObject({ resealed: 2 })
    await cp(join(data, 'old-signing-keys', `${address}.sealed`), join(data, 'signing-key.sealed'))
    expect(await signingAddress(data)).toBe(address)
  })
})

describe('keys backup and restore', () => {
  it('bring the keys of a principal to another place', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    await using principal = new CommandProcess(['principal', '--port', '0', '--data', data])
    const [, , address] = (await principal.readLine()).split(' ')
    const passphrase = ['--backup-passphrase-file', await secretFile(folder.path, 'passphrase of the backup')]
    const file = join(folder.path, 'keys.backup')
    expect(await runJson('backup', file, '--data', data, ...passphrase)).toMatchObject({ code: 0, keys: 1 })
    expect(await runJson('backup', file, '--data', data, ...passphrase)).toMatchObject({ code: 1 })
    await principal.kill('SIGTERM')
    const restore = (to: string, ...args: string[]) => runJson('restore', file, '--data', to, ...args)
    expect(await restore(data, ...passphrase)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('overwritten'),
    })
    const wrong = ['--backup-passphrase-file', await secretFile(folder.path, 'not the passphrase')]
    const elsewhere = join(folder.path, 'elsewhere')
    expect(await restore(elsewhere, ...wrong)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('does not open'),
    })
    const lock = ['--passphrase-file', await secretFile(folder.path, 'passphrase of the new place')]
    expect(await restore(elsewhere, ...passphrase, ...lock)).toMatchObject({ code: 0, keys: 1 })
    await using restored = new CommandProcess(['principal', '--port', '0', '--data', elsewhere, ...lock])
    expect((await restored.readLine()).split(' ')[2]).toBe(address)
  })

  it('needs a passphrase from somewhere, and one lock', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    await mkdir(data)
    expect(await runJson('status', '--data', data)).toMatchObject({ code: 1 })
    expect(await runJson('backup', join(folder.path, 'b'), '--data', data)).toMatchObject({ code: 2 })
    const both = ['--passphrase-file', 'a', '--sealing-command', 'b']
    expect(await runJson('status', '--data', data, ...both)).toMatchObject({ code: 2 })
    expect(await readdir(folder.path)).toEqual(['data'])
  })
})
