import { execFile } from 'node:child_process'
import { existsSync, statSync } from 'node:fs'
import {
  chmod,
  copyFile,
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bytesToHex, equalBytes } from '@bletchley/bytes'
import { backUp, type Check, type DoctorOptions, examine, exportContracts, importContracts } from '@bletchley/care'
import { type CoreClient, computeFunction, deployContract } from '@bletchley/client'
import { encrypt, randomBytes } from '@bletchley/crypto'
import { createCurveKeyFile } from '@bletchley/crypto/curve-key-file'
import { isWorkerError } from '@bletchley/protocol'
import { CommandProcess, type CoreProcess, runCommand, startCoreProcess, temporaryFolder } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  bytes,
  contentsOf,
  damage,
  fill,
  findingsOf,
  flipByte,
  flipped,
  json,
  killAtMoments,
  problems,
  Reader,
  recordKey,
  withStore,
  withStoreRecord,
} from './dataFolders.ts'

// The commands that look after a data folder, as operators run them: beside a core under load, on damaged folders, and
// killed on the way.

const gasLimit = 10_000_000n
/** Enough for a snapshot. */
const mints = 66
let base: Awaited<ReturnType<typeof temporaryFolder>>
let principal: CommandProcess
let keys: string[]
let core: CoreProcess
let data: string
/** A contract with tasks and a snapshot, one of deltas alone that peers brought, and one of bytecode alone. */
let ledger: { address: Uint8Array; issuer: string }
let pushed: Uint8Array
let bare: Uint8Array
/** A backup of all that, and the data folder restored from it: what the tests damage copies of. */
let backup: string
let whole: string

beforeAll(async () => {
  base = await temporaryFolder()
  data = join(base.path, 'core')
  principal = new CommandProcess(['principal', '--port', '0', '--data', join(base.path, 'principal')])
  const [, url, address] = (await principal.readLine()).split(' ')
  keys = ['--principal-url', url!, '--principal', address!]
  core = await startCoreProcess({ dataFolder: data, args: keys })
  ledger = await deployLedger(core.client)
  for (let count = 0; count < mints; count++) await mint(core.client)
  pushed = randomBytes(32)
  const deltas = Array.from({ length: 50 }, (_, key) => ({ address: pushed, key, data: randomBytes(60_000) }))
  for (let key = 0; key < 50; key += 10) await core.client.methods.updateDeltas({ deltas: deltas.slice(key, key + 10) })
  bare = randomBytes(32)
  await core.client.methods.updateNewContract({ address: bare, bytecode: Uint8Array.of(1, 2, 3) })
  backup = join(base.path, 'backup')
  whole = join(base.path, 'whole')
  expect(await json('backup', backup, '--data', data)).toMatchObject({ code: 0, contracts: 3, findings: [] })
  expect(await json('restore', backup, '--data', whole)).toMatchObject({ code: 0, findings: [] })
  await copyFile(join(data, 'sealing.key'), join(whole, 'sealing.key'))
})

afterAll(async () => {
  await core[Symbol.asyncDispose]()
  await principal[Symbol.asyncDispose]()
  await base[Symbol.asyncDispose]()
})

async function deployLedger(client: CoreClient): Promise<{ address: Uint8Array; issuer: string }> {
  const code = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
  const issuer = `0x${bytesToHex(randomBytes(32))}`
  const call = { callable: 'construct(bytes32,uint64)', args: [issuer, '1000'], gasLimit }
  const contractAddress = randomBytes(32)
  const deployed = await deployContract(client, code, { contractAddress, ...call })
  if (deployed.kind === 'failed') throw new Error(deployed.message)
  return { address: contractAddress, issuer }
}

async function mint(client: CoreClient): Promise<void> {
  const call = {
    contractAddress: ledger.address,
    callable: 'mint(bytes32,uint64)',
    args: [ledger.issuer, 1n],
    gasLimit,
  }
  const end = await computeFunction(client, call)
  if (end.kind === 'failed') throw new Error(end.message)
}

/** A copy of the restored folder, to do something to. */
async function copyOfWhole(name: string): Promise<string> {
  const folder = join(base.path, name)
  await rm(folder, { recursive: true, force: true })
  await cp(whole, folder, { recursive: true })
  return folder
}

