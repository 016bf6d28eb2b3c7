import { bytesToHex, keccak256, lengthPrefixed, parsePublicKey, u64be, utf8ToBytes } from '@bletchley/crypto'
import { type Input, isWorkerError, WorkerError } from '@bletchley/protocol'
import { ConflictError, type ContractStore, type DeltaRow, KeyedQueue, type TaskCommit } from '@bletchley/store'
import type { Logger } from 'pino'
import { BoundedMap } from '../boundedMap.ts'
import type { StateKeys } from '../keys/stateKeys.ts'
import type { UserKeys } from '../keys/userKeys.ts'
import { enclaveError, notFound, storeFailed } from '../refusals.ts'
import type { ComputePool } from './computePool.ts'
import type { Computed, Deployed, FailedRun, RebuildRequest, RefusedRun, TaskRequest } from './contractRunner.ts'
import type { ContractRecords } from './contractStates.ts'
import {
  type ComputedReply,
  type DeployedReply,
  decodeReceipt,
  encodeReceipt,
  type FailedReply,
  TaskReplies,
  type TaskReply,
} from './taskReplies.ts'
import type { JobKind, Jobs } from './threadMessages.ts'

type DeployInput = Input<'DeploySecretContract'>
type ComputeInput = Input<'ComputeTask'>

export interface EngineParts {
  store: ContractStore
  userKeys: UserKeys
  stateKeys: StateKeys
  /** Tries to get a state key that is not held; absent if a p2p node does that. */
  fetchStateKey?: (address: Uint8Array) => Promise<void>
  logger: Logger
}

/** Where a contract lives. */
interface Home {
  /** The thread that runs all its tasks, so that its state and its module are there. */
  thread: number
  /** Whether the thread may know a state that the store no longer leads to. */
  stale: boolean
}

/** Contracts whose home thread and code hash are remembered; both can be chosen or computed anew at any time. */
const rememberedContracts = { entries: 100_000 }

/**
 * Takes tasks through their whole life: the user's key, the contract's home thread, the commit, the signed reply.
 *
 * Everything that changes a contract goes through its queue, one thing at a time; reads of the store do not.
 */
export class TaskEngine {
  readonly #parts: EngineParts
  readonly #pool: ComputePool
  readonly #queue = new KeyedQueue()
  readonly #replies = new TaskReplies()
  readonly #homes = new BoundedMap<Home>(rememberedContracts)
  readonly #codeHashes = new BoundedMap<Uint8Array>(rememberedContracts)

