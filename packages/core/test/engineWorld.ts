import { bytesToHex, utf8ToBytes } from '@bletchley/bytes'
import {
  decodePttRequest,
  ecdh,
  encodePttResponse,
  encodeStateKeys,
  encrypt,
  generateKeyPair,
  keccak256,
  lengthPrefixed,
  randomBytes,
  recoverAddress,
  sign,
} from '@bletchley/crypto'
import { type ContractStore, type KeyValueBackend, KeyValueStore, openMemory } from '@bletchley/store'
import { pino } from 'pino'
import { expect } from 'vitest'
import createWabt from 'wabt'
import type { ComputePool } from '../src/engine/computePool.ts'
import { ContractRunner } from '../src/engine/contractRunner.ts'
import type { ContractRecords } from '../src/engine/contractStates.ts'
import { type EndedTask, TaskEngine } from '../src/engine/taskEngine.ts'
import type { JobKind, Jobs } from '../src/engine/threadMessages.ts'
import { StateKeys } from '../src/keys/stateKeys.ts'
import { MemoryUserKeys, type UserKeys } from '../src/keys/userKeys.ts'

export const wabt = await createWabt()
/** `set` writes its arguments, a JSON text, under the key k; `keep` does nothing; any other function fails. */
export const preCode = wabt
  .parseWat(
    'contract.wat',
    `(module
      (import "env" "fetch_args" (func $args (param i32))) (import "env" "fetch_args_length" (func $argsLength (result i32)))
      (import "env" "fetch_function_name" (func $name (param i32)))
      (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
      (import "env" "memory" (memory 17 17))
      (func (export "deploy"))
      (func (export "call")
        (call $name (i32.const 0)) (call $args (i32.const 64))
        (i32.store8 (i32.const 32) (i32.const 107))
        (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 115))
          (then (call $write (i32.const 32) (i32.const 1) (i32.const 64) (call $argsLength)))
          (else (if (i32.ne (i32.load8_u (i32.const 0)) (i32.const 107)) (then (unreachable)))))))`,
  )
  .toBinary({}).buffer
export const worker = generateKeyPair()
export const gasLimit = 1_000_000n

/** Runs jobs as a compute thread does, in this one, and notes them. */
class LocalPool {
  readonly jobs: JobKind[] = []
  readonly forgotten: string[] = []
  readonly known = new Set<string>()
  closed = false
  /** What becomes of the next job of a kind, in place of its work. */
  readonly next = new Map<JobKind, (work: () => Promise<unknown>) => Promise<unknown>>()
  readonly #runner: ContractRunner

  constructor(records: ContractRecords) {
    this.#runner = new ContractRunner(
      { signingKey: worker.secretKey, encryptEmptyOutput: false, share: () => {} },
      records,
    )
  }

  async run<K extends JobKind>(
    kind: K,
    request: Jobs[K]['request'],
    load?: () => Promise<Partial<Jobs[K]['request']>>,
  ): Promise<unknown> {
    this.jobs.push(kind)
    this.known.add(bytesToHex(request.address))
    const work = async () =>
      this.#runner[kind as 'compute']({ ...request, ...(await load?.()) } as Jobs['compute']['request'])
    const instead = this.next.get(kind)
    this.next.delete(kind)
    return instead === undefined ? work() : instead(work)
  }

  knows(address: Uint8Array): boolean {
    return this.known.has(bytesToHex(address))
  }

  forget(addresses: readonly Uint8Array[]): void {
    for (const name of addresses.map(bytesToHex)) {
      this.forgotten.push(name)
      this.#runner.forget(name)
    }
  }

  async close(): Promise<void> {
    this.closed = true
  }
}

interface WorldOptions {
  backend?: KeyValueBackend
  store?: ContractStore
  /** In place of those in memory, which `request` makes. */
  userKeys?: UserKeys
  maxQueue?: number
  fetchStateKey?: (address: Uint8Array) => Promise<void>
}