describe('backup and restore', () => {
  it('under load: what is restored elsewhere is sound, ends where the worker was, and computes the same', async () => {
    const [target, restored] = [join(base.path, 'loaded'), join(base.path, 'elsewhere')]
    let running = true
    const load = (async () => {
      while (running) await mint(core.client)
    })()
    const before = await core.client.methods.getTip({ address: ledger.address })
    const made = await json('backup', target, '--data', data)
    running = false
    await load
    expect(made).toMatchObject({ code: 0, contracts: 3, findings: [] })
    expect(made.files).toEqual(['store/data.mdb', 'signing-key.sealed'])
    expect(made.sealingKey).toContain('not in the backup')
    expect((await readdir(target)).sort()).toEqual(['manifest.json', 'signing-key.sealed', 'store'])
    expect((await stat(target)).mode & 0o077).toBe(0)

    const restore = await json('restore', target, '--data', restored)
    expect(restore).toMatchObject({ code: 0, contracts: 3, findings: [] })
    await copyFile(join(data, 'sealing.key'), join(restored, 'sealing.key'))
    expect(await json('verify', '--data', restored, ...keys)).toMatchObject({ code: 1, decrypted: 2, broken: 1 })
    // What peers pushed is no chain; the other is one.
    const address = bytesToHex(ledger.address)
    expect(await json('verify', address, '--data', restored, ...keys)).toMatchObject({
      code: 0,
      decrypted: 1,
      broken: 0,
    })

    await using other = await startCoreProcess({ dataFolder: restored, args: keys })
    const { tips } = await other.client.methods.getAllTips(undefined)
    expect(tips.map((tip) => bytesToHex(tip.address))).toEqual([address, bytesToHex(pushed)])
    for (const { address: contract, key, data: blob } of tips) {
      const same = await core.client.methods.getDelta({ address: contract, key })
      expect(equalBytes(same.data, blob), bytesToHex(contract)).toBe(true)
    }
    expect(tips[0]!.key).toBeGreaterThanOrEqual(before.key)
    const { signingKey } = await other.client.methods.getRegistrationParams(undefined)
    expect(signingKey).toEqual((await core.client.methods.getRegistrationParams(undefined)).signingKey)
    const supply = ['simulate', address, 'total_supply()(uint64)', ...keys]
    const result = await json(...supply, '--data', restored)
    expect(result).toMatchObject({ code: 0, output: [String(1000 + tips[0]!.key)] })
  })

  it('take a sealing key along if it is locked, and it opens with its lock elsewhere', async () => {
    const [folder, target, restored] = ['locked', 'locked-backup', 'locked-restored'].map((name) =>
      join(base.path, name),
    )
    const passphrase = join(base.path, 'passphrase')
    await writeFile(passphrase, 'not a secret, only a test\n', { mode: 0o600 })
    const lock = ['--passphrase-file', passphrase]
    const signingKey = async (dataFolder: string): Promise<Uint8Array> => {
      await using worker = await startCoreProcess({ dataFolder, args: lock })
      return (await worker.client.methods.getRegistrationParams(undefined)).signingKey
    }
    const before = await signingKey(folder!)
    const made = await json('backup', target!, '--data', folder!)
    expect(made).toMatchObject({ code: 0, sealingKey: 'in the backup, locked' })
    expect(made.files).toContain('sealing.key')
    expect((await json('restore', target!, '--data', restored!)).sealingKey).toBe('restored, locked')
    expect(await signingKey(restored!)).toEqual(before)
    const free = ['--data', restored!, '--bind', 'tcp://127.0.0.1:0']
    for (const [args, found] of [
      [[], 'its sealing key is locked, and was not opened'],
      [lock, 'opens with the sealing key'],
      [['--passphrase-file', '/no/such/file'], 'There is no passphrase file /no/such/file'],
    ] as const) {
      const { checks } = await json('doctor', ...free, ...args)
      expect((checks as Check[]).find(({ name }) => name === 'signing key')?.found).toBe(found)
    }
  })

  it('refuse what is there, and what is not as it was', async () => {
    expect(await json('backup', backup, '--data', data)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('exists'),
    })
    expect(await json('restore', backup, '--data', whole)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('not empty'),
    })
    expect(await json('restore', whole, '--data', join(base.path, 'x'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('manifest.json cannot be read'),
    })
    const bad = join(base.path, 'bad')
    const restored = join(base.path, 'from-bad')
    const manifest = await readFile(join(backup, 'manifest.json'), 'utf8')
    for (const [change, message] of [
      [() => flipByte(join(bad, 'store', 'data.mdb'), 20_000), 'not as it was'],
      [() => rm(join(bad, 'signing-key.sealed')), 'cannot be read'],
      [() => writeFile(join(bad, 'manifest.json'), manifest.replace('signing-key.sealed', '../out.sealed')), 'damaged'],
      [() => writeFile(join(bad, 'manifest.json'), manifest.replace('"version": 1', '"version": 9')), 'version 9'],
    ] as const) {
      await rm(bad, { recursive: true, force: true })
      await cp(backup, bad, { recursive: true })
      await change()
      const restore = await json('restore', bad, '--data', restored)
      expect(restore).toMatchObject({ code: 1, stderr: expect.stringContaining(message) })
      expect([existsSync(restored), existsSync(`${restored}.restoring`)], message).toEqual([false, false])
    }
  })

  it('killed on the way, leave nothing that looks whole, and the next one does it', async () => {
    const [target, restored] = [join(base.path, 'killed'), join(base.path, 'killed-restored')]
    const fresh = (folder: string) => () => rm(folder, { recursive: true, force: true })
    const appears = (path: string) => () => existsSync(path)
    const filling = (folder: string) =>
      ['', 'store/data.mdb', 'signing-key.sealed'].map((path) => appears(join(folder, path)))
    await killAtMoments(['backup', target, '--data', whole], fresh(target), filling(`${target}.partial`), async () => {
      if (!existsSync(target)) return existsSync(`${target}.partial`)
      expect((await json('restore', target, '--data', `${target}.look`)).code).toBe(0)
      await rm(`${target}.look`, { recursive: true, force: true })
      return false
    })
    expect((await json('backup', target, '--data', whole)).code).toBe(0)
    expect(existsSync(`${target}.partial`)).toBe(false)

    const moments = filling(`${restored}.restoring`)
    await killAtMoments(['restore', target, '--data', restored], fresh(restored), moments, async () => {
      if (!existsSync(restored)) return existsSync(`${restored}.restoring`)
      expect(await contentsOf(restored)).toEqual(await contentsOf(whole))
      return false
    })
    expect((await json('restore', target, '--data', restored)).code).toBe(0)
    expect(await contentsOf(restored)).toEqual(await contentsOf(whole))
    expect(existsSync(`${restored}.restoring`)).toBe(false)
  })
})

