import { appendFile, cp, link, mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesToHex } from '@bletchley/bytes'
import { startCore } from '@bletchley/core'
import { workerKeyPurposes } from '@bletchley/core/signing-key'
import { randomBytes } from '@bletchley/crypto'
import { rotateSealingKey } from '@bletchley/crypto/key-file'
import { startPrincipal } from '@bletchley/principal'
import { temporaryFolder } from '@bletchley/testkit'
import { pino } from 'pino'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { json, run } from '../../test/run.ts'
import { atTerminal } from '../../test/standardStreams.ts'

const typed = 'a passphrase of some length\n'
const logger = pino({ enabled: false })

let base: Awaited<ReturnType<typeof temporaryFolder>>
/** Data folders of a worker and a principal, which tests do things to copies of. */
let worker: { data: string; address: string }
let principal: { data: string; address: string }
/** A copy for this test. */
let data: string
let copies = 0
let passphrase: string

beforeAll(async () => {
  base = await temporaryFolder()
  const [workerData, principalData] = ['worker', 'principal'].map((name) => join(base.path, name))
  const core = await startCore({
    ...{ endpoints: ['tcp://127.0.0.1:0'], dataFolder: workerData!, dialect: 'document', threads: 1, logger },
  })
  await core.close()
  const started = await startPrincipal({ dataFolder: principalData!, port: 0, logger })
  await started.close()
  worker = { data: workerData!, address: bytesToHex(core.signingAddress) }
  principal = { data: principalData!, address: started.address }
  passphrase = join(base.path, 'passphrase')
  await writeFile(passphrase, typed, { mode: 0o600 })
})

beforeEach(async () => {
  data = join(base.path, `copy${++copies}`)
  await cp(worker.data, data, { recursive: true })
})

afterAll(() => base[Symbol.asyncDispose]())

const keys = (...args: string[]) => json(['keys', ...args, '--data', data])
const command = `printf ${'ab'.repeat(32)}`
const refused = (code: number, message: string) => ({ code, stdout: '', stderr: `error: ${message}\n` })
const ofWorker = () => ({ of: 'a worker', address: worker.address, stateKeys: 0, oldIdentities: [] })

describe('keys status', () => {
  it('tells whose keys they are', async () => {
    expect(await keys('status')).toMatchObject({ code: 0, folder: data, lock: 'none', opens: true, ...ofWorker() })
    expect(await keys('status')).not.toHaveProperty('rotation')
    expect(await json(['keys', 'status', '--data', principal.data])).toMatchObject({
      ...{ code: 0, of: 'a principal', address: principal.address, stateKeys: 0, oldIdentities: [] },
    })
  })

  it('may find no signing key, and needs a sealing key', async () => {
    await rename(join(data, 'signing-key.sealed'), join(data, 'aside'))
    const status = await keys('status')
    expect(status).toMatchObject({ code: 0, opens: true, stateKeys: 0, oldIdentities: [] })
    expect(status).not.toHaveProperty('of')
    await rename(join(data, 'sealing.key'), join(data, 'aside'))
    expect(await keys('status')).toEqual(refused(1, `There is no sealing key of ${data}`))
    expect(await keys('rotate')).toEqual(refused(1, `There is no sealing key of ${data}`))
  })

  it('opens what is locked only with what unlocks it', async () => {
    await keys('relock', '--new-sealing-command', command)
    const closed = await keys('status')
    expect(closed).toMatchObject({ code: 0, lock: expect.stringMatching(/^command/), opens: 'not tried' })
    expect(closed).not.toHaveProperty('address')
    expect(await keys('status', '--sealing-command', command)).toMatchObject({ opens: true, ...ofWorker() })
  })
})

describe('keys rotate', () => {
  it('seals everything anew', async () => {
    const before = await readFile(join(data, 'signing-key.sealed'))
    expect(await keys('rotate')).toMatchObject({ code: 0, stderr: '', status: 'rotated', resealed: 1 })
    expect(await readFile(join(data, 'signing-key.sealed'))).not.toEqual(before)
    expect(await keys('status')).toMatchObject({ opens: true, ...ofWorker() })
    // The folder is free again.
    expect(await keys('rotate')).toMatchObject({ code: 0 })
  })

  it('leaves nothing that the old key opens, as new-identity does', async () => {
    const left = join(data, '.signing-key.sealed.0123456789abcdef.tmp')
    const hidden = async () => (await readdir(data)).filter((name) => name.startsWith('.'))
    await writeFile(join(data, '.mine.tmp'), '')
    for (const args of [['rotate'], ['new-identity', '--yes']]) {
      await link(join(data, 'signing-key.sealed'), left)
      expect(await keys(...args), args[0]).toMatchObject({ code: 0 })
      expect(await hidden(), args[0]).toEqual(['.mine.tmp'])
    }
  })

  it('that was broken off is told of, and ended', async () => {
    const broken = rotateSealingKey(data, {}, workerKeyPurposes, () => {
      throw new Error('broken off')
    })
    await expect(broken).rejects.toThrow('broken off')
    expect(await keys('status')).toMatchObject({
      ...{ code: 0, opens: true, ...ofWorker(), rotation: 'broken off; end it with `bletchley keys rotate`' },
    })
    expect(await keys('rotate')).toMatchObject({ code: 0, resealed: 1 })
    expect(await keys('status')).not.toHaveProperty('rotation')
  })
})