  /** @param startPool starts the threads, given where they get contracts' records from */
  constructor(parts: EngineParts, startPool: (records: ContractRecords) => ComputePool) {
    this.#parts = parts
    this.#pool = startPool({
      bytecode: async (address) => copy(await this.#requireBytecode(address)),
      snapshot: async (address) => {
        const snapshot = await parts.store.getSnapshot(address)
        return snapshot && copy(snapshot.data)
      },
      deltas: async (address, from) => {
        for await (const chunk of parts.store.deltaChunks(address, from)) {
          return chunk.map(({ key, data }) => ({ key, data: copy(data) }))
        }
        return []
      },
    })
  }

  /** Ends the threads; tasks that are running or waiting end in an error. */
  close(): Promise<void> {
    return this.#pool.close()
  }

  /**
   * Deploys a contract: runs its constructor, stores bytecode and delta 0, and only then hands out the signed result.
   *
   * @throws WorkerError when the task cannot be answered for: key missing, address in use, storage
   */
  deploy(input: DeployInput): Promise<DeployedReply | FailedReply> {
    const preCodeHash = keccak256(input.preCode)
    const taskId = taskIdOf('DeploySecretContract', input, preCodeHash)
    return this.#task(input, taskId, async (request) => {
      const { store } = this.#parts
      const address = input.contractAddress
      if (await store.hasContract(address)) {
        throw new WorkerError('already_exists', { address })
      }
      const run = await this.#run(address, 'deploy', { ...request, preCode: copy(input.preCode), preCodeHash })
      if (run.kind !== 'success') return failure(run)
      const { delta, output: bytecode } = run
      const reply: DeployedReply = { kind: 'deployed', result: { ...resultOf(run), delta, preCodeHash } }
      await this.#commit(reply, { address, delta, bytecode }, taskId)
      return reply
    })
  }

  /**
   * Computes a function of a deployed contract on its newest state; stores the delta, if there is one, before it hands
   * out the signed result.
   *
   * @throws WorkerError when the task cannot be answered for: contract or key missing, state unusable, storage
   */
  compute(input: ComputeInput): Promise<ComputedReply | FailedReply> {
    const taskId = taskIdOf('ComputeTask', input)
    return this.#task(input, taskId, async (request) => {
      const address = input.contractAddress
      const tip = await this.#parts.store.getTip(address)
      const run = await this.#run(address, 'compute', {
        ...request,
        codeHash: await this.#codeHash(address),
        tip: tip && { key: tip.key, data: copy(tip.data) },
      })
      if (run.kind !== 'success') return failure(run)
      const { delta, previousHash, snapshot } = run
      const reply: ComputedReply = { kind: 'computed', result: { ...resultOf(run), delta: delta ?? { key: 0 } } }
      if (delta !== undefined) {
        await this.#commit(reply, { address, delta, previousHash, snapshot }, taskId)
      }
      return reply
    })
  }

  /** Rebuilds contracts' states from their deltas with the keys that are held now; tells which ones do not rebuild. */
  async rebuild(addresses: readonly Uint8Array[]): Promise<Uint8Array[]> {
    const failed = await Promise.all(
      addresses.map((address) =>
        this.#queue.run([bytesToHex(address)], async () => {
          const tip = await this.#parts.store.getTip(address)
          const stateKey = this.#parts.stateKeys.get(address)
          if (tip === undefined || stateKey === undefined) return []
          const request = { address, stateKey, tip: { key: tip.key, data: copy(tip.data) } }
          return (await this.#rebuilds(request)) ? [] : [address]
        }),
      ),
    )
    return failed.flat()
  }

  /**
   * Runs a write to contracts' records in its turn, behind the tasks that came before it.
   *
   * What is known of the contracts is forgotten with it, here and on their home threads.
   */
  write<T>(addresses: readonly Uint8Array[], job: () => Promise<T>): Promise<T> {
    return this.#queue.run(addresses.map(bytesToHex), async () => {
      try {
        return await job()
      } finally {
        for (const address of addresses) this.#forget(address)
      }
    })
  }

  /** Stores deltas that come from elsewhere. Those behind a contract's tip leave what is known of it as it is. */
  putDeltas(rows: DeltaRow[]): Promise<void> {
    const { store } = this.#parts
    const firstKeys = new Map<string, DeltaRow>()
    for (const row of rows) {
      const name = bytesToHex(row.address)
      const first = firstKeys.get(name)
      if (first === undefined || row.key < first.key) firstKeys.set(name, row)
    }
    return this.#queue.run([...firstKeys.keys()], async () => {
      for (const [name, { address, key }] of firstKeys) {
        if (!this.#homes.has(name)) continue
        const tip = await store.getTip(address)
        if (tip === undefined || key <= tip.key) this.#forget(address)
      }
      await store.putDeltas(rows)
    })
  }

  /** What deployment and computation share: the retry, the one-time key, the state key, the home thread. */
  #task<R extends TaskReply>(
    input: ComputeInput,
    taskId: Uint8Array,
    run: (request: TaskRequest) => Promise<R>,
  ): Promise<R> {
    const { userKeys } = this.#parts
    const address = input.contractAddress
    return this.#queue.run([bytesToHex(address)], async () => {
      // The id names the type of the task, so what is kept under it is a reply of that type.
      const earlier = this.#replies.get(taskId) ?? (await this.#storedReply(address, taskId))
      if (earlier !== undefined) return earlier as R
      if (!('preCode' in input)) await this.#codeHash(address)

      const userKey = parseUserKey(input.userDHKey)
      const sharedKey = userKeys.take(userKey)
      if (sharedKey === undefined) throw enclaveError('KeysError')
      try {
        const request: TaskRequest = {
          address,
          encryptedFn: copy(input.encryptedFn),
          encryptedArgs: copy(input.encryptedArgs),
          userKey,
          sharedKey,
          stateKey: await this.#stateKey(address),
          gasLimit: input.gasLimit,
        }
        const reply = await run(request)
        this.#replies.keep(taskId, address, reply)
        return reply
      } catch (error) {
        // Documented refusals burn the key (crypto.md, section 3); a fault of ours leaves the task to be tried again.
        if (!isWorkerError(error) || error.retryable) userKeys.giveBack(userKey, sharedKey)
        throw error
      }
    })
  }

  async #rebuilds(request: RebuildRequest): Promise<boolean> {
    try {
      return await this.#run(request.address, 'rebuild', request)
    } catch (error) {
      // Deltas that take too long to apply are as useless as those that cannot be applied.
      if (isWorkerError(error) && error.code === 'task_aborted') return false
      throw error
    }
  }

  #forget(address: Uint8Array): void {
    const name = bytesToHex(address)
    const home = this.#homes.get(name)
    if (home !== undefined) home.stale = true
    this.#codeHashes.delete(name)
    this.#replies.forget(address)
  }

  async #stateKey(address: Uint8Array): Promise<Uint8Array | undefined> {
    const { stateKeys, fetchStateKey, logger } = this.#parts
    if (stateKeys.get(address) === undefined && fetchStateKey !== undefined) {
      await fetchStateKey(address).catch((error: unknown) =>
        logger.warn({ address: bytesToHex(address), reason: String(error) }, 'state key could not be fetched'),
      )
    }
    return stateKeys.get(address)
  }

  async #commit(
    reply: DeployedReply | ComputedReply,
    commit: Omit<TaskCommit, 'receipt'>,
    taskId: Uint8Array,
  ): Promise<void> {
    try {
      await this.#parts.store.commitTask({ ...commit, receipt: { taskId, reply: encodeReceipt(reply) } })
    } catch (error) {
      // Nothing is stored, so nothing signed may leave; the home thread notices that its state is ahead of the store.
      throw error instanceof ConflictError ? storeFailed(error) : error
    }
  }

  async #storedReply(address: Uint8Array, taskId: Uint8Array): Promise<TaskReply | undefined> {
    const { store } = this.#parts
    const receipt = await store.getReceipt(address, taskId)
    if (receipt === undefined) return undefined
    const data = await store.getDelta(address, receipt.key)
    const bytecode = await store.getBytecode(address)
    if (data === undefined || bytecode === undefined) return undefined
    return decodeReceipt(receipt.reply, { key: receipt.key, data }, bytecode)
  }

  async #requireBytecode(address: Uint8Array): Promise<Uint8Array> {
    const bytecode = await this.#parts.store.getBytecode(address)
    if (bytecode === undefined) throw notFound('get_contract', address)
    return bytecode
  }

  async #codeHash(address: Uint8Array): Promise<Uint8Array> {
    const name = bytesToHex(address)
    const known = this.#codeHashes.get(name)
    if (known !== undefined) return known
    const hash = keccak256(await this.#requireBytecode(address))
    this.#codeHashes.set(name, hash)
    return hash
  }

  /** Runs a job on the contract's home thread; a new contract gets one with little to do. */
  #run<K extends JobKind>(address: Uint8Array, kind: K, request: Jobs[K]['request']): Promise<Jobs[K]['result']> {
    const name = bytesToHex(address)
    const home = this.#homes.get(name) ?? { thread: this.#pool.nextThread(), stale: true }
    this.#homes.set(name, { ...home, stale: false })
    return this.#pool.run(home.thread, { kind, request, forget: home.stale })
  }
}