describe('verify', () => {
  it('finds nothing in a sound folder, beside a core and without', async () => {
    expect(await json('verify', '--data', data)).toMatchObject({ code: 0, contracts: 3, broken: 0, findings: [] })
    expect(await json('verify', '--data', whole)).toMatchObject({ code: 0, contracts: 3, broken: 0, findings: [] })
    const [first, second, third] = [ledger.address, pushed, bare].map(bytesToHex).sort()
    expect(await json('verify', '--data', whole, '--after', first!)).toMatchObject({ code: 0, contracts: 2 })
    expect(await json('verify', '--data', whole, second!, third!)).toMatchObject({ code: 0, contracts: 2 })
    const none = await json('verify', '--data', whole, '00'.repeat(32))
    expect([none.code, problems(none)]).toEqual([1, ['there is no such contract']])
    expect(await json('verify', '--data', base.path)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('not the data'),
    })
  })

  it('finds each kind of damage that shows without keys', async () => {
    const record = await withStoreRecord(whole, recordKey(ledger.address, 4))
    const order = bytes(3, record.subarray(0, 8))
    const tip = new DataView(record.buffer, record.byteOffset).getUint32(16)
    const withTip = (key: number) => bytes(record.subarray(0, 16), 0, 0, key >> 8, key & 255)
    const cases: [string, Uint8Array, Uint8Array | undefined, ...string[]][] = [
      ['a hole', recordKey(ledger.address, 1, 2), undefined, 'delta 2 is missing'],
      ['no first delta', recordKey(pushed, 1, 0), undefined, 'delta 0 is missing'],
      ['a delta cut off', recordKey(pushed, 1, 7), bytes(1, 2), 'delta 7 has only 2 bytes'],
      ['a tip that is gone', recordKey(pushed, 1, 49), undefined, 'its tip is recorded as 49, but is 48'],
      [
        'another tip',
        recordKey(ledger.address, 4),
        withTip(tip + 2),
        `its tip is recorded as ${tip + 2}, but is ${tip}`,
      ],
      [
        'no record',
        recordKey(bare, 4),
        undefined,
        'the record of the contract is missing',
        'number 2 of the order of contracts names one that does not have it',
      ],
      [
        'a damaged record',
        recordKey(bare, 4),
        bytes(1),
        'its record is damaged',
        'number 2 of the order of contracts names one that does not have it',
      ],
      ['no place in the order', order, undefined, 'it is not in the order of contracts (number 0)'],
      [
        'a foreign place',
        bytes(3, 0, 0, 0, 0, 0, 0, 1, 0),
        bare,
        'number 256 of the order of contracts names one that does not have it',
        'the next contract number has been given already',
      ],
      [
        'a snapshot ahead',
        recordKey(ledger.address, 2),
        bytes(0, 0, 9, 9, new Uint8Array(40)),
        'the snapshot is of delta 2313, behind the tip',
      ],
      ['a snapshot cut off', recordKey(ledger.address, 2), bytes(0, 0, 0), 'the snapshot is damaged'],
      [
        'a receipt of nothing',
        recordKey(ledger.address, 5, 999),
        new Uint8Array(40),
        'there is a receipt of delta 999, but no such delta',
        'the receipt of delta 999 is damaged',
      ],
      [
        'a damaged receipt',
        recordKey(ledger.address, 5, tip),
        bytes(new Uint8Array(32), 7),
        `the receipt of delta ${tip} is damaged`,
      ],
      ['empty bytecode', recordKey(bare, 3), new Uint8Array(), 'the bytecode is empty'],
      ['a strange record of a contract', recordKey(bare, 9), bytes(1), 'there is a record of an unknown kind'],
      ['a strange record', bytes(7, 7), bytes(1), 'there are records of an unknown kind'],
      ['no next number', bytes(2), undefined, 'the record of the next contract number is damaged'],
    ]
    for (const [name, key, value, ...expected] of cases) {
      const folder = await copyOfWhole('damaged')
      await damage(folder, key, value)
      expect(await findingsOf(folder), name).toEqual(expected)
    }
    const folder = await copyOfWhole('damaged')
    await damage(folder, recordKey(ledger.address, 1, 2), undefined)
    const output = await json('verify', '--data', folder)
    expect([output.code, problems(output)]).toEqual([1, ['delta 2 is missing']])
    await damage(folder, bytes(1), bytes(0, 0, 0, 9))
    expect(await json('verify', '--data', folder)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('another version'),
    })
  })

  it('finds with the keys what hides inside of deltas', async () => {
    const address = bytesToHex(ledger.address)
    const blob = await withStoreRecord(whole, recordKey(ledger.address, 1, 5))
    const other = await withStoreRecord(whole, recordKey(ledger.address, 1, 6))
    const snapshot = await withStoreRecord(whole, recordKey(ledger.address, 2))
    const cases: [string, Uint8Array, Uint8Array, RegExp][] = [
      ['a byte', recordKey(ledger.address, 1, 5), flipped(blob, 40), /^delta 5: undecryptable/],
      ['another delta of the chain', recordKey(ledger.address, 1, 5), other, /^delta 5: hash_mismatch/],
      [
        'another key',
        recordKey(ledger.address, 1, 5),
        encrypt(randomBytes(32), Uint8Array.of(1)),
        /^delta 5: undecryptable/,
      ],
      ['a snapshot', recordKey(ledger.address, 2), flipped(snapshot, 60), /^the snapshot of delta \d+: undecryptable/],
      [
        'a snapshot of another delta',
        recordKey(ledger.address, 2),
        bytes(0, 0, 0, 9, snapshot.subarray(4)),
        /^the snapshot is not the state at delta 9$/,
      ],
    ]
    for (const [name, key, value, expected] of cases) {
      const folder = await copyOfWhole('damaged')
      await damage(folder, key, value)
      expect(await json('verify', address, '--data', folder), name).toMatchObject({ code: 0 })
      const output = await json('verify', address, '--data', folder, ...keys)
      expect([output.code, problems(output)], name).toEqual([1, [expect.stringMatching(expected)]])
    }
  })
})