/** An engine over a store in memory, and what was seen of it. */
export class World {
  readonly store: ContractStore
  readonly engine: TaskEngine
  readonly userKeys = new MemoryUserKeys(worker.secretKey)
  readonly stateKeys = new StateKeys(worker.secretKey, undefined)
  readonly ended: EndedTask[] = []
  readonly states: [string, number][] = []
  readonly log: string[] = []
  pool!: LocalPool

  private constructor(store: ContractStore, { userKeys, maxQueue = 100, fetchStateKey }: WorldOptions) {
    this.store = store
    const { stateKeys } = this
    this.engine = new TaskEngine(
      {
        store,
        userKeys: userKeys ?? this.userKeys,
        stateKeys,
        ...(fetchStateKey && { fetchStateKey }),
        maxQueue,
        observer: {
          taskEnded: (task) => void this.ended.push(task),
          stateSeen: (address, bytes) => void this.states.push([bytesToHex(address), bytes]),
        },
        logger: pino({ base: null }, { write: (line: string) => void this.log.push(line) }),
      },
      (records) => {
        this.pool = new LocalPool(records)
        return this.pool as unknown as ComputePool
      },
    )
  }

  static async start(options: WorldOptions = {}): Promise<World> {
    const { store = await KeyValueStore.open(options.backend ?? openMemory(), { hash: keccak256 }) } = options
    return new World(store, options)
  }

  /** The same store behind a restart. */
  again(): Promise<World> {
    return World.start({ store: this.store })
  }

  /** Another core over the same store, with the key of a contract. */
  async second(address: Uint8Array): Promise<World> {
    const other = await this.again()
    other.installKey(address, this.stateKeys.get(address))
    return other
  }

  /** Gives the worker the key of a contract's state. */
  installKey(address: Uint8Array, key = randomBytes(32)): Uint8Array {
    const { id, publicKey } = decodePttRequest(this.stateKeys.request().request)
    const mine = generateKeyPair()
    const encrypted = encrypt(ecdh(mine.secretKey, publicKey), encodeStateKeys([{ address, key }]))
    const response = encodePttResponse({ id, publicKey: mine.publicKey, encrypted })
    this.stateKeys.install(response, sign(mine.secretKey, response))
    return key
  }

  /** A user's request, behind the exchange of keys. */
  request(contractAddress: Uint8Array, callable: string, args = '') {
    const user = generateKeyPair()
    const { workerEncryptionKey } = this.userKeys.exchange(user.publicKey)
    const sharedKey = ecdh(user.secretKey, workerEncryptionKey)
    const input = {
      contractAddress,
      userDHKey: user.publicKey,
      encryptedFn: encrypt(sharedKey, utf8ToBytes(callable)),
      encryptedArgs: encrypt(sharedKey, utf8ToBytes(args)),
      gasLimit,
    }
    return { sharedKey, input }
  }

  /** A deployed contract. */
  async deployed(address = randomBytes(32)): Promise<Uint8Array> {
    this.installKey(address)
    const reply = await this.engine.deploy({ ...this.request(address, 'construct()').input, preCode }, peer)
    expect(reply.kind).toBe('deployed')
    this.ended.length = 0
    this.states.length = 0
    this.pool.jobs.length = 0
    return address
  }

  set(address: Uint8Array, value: number) {
    return this.engine.compute(this.request(address, 'set()', String(value)).input, peer)
  }

  deltas(address: Uint8Array): Promise<number[]> {
    return this.store.getTip(address).then((tip) => Array.from({ length: (tip?.key ?? -1) + 1 }, (_, key) => key))
  }
}

/** Whose requests they are. */
export const peer = 'peer'

export const signer = (items: Uint8Array[], signature: Uint8Array) => recoverAddress(lengthPrefixed(items), signature)
export const noCall = { payload: new Uint8Array(), address: new Uint8Array(20) }
/** What an error must match. */
export const code = (code: string, data: object = {}) => ({ code, data: expect.objectContaining(data) })