function parseUserKey(userKey: Uint8Array): Uint8Array {
  try {
    return copy(parsePublicKey(userKey))
  } catch (error) {
    throw enclaveError('KeysError', error)
  }
}

/** Names a task by everything that its result depends on. */
function taskIdOf(type: string, input: ComputeInput, preCodeHash: Uint8Array = new Uint8Array()): Uint8Array {
  const { encryptedFn, encryptedArgs, contractAddress, userDHKey, gasLimit } = input
  return keccak256(
    lengthPrefixed([
      utf8ToBytes(type),
      encryptedFn,
      encryptedArgs,
      contractAddress,
      preCodeHash,
      userDHKey,
      u64be(gasLimit),
    ]),
  )
}

/** The reply to a task without a result; throws if it is none to answer for. */
function failure(run: FailedRun | RefusedRun): FailedReply {
  if (run.kind === 'refused') throw enclaveError(run.name)
  const { output, usedGas, signature } = run
  return { kind: 'failed', result: { output, usedGas, signature } }
}

function resultOf({ output, usedGas, ethereum, signature }: Deployed | Computed) {
  return {
    output,
    usedGas,
    ethereumPayload: ethereum.payload,
    ethereumAddress: ethereum.address,
    signature,
  }
}

/** A copy of its own: a view of a larger buffer would be cloned whole when it is sent to a thread. */
function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes)
}