describe('export and import', () => {
  it('carry all contracts into a new worker, and do nothing the second time', async () => {
    const [file, folder] = [join(base.path, 'all.export'), join(base.path, 'imported')]
    expect(await json('export', file, '--data', data)).toMatchObject({ code: 0, contracts: 3, leftOut: [] })
    expect((await stat(file)).mode & 0o077).toBe(0)
    expect(await json('import', file, '--data', folder)).toMatchObject({
      code: 0,
      imported: 3,
      equal: 0,
      conflicts: [],
    })
    expect(await json('import', file, '--data', folder)).toMatchObject({
      code: 0,
      imported: 0,
      equal: 3,
      conflicts: [],
    })
    expect(await json('verify', '--data', folder)).toMatchObject({ code: 0, contracts: 3 })
    // The core has gone on since the backup was made.
    const [now, then] = [await contentsOf(folder), await contentsOf(whole)]
    expect(Object.keys(now)).toEqual(Object.keys(then))
    expect(now[bytesToHex(pushed)]).toEqual(then[bytesToHex(pushed)])
    expect(await json('import', file, '--data', await copyOfWhole('behind'))).toMatchObject({ code: 0, conflicts: [] })
    expect(await contentsOf(join(base.path, 'behind'))).toEqual(now)
  })

  it('take some contracts, and leave out those that cannot be exported', async () => {
    const file = join(base.path, 'some.export')
    const folder = await copyOfWhole('holes')
    await damage(folder, recordKey(pushed, 1, 3), undefined)
    const some = await json('export', file, bytesToHex(bare), '00'.repeat(32), '--data', folder)
    expect(some).toMatchObject({ code: 1, contracts: 1, leftOut: [{ problem: 'there is no such contract' }] })
    const all = await json('export', file, '--data', folder)
    expect(all).toMatchObject({
      code: 1,
      contracts: 2,
      leftOut: [{ contract: bytesToHex(pushed), problem: 'delta 3 is missing' }],
    })
    expect(await json('import', file, '--data', join(base.path, 'some'))).toMatchObject({ code: 0, imported: 2 })
  })

  it('report what is another way here, and overwrite nothing', async () => {
    const file = join(base.path, 'whole.export')
    await json('export', file, '--data', whole)
    const folder = await copyOfWhole('different')
    await withStore(folder, async (store) => {
      await store.putBytecode(bare, Uint8Array.of(9))
      await store.putDeltas([{ address: pushed, key: 20, data: randomBytes(100) }])
      await store.removeDeltas([{ address: ledger.address, from: 30, to: 2 ** 32 }])
    })
    const before = await contentsOf(folder)
    const output = await json('import', file, '--data', folder)
    expect(output).toMatchObject({ code: 1, imported: 1, equal: 0 })
    expect(output.conflicts).toEqual([
      { contract: bytesToHex(pushed), problem: 'its delta 20 is not the one that is here' },
      { contract: bytesToHex(bare), problem: 'its bytecode is not the one that is here' },
    ])
    const name = bytesToHex(ledger.address)
    expect(await contentsOf(folder)).toEqual({ ...before, [name]: (await contentsOf(whole))[name] })
  })

  it('say what is wrong with a path, in words', async () => {
    for (const [args, message] of [
      [['export', join(base.path, 'no folder', 'x')], `There is no folder ${join(base.path, 'no folder')} (ENOENT)`],
      [['export', '/dev/null/x'], '/dev/null/x: a part of this path is no folder (ENOTDIR)'],
      [['backup', '/dev/null/x'], '/dev/null/x: a part of this path is no folder (ENOTDIR)'],
      [['import', join(base.path, 'nothing')], `${join(base.path, 'nothing')}: it is not there (ENOENT)`],
      [['import', base.path], `${base.path} is a folder, and no export`],
    ] as const) {
      const { code, stderr } = await runCommand([...args, '--data', whole])
      expect([code, stderr]).toEqual([1, `error: ${message}\n`])
    }
  })

  it('refuse a file that is damaged or cut off, and keep what came before', async () => {
    const [file, bad] = [join(base.path, 'whole.export'), join(base.path, 'bad.export')]
    await json('export', file, '--data', whole)
    const content = await readFile(file)
    let count = 0
    const refused = async (changed: Uint8Array, message: RegExp): Promise<void> => {
      const folder = join(base.path, `refused${count++}`)
      await writeFile(bad, changed)
      await expect(importContracts({ dataFolder: folder, file: bad })).rejects.toThrow(message)
      if (existsSync(join(folder, 'store'))) {
        const whatIsThere = await contentsOf(folder)
        const expected = await contentsOf(whole)
        for (const [name, contract] of Object.entries(whatIsThere)) expect(contract, name).toEqual(expected[name])
      }
    }
    await writeFile(bad, 'something else')
    const output = await json('import', bad, '--data', join(base.path, 'refused'))
    expect([output.code, output.stderr]).toEqual([1, expect.stringContaining(`${bad}: it is not an export`)])
    expect(existsSync(join(base.path, 'refused'))).toBe(false)
    await refused(flipped(content, 17), /it has version/)
    await refused(content.subarray(0, 10), /is not an export/)
    await refused(content.subarray(0, content.length - 1), /ends too early/)
    await refused(content.subarray(0, content.length >> 1), /ends too early/)
    for (const part of [0.1, 0.5, 0.9]) await refused(flipped(content, Math.floor(content.length * part)), /damaged/)
    await refused(flipped(content, content.length - 1), /are missing/)
    await refused(flipped(content, 19), /damaged|too early/)
  })

  it('stopped between two contracts, go on with the next one', async () => {
    const [file, folder] = [join(base.path, 'stopped.export'), join(base.path, 'stopped')]
    /** Stops at the first sign of progress, as SIGINT does. */
    const once = () => {
      const stop = new AbortController()
      return { signal: stop.signal, onProgress: () => stop.abort(new Error('stopped')) }
    }
    await expect(exportContracts({ dataFolder: whole, file, ...once() })).rejects.toThrow('stopped')
    expect([existsSync(file), existsSync(`${file}.partial`)]).toEqual([false, true])
    expect(await json('export', file, '--data', whole)).toMatchObject({ code: 0, contracts: 3, resumed: 1 })
    await expect(importContracts({ dataFolder: folder, file, ...once() })).rejects.toThrow('stopped')
    expect(Object.keys(await contentsOf(folder))).toHaveLength(1)
    expect(await json('import', file, '--data', folder)).toMatchObject({ code: 0, imported: 2, equal: 1 })
    expect(await contentsOf(folder)).toEqual(await contentsOf(whole))
    const target = join(base.path, 'stopped-backup')
    await expect(backUp(whole, target, once())).rejects.toThrow('stopped')
    expect([existsSync(target), existsSync(`${target}.partial`)]).toEqual([false, false])
  })

  it('killed on the way, go on where they were', async () => {
    const [fresh, file, folder] = [
      join(base.path, 'whole.export'),
      join(base.path, 'killed.export'),
      join(base.path, 'killed-import'),
    ]
    await json('export', fresh, '--data', whole)
    const expected = await readFile(fresh)
    const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0
    await killAtMoments(
      ['export', file, '--data', whole],
      () => rm(file, { force: true }),
      [1, 1_000_000, 2_000_000].map((size) => () => sizeOf(`${file}.partial`) >= size),
      async () => {
        const left = !existsSync(file)
        expect((await json('export', file, '--data', whole)).code).toBe(0)
        expect((await readFile(file)).equals(expected)).toBe(true)
        return left
      },
    )
    await rm(file)
    const half = expected.subarray(0, expected.length - 100)
    await writeFile(`${file}.partial`, half)
    expect(await json('export', file, '--data', whole)).toMatchObject({ code: 0, contracts: 3, resumed: 2 })
    expect((await readFile(file)).equals(expected)).toBe(true)

    await killAtMoments(
      ['import', fresh, '--data', folder],
      () => rm(folder, { recursive: true, force: true }),
      [4096, 1_000_000].map((size) => () => sizeOf(join(folder, 'store', 'data.mdb')) >= size),
      async () => {
        const left = await withStore(folder, (store) => store.allAddresses())
        expect(await json('import', fresh, '--data', folder)).toMatchObject({ code: 0, conflicts: [] })
        expect(await contentsOf(folder)).toEqual(await contentsOf(whole))
        return left.length < 3
      },
    )
  })
})