describe('keys relock', () => {
  it('takes one lock, a passphrase by default', async () => {
    expect(await keys('relock', '--new-sealing-command', command)).toMatchObject({
      ...{ code: 0, status: 'relocked', lock: expect.stringMatching(/^command/) },
    })
    const unlocked = await keys('relock', '--sealing-command', command, '--unlocked')
    expect(unlocked).toMatchObject({ code: 0, status: 'relocked', lock: 'none' })
    const relocked = await atTerminal([typed, typed], () => keys('relock'))
    expect(relocked).toMatchObject({ code: 0, lock: expect.stringMatching(/^passphrase/) })
    const status = await atTerminal([typed], () => keys('status'))
    expect(status).toMatchObject({ opens: true, ...ofWorker(), stderr: 'Passphrase of the sealing key: \n' })
  })

  it('takes no two', async () => {
    const given = [['--new-passphrase-file', passphrase], ['--new-sealing-command', command], ['--unlocked']]
    for (const left of given) {
      const two = given.filter((each) => each !== left).flat()
      expect(await keys('relock', ...two), two.join(' ')).toEqual(refused(2, 'Give one new lock.'))
    }
    expect(await keys('status')).toMatchObject({ lock: 'none' })
  })
})

describe('keys new-identity', () => {
  it('says what it means, and does it only when told to', async () => {
    const asked = await keys('new-identity')
    expect([asked.code, asked.stdout]).toEqual([1, ''])
    expect(asked.stderr).toMatch(
      /^A NEW IDENTITY OF A WORKER: .*\n(.*\n)*error: Nothing was changed\. Say --yes if that is what you want\.\n$/,
    )
    expect(await keys('status')).toMatchObject(ofWorker())
    const replaced = await keys('new-identity', '--yes')
    expect(replaced).toMatchObject({
      ...{ code: 0, status: 'replaced', before: worker.address, address: expect.stringMatching(/^[0-9a-f]{40}$/) },
    })
    expect(await keys('status')).toMatchObject({ address: replaced.address, oldIdentities: [worker.address] })
    expect(await keys('new-identity', '--yes')).toMatchObject({ code: 0, before: replaced.address })
  })

  it('of a principal means something else', async () => {
    const asked = await run(['keys', 'new-identity', '--data', principal.data])
    expect(asked.stderr).toMatch(/^A NEW IDENTITY OF A PRINCIPAL: /)
  })

  it('needs an old one', async () => {
    await rename(join(data, 'signing-key.sealed'), join(data, 'aside'))
    expect(await keys('new-identity', '--yes')).toEqual(refused(1, `There is no signing key in ${data}`))
  })
})

describe('keys backup and restore', () => {
  it('bring the keys elsewhere, with a passphrase from a file or the terminal', async () => {
    const [file, elsewhere] = [`${data}.backup`, `${data}.restored`]
    const fromFile = ['--backup-passphrase-file', passphrase]
    const restore = (...args: string[]) => json(['keys', 'restore', file, '--data', elsewhere, ...args])
    const nobody = refused(2, 'Give the passphrase of the backup with --backup-passphrase-file.')
    expect([await keys('backup', file), await restore()]).toEqual([nobody, nobody])
    const made = await atTerminal([typed, typed], () => keys('backup', file))
    expect(made).toMatchObject({ code: 0, status: 'backed up', file, keys: 1 })
    expect(made.stderr).toBe('New passphrase for the backup: \nOnce more: \n')
    expect(await restore(...fromFile)).toMatchObject({ code: 0, stderr: '', status: 'restored', keys: 1 })
    const restored = ['--data', elsewhere]
    expect(await json(['keys', 'status', ...restored])).toMatchObject({ opens: true, ...ofWorker() })
    // Nothing is overwritten, and the folder is free again.
    expect((await restore(...fromFile)).stderr).toContain('overwritten')
    expect(await json(['keys', 'rotate', ...restored])).toMatchObject({ code: 0 })
  })
})

describe('keys audit', () => {
  it('tells how far the log goes, and whether it is whole', async () => {
    const log = join(base.path, 'audited')
    await mkdir(log)
    const audit = (...args: string[]) => json(['keys', 'audit', '--data', log, ...args])
    const empty = await audit()
    expect(empty).toMatchObject({ code: 0, status: 'whole', n: 0 })
    expect(await audit('--contains', bytesToHex(randomBytes(32)))).toMatchObject({ code: 4, stdout: '' })
    const started = await startPrincipal({ dataFolder: log, port: 0, logger, limits: { perWorker: 1 } })
    await started.close()
    const names = (await readdir(log)).filter((name) => name.startsWith('audit'))
    await appendFile(join(log, names[0] ?? 'audit.log'), 'no line of this log\n')
    const changed = await audit()
    expect([changed.code, changed.stderr]).toEqual([
      4,
      expect.stringContaining('it was changed, or is no line of this log'),
    ])
  })
})

describe('keys curve', () => {
  it('makes the pair of a core or of a client, where it belongs', async () => {
    const before = process.cwd()
    process.chdir(data)
    try {
      const core = await keys('curve')
      expect(core).toMatchObject({
        code: 0,
        file: join(data, 'curve.key'),
        hex: expect.stringMatching(/^[0-9a-f]{64}$/),
      })
      expect(core.publicKey).toHaveLength(40)
      expect(await keys('curve', '--client')).toMatchObject({ code: 0, file: 'client.key' })
      const named = join(data, 'named.key')
      expect(await keys('curve', '--curve-key', named)).toMatchObject({ code: 0, file: named })
      expect(await keys('curve', '--client', '--curve-key', `${named}.client`)).toMatchObject({
        file: `${named}.client`,
      })
      expect(await readFile('client.key', 'utf8')).toMatch(/client/)
      expect(await readFile(named, 'utf8')).toMatch(/server/)
      expect((await keys('curve')).code).toBe(1)
    } finally {
      process.chdir(before)
    }
  })
})
