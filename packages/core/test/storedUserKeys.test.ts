import { bytesToHex, utf8ToBytes } from '@bletchley/bytes'
import { ecdh, encrypt, generateKeyPair, keccak256, randomBytes } from '@bletchley/crypto'
import { StorageError } from '@bletchley/store'
import type { SqlContractStore } from '@bletchley/store/postgres'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { hasServer, SqlDatabase } from '../../store/test/sqlDatabase.ts'
import { StoredUserKeys } from '../src/keys/storedUserKeys.ts'
import { code, gasLimit, peer, preCode, World, worker } from './engineWorld.ts'

const keysError = code('enclave_error', { name: 'KeysError' })

describe.skipIf(!hasServer)('one-time keys in a database that two cores share', () => {
  let database: SqlDatabase
  beforeAll(async () => {
    database = await SqlDatabase.create()
  })
  afterAll(() => database?.[Symbol.asyncDispose]())

  interface Core extends World {
    readonly store: SqlContractStore
  }

  async function openCore(signingKey = worker.secretKey): Promise<Core & { keys: StoredUserKeys }> {
    const store = await database.open({}, { hash: keccak256 })
    const keys = new StoredUserKeys(signingKey, store)
    return Object.assign((await World.start({ store, userKeys: keys })) as Core, { keys })
  }

  /** Two cores, with a contract that both can compute. */
  async function twoCores() {
    const [one, two] = [await openCore(), await openCore()]
    const address = randomBytes(32)
    two.installKey(address, one.installKey(address))
    const { input } = await ask(one, address, 'construct()')
    expect(await one.engine.deploy({ ...input, preCode }, peer)).toMatchObject({ kind: 'deployed' })
    return { one, two, address }
  }

  /** A user's requests, behind the exchange of keys with one of the cores. */
  async function ask(
    core: { keys: StoredUserKeys },
    contractAddress: Uint8Array,
    callable: string,
    ...values: string[]
  ) {
    const user = generateKeyPair()
    const { workerEncryptionKey } = await core.keys.exchange(user.publicKey)
    const sharedKey = ecdh(user.secretKey, workerEncryptionKey)
    const inputs = (values.length > 0 ? values : ['']).map((args) => ({
      contractAddress,
      userDHKey: user.publicKey,
      encryptedFn: encrypt(sharedKey, utf8ToBytes(callable)),
      encryptedArgs: encrypt(sharedKey, utf8ToBytes(args)),
      gasLimit,
    }))
    return { user, sharedKey, input: inputs[0]!, inputs }
  }

  const stored = () => database.query('select count(*)::int from user_keys')

  it('serve at the one an exchange that was made at the other, once', async () => {
    const { one, two, address } = await twoCores()
    const { inputs } = await ask(one, address, 'set()', '5', '6')
    const reply = await two.engine.compute(inputs[0]!, peer)
    expect(reply).toMatchObject({ kind: 'computed', result: { delta: { key: 1 } } })
    expect(await stored()).toEqual([0])
    for (const core of [one, two]) {
      await expect(core.engine.compute(inputs[1]!, peer)).rejects.toMatchObject(keysError)
      // What was answered before is no second task.
      expect(await core.engine.compute(inputs[0]!, peer)).toEqual(reply)
    }
    expect([one.keys.size, two.keys.size]).toEqual([0, 0])
  })

  it.each(['keep()', 'fail()'])('are used up by a task that stores nothing: %s', async (callable) => {
    const { one, two, address } = await twoCores()
    const { inputs } = await ask(one, address, callable, '1', '2')
    await one.engine.compute(inputs[0]!, peer)
    expect(await stored()).toEqual([0])
    await expect(two.engine.compute(inputs[1]!, peer)).rejects.toMatchObject(keysError)
    expect(await one.engine.compute(inputs[0]!, peer)).toMatchObject({
      kind: callable === 'keep()' ? 'computed' : 'failed',
    })
  })

  it('are used up by a documented refusal', async () => {
    const { one, two } = await twoCores()
    // A contract whose state key nobody has.
    const address = randomBytes(32)
    const { input } = await ask(one, address, 'construct()')
    const refusal = code('enclave_error')
    await expect(two.engine.deploy({ ...input, preCode }, peer)).rejects.toMatchObject(refusal)
    expect(await stored()).toEqual([0])
  })

  it('are the user’s still when a core dies, or loses the database, before the commit', async () => {
    const { one, two, address } = await twoCores()
    const { input } = await ask(one, address, 'set()', '5')
    vi.spyOn(one.store, 'commitTask').mockRejectedValueOnce(new StorageError('no connection'))
    await expect(one.engine.compute(input, peer)).rejects.toBeInstanceOf(StorageError)
    expect(await two.engine.compute(input, peer)).toMatchObject({ kind: 'computed', result: { delta: { key: 1 } } })
    // The other one has the same request, and gives the same reply.
    expect(await one.engine.compute(input, peer)).toEqual(await two.engine.compute(input, peer))
  })

  it('serve one of two tasks that come to both at once, whatever they store', async () => {
    const { one, two, address } = await twoCores()
    const other = randomBytes(32)
    two.installKey(other, one.installKey(other))
    const deployment = await ask(one, other, 'construct()')
    await one.engine.deploy({ ...deployment.input, preCode }, peer)
    for (const callable of ['set()', 'keep()', 'fail()']) {
      const { inputs } = await ask(one, address, callable, '1', '2')
      const outcomes = await Promise.allSettled([
        one.engine.compute(inputs[0]!, peer),
        two.engine.compute({ ...inputs[1]!, contractAddress: other }, peer),
      ])
      expect(outcomes.map(({ status }) => status).toSorted(), callable).toEqual(['fulfilled', 'rejected'])
      expect(
        outcomes.find(({ status }) => status === 'rejected'),
        callable,
      ).toMatchObject({ reason: keysError })
      expect(await stored()).toEqual([0])
    }
  })

  it('are taken by one task at a time of one core, and the others do not run', async () => {
    const { one, address } = await twoCores()
    const other = randomBytes(32)
    one.installKey(other)
    await one.engine.deploy({ ...(await ask(one, other, 'construct()')).input, preCode }, peer)
    const { inputs } = await ask(one, address, 'keep()', '1', '2')
    const outcomes = await Promise.allSettled([
      one.engine.compute(inputs[0]!, peer),
      one.engine.compute({ ...inputs[1]!, contractAddress: other }, peer),
    ])
    expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
    expect(one.pool.jobs.filter((kind) => kind === 'compute')).toHaveLength(1)
  })

  it('are sealed for their user, by the signing key', async () => {
    const { one, two, address } = await twoCores()
    const first = await ask(one, address, 'set()', '1')
    const second = await ask(one, address, 'set()', '2')
    const sealed = (await database.query(`select encode(sealed, 'hex') from user_keys`)).join()
    for (const { sharedKey } of [first, second]) expect(sealed).not.toContain(bytesToHex(sharedKey))
    const of = ({ user }: typeof first) => `user_key = '\\x${bytesToHex(user.publicKey)}'`
    await database.query(
      `update user_keys set sealed = (select sealed from user_keys where ${of(first)}) where ${of(second)}`,
    )
    await expect(two.engine.compute(second.input, peer)).rejects.toMatchObject(keysError)
    const stranger = await openCore(generateKeyPair().secretKey)
    stranger.installKey(address, one.stateKeys.get(address))
    await expect(stranger.engine.compute(first.input, peer)).rejects.toMatchObject(keysError)
    expect(await two.engine.compute(first.input, peer)).toMatchObject({ kind: 'computed' })
    await database.query('delete from user_keys')
  })

  it('of a second exchange replace those of the first', async () => {
    const { one, two, address } = await twoCores()
    const { input, user } = await ask(one, address, 'set()', '1')
    await two.keys.exchange(user.publicKey)
    // What was sealed with the old one is not to be opened.
    expect(await one.engine.compute(input, peer)).toMatchObject({ kind: 'failed' })
  })
})