describe('compact and prune', () => {
  it('give room back and lose nothing', async () => {
    const folder = await copyOfWhole('tidied')
    await withStore(folder, (store) => store.removeDeltas([{ address: pushed, from: 10, to: 50 }]))
    const before = await contentsOf(folder)
    const { bytesBefore, bytesAfter, code } = await json('compact', '--data', folder)
    expect([code, Number(bytesAfter) < Number(bytesBefore) / 2]).toEqual([0, true])
    expect((await stat(join(folder, 'store', 'data.mdb'))).size).toBe(bytesAfter)
    expect(await contentsOf(folder)).toEqual(before)

    await damage(folder, recordKey(ledger.address, 5, 999), new Uint8Array(40))
    await damage(folder, recordKey(pushed, 2), bytes(0, 0, 0, 200, new Uint8Array(50)))
    const receipts = await withStore(folder, (store) => store.receiptTasks(ledger.address))
    expect(await json('prune', '--data', folder)).toMatchObject({ code: 0, removed: { snapshots: 1, receipts: 1 } })
    expect(await json('prune', '--data', folder)).toMatchObject({
      code: 0,
      removed: { snapshots: 0, receipts: 0, bytes: 0 },
    })
    expect(await json('verify', '--data', folder)).toMatchObject({ code: 0 })
    expect(await json('prune', '--all-snapshots', '--data', folder)).toMatchObject({
      removed: { snapshots: 1, receipts: 0 },
    })
    expect(await contentsOf(folder)).toEqual(before)
    // What a lost reply is answered with is still there: all but the one of nothing.
    expect((await withStore(folder, (store) => store.receiptTasks(ledger.address))).length).toBe(receipts.length - 1)
    expect(await json('verify', bytesToHex(ledger.address), '--data', folder, ...keys)).toMatchObject({
      code: 0,
      decrypted: 1,
    })
  })

  it('killed on the way, leave the old database or the new one', async () => {
    const folder = join(base.path, 'killed-compact')
    const expected = await contentsOf(whole)
    await killAtMoments(
      ['compact', '--data', folder],
      async () => void (await copyOfWhole('killed-compact')),
      ['', 'data.mdb'].map((path) => () => existsSync(join(folder, 'store', 'compacting', path))),
      async () => {
        const left = existsSync(join(folder, 'store', 'compacting'))
        expect(await contentsOf(folder)).toEqual(expected)
        expect((await json('compact', '--data', folder)).code).toBe(0)
        expect(existsSync(join(folder, 'store', 'compacting'))).toBe(false)
        return left
      },
    )
  })

  it('beside a reader: what it reads stays as it was, and the next core writes on the new file', async () => {
    const folder = await copyOfWhole('read')
    await using reader = new Reader(folder)
    const before = await reader.read()
    expect((await json('compact', '--data', folder)).code).toBe(0)
    const added = { address: bare, key: 0, data: randomBytes(200_000) }
    await withStore(folder, (store) => store.putDeltas([added]))
    expect(await reader.read()).toBe(before)
    expect(await withStore(folder, (store) => store.getTip(bare))).toMatchObject({ data: added.data })
    expect(await json('verify', '--data', folder)).toMatchObject({ code: 0, contracts: 3 })
  })
})

describe('one process for one folder', () => {
  it('a second core, and what would write, is told at once who has it', async () => {
    const owner = `in use by process ${core.process.pid} (bletchley core)`
    const file = join(base.path, 'locked.export')
    await json('export', file, '--data', data)
    for (const args of [['core', '--bind', 'tcp://127.0.0.1:0'], ['compact'], ['prune'], ['import', file]]) {
      const { code, stderr } = await runCommand([...args, '--data', data])
      expect([code, stderr], args[0]).toEqual([1, expect.stringContaining(owner)])
    }
    const { code, stderr } = await runCommand(['principal', '--port', '0', '--data', join(base.path, 'principal')])
    expect([code, stderr]).toEqual([1, expect.stringContaining(`process ${principal.pid} (bletchley principal)`)])
    // It has noticed nothing.
    await mint(core.client)
  })
})

describe('doctor', () => {
  const doctor = async (...args: string[]): Promise<{ code: number | null; checks: Check[] }> => {
    const output = await json('doctor', ...args)
    return { code: output.code, checks: output.checks as Check[] }
  }
  const unwell = ({ checks }: { checks: Check[] }): string[] =>
    checks.filter(({ status }) => status !== 'ok').map(({ name, status }) => `${status} ${name}`)
  /** Of the machine, not of the folder. */
  const ofMachine = /(platform|file system|disk space|inodes|open files|file size|core dumps|memory|swap|node)$/

  it('finds a running core well, and changes nothing', async () => {
    const before = await readdir(data, { recursive: true })
    const found = await doctor('--data', data, '--bind', core.endpoint, ...keys.slice(0, 2))
    expect(unwell(found).filter((each) => !ofMachine.test(each))).toEqual([])
    const named = Object.fromEntries(found.checks.map(({ name, found: text }) => [name, text]))
    expect(named.lock).toContain(`process ${core.process.pid} (bletchley core)`)
    expect(named.endpoint).toContain('the core answers')
    expect(named['signing key']).toBe('opens with the sealing key')
    expect(named.principal).toContain('it answers')
    expect(await readdir(data, { recursive: true })).toEqual(before)
    const secret = (await readFile(join(data, 'sealing.key'), 'utf8')).trim().split(' ')[1]!
    expect(JSON.stringify(found)).not.toContain(secret)
    const { stdout } = await runCommand(['doctor', '--data', data, '--bind', core.endpoint])
    expect(stdout).toMatch(/^ok +zeromq +a message went there and back$/m)
  })

  it('tells each thing that is wrong, with a remedy', async () => {
    const folder = await copyOfWhole('ill')
    const port = createServer()
    await new Promise<void>((resolve) => port.listen(0, '127.0.0.1', resolve))
    const taken = `tcp://127.0.0.1:${(port.address() as { port: number }).port}`
    const free = { endpoints: ['tcp://127.0.0.1:0'] }
    const cases: [string, () => Promise<void>, Omit<DoctorOptions, 'dataFolder'>, RegExp][] = [
      ['problem data folder', () => chmod(folder, 0o755), free, /mode 755/],
      ['problem key files', () => chmod(join(folder, 'signing-key.sealed'), 0o644), free, /signing-key.sealed is open/],
      ['problem signing key', () => rename(join(folder, 'sealing.key'), join(folder, 'aside')), free, /sealing key/],
      ['problem signing key', () => flipByte(join(folder, 'signing-key.sealed'), 30), free, /was changed/],
      [
        'problem database',
        () => writeFile(join(folder, 'store', 'data.mdb'), randomBytes(9000)),
        free,
        /is not a database/,
      ],
      ['problem database', () => truncate(join(folder, 'store', 'data.mdb'), 100_000), free, /was cut off/],
      ['problem endpoint', async () => {}, { endpoints: [taken] }, /taken by another process/],
      ['problem endpoint', async () => {}, { endpoints: ['tcp://192.0.2.1:5552'] }, /EADDRNOTAVAIL/],
      ['problem endpoint', async () => {}, { endpoints: ['ipc:///nowhere/at/all'] }, /nowhere/],
      ['warning endpoint', async () => {}, { endpoints: [core.endpoint] }, /not of this data folder/],
      ['problem principal', async () => {}, { ...free, principalUrl: taken.replace('tcp', 'http') }, /answer/],
    ]
    // It takes connections, and closes them.
    port.on('connection', (socket) => socket.destroy())
    for (const [expected, change, options, text] of cases) {
      await copyOfWhole('ill')
      await change()
      const found = await examine({ dataFolder: folder, ...options })
      const check = found.find(({ name, status, found: what }) => `${status} ${name}` === expected && text.test(what))
      expect(check, `${expected}: ${JSON.stringify(found)}`).toBeDefined()
      expect(check!.remedy).toBeTruthy()
    }
    const blank = await copyOfWhole('it’s ill')
    await chmod(blank, 0o755)
    expect((await examine({ dataFolder: blank, ...free })).map(({ remedy }) => remedy)).toContain(
      `chmod 700 '${blank}'`,
    )
    await copyOfWhole('ill')
    await chmod(folder, 0o755)
    expect((await doctor('--data', folder, '--bind', 'tcp://127.0.0.1:0')).code).toBe(1)
    port.close()
    const open = await doctor('--data', folder, '--bind', 'tcp://0.0.0.0:0', '--http', '0.0.0.0:0')
    expect(unwell(open)).toEqual(expect.arrayContaining(['problem clients', 'problem HTTP door']))
    const list = join(base.path, 'clients')
    await writeFile(list, 'no key\n')
    const guarded = await doctor('--data', folder, '--bind', 'tcp://0.0.0.0:0', '--clients', list)
    expect(unwell(guarded)).toEqual(expect.arrayContaining(['problem clients', 'problem CURVE key']))
    await writeFile(list, '# nobody yet\n')
    await createCurveKeyFile(join(base.path, 'server.key'), 'server')
    const keyed = ['--clients', list, '--curve-key', join(base.path, 'server.key'), '--http', '127.0.0.1:0']
    const well = unwell(await doctor('--data', folder, '--bind', 'tcp://0.0.0.0:0', ...keyed))
    expect(well.filter((each) => /clients|CURVE|HTTP/.test(each))).toEqual(['warning clients'])
    const none = await doctor('--data', join(base.path, 'none'), '--bind', 'tcp://127.0.0.1:0', '--threads', '256')
    expect(unwell(none)).toEqual(expect.arrayContaining(['warning data folder', 'warning memory']))
  })
})

describe('disks', () => {
  const mountable = process.getuid?.() === 0 && process.platform === 'linux'
  const run = promisify(execFile)

  /** A small file system in memory, or nothing where it may not be mounted. */
  async function smallDisk(megabytes: number) {
    const path = join(base.path, `disk${megabytes}`)
    await mkdir(path)
    const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'none', path]).then(
      () => true,
      () => false,
    )
    return {
      path,
      mounted,
      [Symbol.asyncDispose]: async () => void (mounted && (await run('umount', ['-l', path]))),
    }
  }

  it.skipIf(!mountable)(
    'a full disk refuses writes and nothing else, and takes them again when there is room',
    async (context) => {
      await using disk = await smallDisk(24)
      if (!disk.mounted) return context.skip()
      await using small = await startCoreProcess({ dataFolder: join(disk.path, 'data') })
      const { methods } = small.client
      const address = randomBytes(32)
      const put = (key: number) => methods.updateDeltas({ deltas: [{ address, key, data: randomBytes(100_000) }] })
      await put(0)
      const filler = join(disk.path, 'filler')
      await fill(filler)
      let key = 1
      const refused = async (): Promise<boolean> => {
        try {
          await put(key)
          key += 1
          return false
        } catch (error) {
          if (!isWorkerError(error)) throw error
          return true
        }
      }
      while (!(await refused()));
      expect(await refused()).toBe(true)
      expect((await methods.getTip({ address })).key).toBe(key - 1)
      expect((await json('verify', '--data', small.dataFolder)).code).toBe(0)
      const doctor = await json('doctor', '--data', small.dataFolder, '--bind', small.endpoint)
      const checks = doctor.checks as { name: string; status: string }[]
      expect(checks.find(({ name }) => name === 'disk space')).toMatchObject({ status: 'problem' })
      const backUp = await json('backup', join(disk.path, 'backup'), '--data', small.dataFolder)
      expect([backUp.code, existsSync(join(disk.path, 'backup'))]).toEqual([1, false])
      await rm(filler)
      await put(key)
      expect((await methods.getTip({ address })).key).toBe(key)
      await small.process.kill('SIGTERM')
      expect(await json('verify', '--data', small.dataFolder)).toMatchObject({ code: 0, contracts: 1 })
    },
  )

  it.skipIf(!mountable)('a database on another one is compacted there, or stays as it was', async (context) => {
    await using disk = await smallDisk(26)
    if (!disk.mounted) return context.skip()
    const expected = await contentsOf(whole)
    for (const [name, place] of [
      ['linked-inside', join(disk.path, 'inside')],
      ['linked', disk.path],
    ] as const) {
      const folder = await copyOfWhole(name)
      const store = join(folder, 'store')
      await cp(store, place, { recursive: true })
      await rm(store, { recursive: true })
      await symlink(place, store)
      expect(await json('compact', '--data', folder), name).toMatchObject({ code: 0 })
      expect(await contentsOf(folder)).toEqual(expected)
      // Room for what LMDB makes, and not for a copy.
      const filler = join(disk.path, 'filler')
      await fill(filler)
      await truncate(filler, (await stat(filler)).size - 65_536)
      const full = await json('compact', '--data', folder)
      expect([full.code, full.stderr], name).toEqual([1, expect.stringContaining('could not be copied')])
      await rm(filler)
      expect(await contentsOf(folder)).toEqual(expected)
      expect(
        [await readdir(store), await readdir(folder)].flat().filter((left) => left.includes('compacting')),
      ).toEqual([])
    }
  })

  it.skipIf(!mountable)(
    'a data folder that cannot be written is told at once, and can still be read',
    async (context) => {
      await using disk = await smallDisk(25)
      if (!disk.mounted) return context.skip()
      const folder = join(disk.path, 'data')
      await cp(whole, folder, { recursive: true })
      await chmod(folder, 0o755)
      await chmod(join(folder, 'signing-key.sealed'), 0o644)
      const sealingKey = join(base.path, 'sealing-key-elsewhere')
      await copyFile(join(folder, 'sealing.key'), sealingKey)
      await chmod(sealingKey, 0o644)
      await run('mount', ['-o', 'remount,ro', disk.path])
      for (const args of [['core', '--bind', 'tcp://127.0.0.1:0'], ['compact']]) {
        const { code, stderr } = await runCommand([...args, '--data', folder])
        expect([code, stderr], args[0]).toEqual([1, expect.stringContaining('cannot be written (EROFS)')])
      }
      const doctor = await json('doctor', '--data', folder, '--bind', 'tcp://127.0.0.1:0', '--sealing-key', sealingKey)
      const checks = doctor.checks as { name: string; remedy?: string }[]
      const remedies = new Map(checks.map((each) => [each.name, each.remedy]))
      // What lies elsewhere can be changed all the same.
      expect(checks.filter(({ name }) => name === 'key files').map(({ remedy }) => remedy)).toEqual([
        `mount it for writing, and then chmod 600 ${join(folder, 'signing-key.sealed')}`,
        `chmod 600 ${sealingKey}`,
      ])
      expect(doctor.code).toBe(1)
      expect(remedies.get('writing')).toMatch(/^mount it for writing/)
      expect(remedies.get('data folder')).toBe(`mount it for writing, and then chmod 700 ${folder}`)
      expect(await json('verify', '--data', folder)).toMatchObject({ code: 0, contracts: 3 })
      expect(await json('backup', join(base.path, 'from-read-only'), '--data', folder)).toMatchObject({ code: 0 })
    },
  )
})
