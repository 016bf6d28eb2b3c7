import { bytesToHex, equalBytes, u64be, utf8ToBytes } from '@bletchley/bytes'
import { lengthPrefixedParts, parsePublicKey } from '@bletchley/crypto'
import { type Input, isWorkerError, type TaskType, WorkerError } from '@bletchley/protocol'
import {
  BoundedMap,
  type ContractStore,
  type ContractVersion,
  type DeltaRow,
  KeyedQueue,
  type LoadedContract,
  Pacer,
  type TaskCommit,
  type UserKeyName,
} from '@bletchley/store'
import type { Logger } from 'pino'
import type { StateKeys } from '../keys/stateKeys.ts'
import type { UserKeys } from '../keys/userKeys.ts'
import { copyWithPauses, hashWithPauses } from '../largeBytes.ts'
import { enclaveError, notFound } from '../refusals.ts'
import type { ComputePool } from './computePool.ts'
import { ContractQueue } from './contractQueue.ts'
import type {
  Computed,
  Deployed,
  FailedRun,
  RebuildRequest,
  Rebuilt,
  RefusedRun,
  TaskRequest,
} from './contractRunner.ts'
import type { ContractRecords, NewSnapshot } from './contractStates.ts'
import { copy, storedRecords } from './storedRecords.ts'
import {
  type ComputedReply,
  type DeployedReply,
  decodeReceipt,
  encodeReceipt,
  type FailedReply,
  TaskReplies,
  type TaskReply,
} from './taskReplies.ts'

type DeployInput = Input<'DeploySecretContract'>
type ComputeInput = Input<'ComputeTask'>

export interface EngineParts {
  store: ContractStore
  userKeys: UserKeys
  stateKeys: StateKeys
  /** Tries to get a state key that is not held, and throws nothing; absent if a p2p node does that. */
  fetchStateKey?: (address: Uint8Array) => Promise<void>
  /**
   * Requests of one connection that change one contract and run or wait, while the others have none: half of what they leave of
   * twice as many. Further ones are refused.
   */
  maxQueue: number
  observer?: TaskObserver
  logger: Logger
}

/** Looks on at tasks; what it does may neither fail nor take long. */
export interface TaskObserver {
  taskEnded(task: EndedTask): void
  /** @param bytes of the contract's newest state, before encryption */
  stateSeen(address: Uint8Array, bytes: number): void
}

/** A task that a contract was run for; a retry that gets the kept reply is none. */
export interface EndedTask {
  address: Uint8Array
  type: TaskType
  outcome: 'success' | 'failed' | 'error'
  /** 0 for an error: nobody is billed. */
  usedGas: bigint
  /** The delta that it made, if it made one. */
  delta?: { key: number; data: Uint8Array } | undefined
}

/** What a task is known by. */
interface TaskIdentity {
  /** 32 bytes. */
  taskId: Uint8Array
  /** keccak256 of what is to be deployed, 32 bytes; empty for a computation. */
  preCodeHash: Uint8Array
}

/** How a task is taken: by default it is new, and may always begin. */
export interface Turn {
  /** Is called when nothing is done yet, and no key used up; what it throws is the answer. */
  mayBegin?(): void
  /** It was taken before, and its reply is asked for: however many wait for the contract, it is not refused. */
  readonly isAgain?: boolean
}

/** Whose jobs are the worker's own: no connection has that name. */
const nobody = ''

/** Contracts whose code hash is remembered. */
const rememberedCodeHashes = { entries: 100_000 }

/** Contracts that are forgotten before others have their turn. */
const forgottenAtOnce = 256

/** How often a task is run again because somebody else has changed its contract, before its peer is told to try later. */
const mostReruns = 5

/**
 * Takes tasks through their whole life: the user's key, the contract's home thread, the commit, the signed reply.
 *
 * Everything that changes a contract goes through its queue, one thing at a time; reads of the store do not. Of that, each
 * connection (`peer`) has its share; what the worker does by itself is nobody's.
 */
export class TaskEngine {
  readonly #parts: EngineParts
  readonly #pool: ComputePool
  readonly #queue: ContractQueue
  readonly #replies = new TaskReplies()
  /** Codes are hashed one at a time for whoever looks at contracts. */
  readonly #hashing = new KeyedQueue()
  readonly #codeHashes = new BoundedMap<Uint8Array>(rememberedCodeHashes)
  /** Contracts that a snapshot is being made of. */
  readonly #snapshots = new Set<string>()

  /** @param startPool starts the threads, given where they get contracts' records from */
  constructor(parts: EngineParts, startPool: (records: ContractRecords) => ComputePool) {
    this.#parts = parts
    this.#queue = new ContractQueue(parts.maxQueue)
    this.#pool = startPool(storedRecords(parts.store))
  }

  get pool(): ComputePool {
    return this.#pool
  }

  /** How many jobs each contract has, running or waiting, by its address in hex. */
  get queue(): Iterable<readonly [address: string, jobs: number]> {
    return this.#queue.lengths
  }

  /** Jobs of all contracts, running or waiting. */
  get jobs(): number {
    let sum = 0
    for (const [, length] of this.#queue.lengths) sum += length
    return sum
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
  deploy(input: DeployInput, peer: string, turn?: Turn): Promise<DeployedReply | FailedReply> {
    return this.#task('DeploySecretContract', input, peer, turn, async (request, identity, loaded, burnt) => {
      const { taskId, preCodeHash } = identity
      const address = input.contractAddress
      if (loaded !== undefined) throw new WorkerError('already_exists', { address })
      const run = await this.#pool.run('deploy', {
        ...request,
        preCode: await copyWithPauses(input.preCode),
        preCodeHash,
      })
      if (run.kind !== 'success') return failure(run)
      const { delta, deltaHash, output: bytecode, codeHash, stateBytes } = run
      const reply: DeployedReply = { kind: 'deployed', result: { ...resultOf(run, delta), preCodeHash }, codeHash }
      const code = { bytecode, hash: codeHash }
      const commit = { address, version: undefined, delta, deltaHash, code, burnt }
      if (!(await this.#commit(reply, commit, taskId))) return undefined
      this.#parts.observer?.stateSeen(address, stateBytes)
      this.#prepare(address, codeHash)
      return reply
    })
  }

  /**
   * Computes a function of a deployed contract on its newest state; stores the delta, if there is one, before it hands
   * out the signed result.
   *
   * @throws WorkerError when the task cannot be answered for: contract or key missing, state unusable, storage
   */
  compute(input: ComputeInput, peer: string, turn?: Turn): Promise<ComputedReply | FailedReply> {
    return this.#task('ComputeTask', input, peer, turn, async (request, { taskId }, loaded, burnt) => {
      const address = input.contractAddress
      const { version, tip } = codeOf(loaded, address)
      const codeHash = loaded?.codeHash ?? (await this.#hashOnThread(address))
      const run = await this.#pool.run('compute', { ...request, codeHash, tip })
      if (run.kind === 'moved') return undefined
      // Deltas that changed while they were read are no reason to refuse.
      if (run.kind === 'refused' && !(await this.#isStill(address, version))) return undefined
      if (run.kind !== 'success') return failure(run)
      const { delta, deltaHash, snapshotDue, stateBytes } = run
      const reply: ComputedReply = { kind: 'computed', result: resultOf(run, delta ?? { key: 0 }) }
      if (delta !== undefined && !(await this.#commit(reply, { address, version, delta, deltaHash, burnt }, taskId))) {
        return undefined
      }
      if (snapshotDue) this.#takeSnapshot(address)
      this.#parts.observer?.stateSeen(address, stateBytes)
      return reply
    })
  }

  /**
   * Rebuilds contracts' states from their deltas with the keys that are held now; tells which ones do not rebuild. It counts to
   * its peer's share, and is not refused.
   */
  async rebuild(addresses: readonly Uint8Array[], peer: string): Promise<Uint8Array[]> {
    const pacer = new Pacer()
    const failed = await Promise.all(
      addresses.map((address) =>
        this.#queue.run(peer, [bytesToHex(address)], async () => {
          while (pacer.due) await pacer.pause()
          const stateKey = this.#parts.stateKeys.get(address)
          if (stateKey === undefined) return []
          const tip = (await this.#parts.store.load(address)).contract?.tip
          if (tip === undefined) return []
          const { whole, snapshot, stateBytes } = await this.#rebuild({ address, stateKey, tip })
          if (snapshot !== undefined) await this.#keepSnapshot(address, snapshot)
          // Behind the write, with which what was known of the contract is forgotten.
          if (whole) this.#parts.observer?.stateSeen(address, stateBytes)
          return whole ? [] : [address]
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
  write<T>(addresses: readonly Uint8Array[], job: () => Promise<T>, peer: string): Promise<T> {
    return this.#queue.runWithinShare(peer, addresses.map(bytesToHex), async () => {
      try {
        return await job()
      } finally {
        await this.#forget(addresses)
      }
    })
  }

  /** Stores deltas that come from elsewhere. Those behind a contract's tip leave what is known of it as it is. */
  putDeltas(rows: DeltaRow[], peer: string): Promise<void> {
    const { store } = this.#parts
    const firstKeys = new Map<string, DeltaRow>()
    for (const row of rows) {
      const name = bytesToHex(row.address)
      const first = firstKeys.get(name)
      if (first === undefined || row.key < first.key) firstKeys.set(name, row)
    }
    return this.#queue.runWithinShare(peer, [...firstKeys.keys()], async () => {
      const pacer = new Pacer()
      const changed: Uint8Array[] = []
      for (const { address, key } of firstKeys.values()) {
        await pacer.pause()
        if (!this.#pool.knows(address)) continue
        const tip = await store.getTipKey(address)
        if (tip === undefined || key <= tip) changed.push(address)
      }
      await this.#forget(changed)
      await store.putDeltas(rows)
    })
  }

  /** What deployment and computation share: the retry, the one-time key, the state key, the home thread. */
  async #task<R extends TaskReply>(
    type: TaskType,
    input: ComputeInput & { preCode?: Uint8Array },
    peer: string,
    { mayBegin, isAgain = false }: Turn = {},
    run: (
      request: TaskRequest,
      identity: TaskIdentity,
      loaded: LoadedContract | undefined,
      burnt: UserKeyName | undefined,
    ) => Promise<R | undefined>,
  ): Promise<R> {
    const { store, userKeys, observer } = this.#parts
    const address = input.contractAddress
    const names = [bytesToHex(address)]
    const job = async (): Promise<R> => {
      const identity = await identityOf(type, input)
      const { taskId } = identity
      const userKey = readUserKey(input.userDHKey)
      let { contract: loaded, userKey: stored } = await store.load(address, taskId, userKey)
      // The id names the type of the task, so what is kept under it is a reply of that type.
      let earlier = await this.#earlierReply(type, address, taskId, loaded)
      if (earlier !== undefined) return earlier as R
      if (type === 'ComputeTask') codeOf(loaded, address)

      if (userKey === undefined) throw enclaveError('KeysError')
      mayBegin?.()
      const taken = userKeys.take(userKey, stored)
      if (taken === undefined) throw enclaveError('KeysError')
      const { sharedKey, burnt } = taken
      let isUnused = false
      try {
        for (let reruns = 0; ; reruns++) {
          // Each run has copies of its own: they are given to its thread.
          const request: TaskRequest = {
            address,
            encryptedFn: await copyWithPauses(input.encryptedFn),
            encryptedArgs: await copyWithPauses(input.encryptedArgs),
            userKey,
            sharedKey,
            stateKey: await this.#stateKey(address),
            gasLimit: input.gasLimit,
          }
          const reply = await run(request, identity, loaded, burnt)
          if (reply !== undefined) {
            // Another task may have used it meanwhile, at another core.
            if (!hasDelta(reply) && !(await taken.use())) throw enclaveError('KeysError')
            this.#replies.keep(taskId, address, reply)
            observer?.taskEnded({ address, type, ...endOf(reply) })
            return reply
          }
          // Somebody else has changed the contract: perhaps by this very task.
          this.#codeHashes.delete(names[0]!)
          if (reruns === mostReruns) {
            throw new WorkerError('busy', {
              limit: 'changes of this contract by others in one task',
              maximum: mostReruns,
            })
          }
          ;({ contract: loaded, userKey: stored } = await store.load(address, taskId, userKey))
          earlier = await this.#earlierReply(type, address, taskId, loaded)
          if (earlier !== undefined) return earlier as R
          if (burnt !== undefined && (stored === undefined || !equalBytes(stored.id, burnt.id)))
            throw enclaveError('KeysError')
        }
      } catch (error) {
        observer?.taskEnded({ address, type, outcome: 'error', usedGas: 0n })
        // Documented refusals burn the key (crypto.md, section 3); a fault of ours leaves the task to be tried again.
        isUnused = !isWorkerError(error) || error.retryable
        if (!isUnused) await taken.use()
        throw error
      } finally {
        taken.end(isUnused)
      }
    }
    return isAgain ? this.#queue.run(peer, names, job) : this.#queue.runWithinShare(peer, names, job)
  }

  async #rebuild(request: RebuildRequest): Promise<Rebuilt> {
    try {
      return await this.#pool.run('rebuild', request)
    } catch (error) {
      // Deltas that take too long to apply are as useless as those that cannot be applied.
      if (isWorkerError(error) && error.code === 'task_aborted') return { whole: false, stateBytes: 0 }
      throw error
    }
  }

  /** Stores what a rebuild arrived at, so that the next one is short. Without it the contract is as good. */
  async #keepSnapshot(address: Uint8Array, { key, deltaHash, data }: NewSnapshot): Promise<void> {
    const { store, logger } = this.#parts
    try {
      await store.putSnapshot(address, { key, data }, deltaHash)
    } catch (error) {
      logger.warn({ address: bytesToHex(address), err: error }, 'snapshot could not be stored')
    }
  }

  /** Has a contract's code compiled before it is first computed. Nobody waits for it, and whoever computes can do it. */
  #prepare(address: Uint8Array, codeHash: Uint8Array): void {
    this.#keepHash(address, codeHash)
    this.#pool.run('prepare', { address, codeHash }).catch(() => {})
  }

  /**
   * Has a contract's snapshot made in its turn, behind the reply to the task that made it due. If that fails, the next
   * task sees that it still is due.
   */
  #takeSnapshot(address: Uint8Array): void {
    const name = bytesToHex(address)
    if (this.#snapshots.has(name)) return
    this.#snapshots.add(name)
    this.rebuild([address], nobody)
      .catch(() => {})
      .finally(() => this.#snapshots.delete(name))
  }

  async #forget(addresses: readonly Uint8Array[]): Promise<void> {
    const pacer = new Pacer()
    for (let at = 0; at < addresses.length; at += forgottenAtOnce) {
      await pacer.pause()
      const some = addresses.slice(at, at + forgottenAtOnce)
      this.#pool.forget(some)
      for (const address of some) {
        const name = bytesToHex(address)
        this.#codeHashes.delete(name)
        this.#replies.forget(address)
      }
    }
  }

  async #stateKey(address: Uint8Array): Promise<Uint8Array | undefined> {
    const { stateKeys, fetchStateKey } = this.#parts
    if (stateKeys.get(address) === undefined) await fetchStateKey?.(address)
    return stateKeys.get(address)
  }

  /** @returns whether it is stored: if not, somebody else has changed the contract, and nothing signed may leave */
  async #commit(
    reply: DeployedReply | ComputedReply,
    commit: Omit<TaskCommit, 'receipt'>,
    taskId: Uint8Array,
  ): Promise<boolean> {
    const receipt = { taskId, reply: await encodeReceipt(reply) }
    return (await this.#parts.store.commitTask({ ...commit, receipt })) === 'committed'
  }

  /** What a task was answered before, as long as that is true. */
  async #earlierReply(
    type: TaskType,
    address: Uint8Array,
    taskId: Uint8Array,
    loaded: LoadedContract | undefined,
  ): Promise<TaskReply | undefined> {
    const kept = this.#replies.get(taskId)
    if (kept !== undefined && (await this.#stands(address, kept, loaded))) return kept
    return loaded?.hasBytecode && loaded.hasReceipt ? this.#storedReply(type, address, taskId, loaded) : undefined
  }

  async #isStill(address: Uint8Array, { sequence, revision }: ContractVersion): Promise<boolean> {
    const now = (await this.#parts.store.load(address)).contract?.version
    return now?.sequence === sequence && now.revision === revision
  }

  /** Whether the delta of a reply is in the chain still, and the code of a deployment in its place. */
  async #stands(address: Uint8Array, reply: TaskReply, loaded: LoadedContract | undefined): Promise<boolean> {
    if (reply.kind === 'failed' || reply.result.delta.data === undefined) return true
    const codeHash = loaded?.codeHash
    if (reply.kind === 'deployed' && codeHash !== undefined && !equalBytes(codeHash, reply.codeHash)) return false
    const { key, data } = reply.result.delta
    const stored = await this.#parts.store.getDelta(address, key, new Pacer())
    return stored !== undefined && equalBytes(stored, data)
  }

  async #storedReply(
    type: TaskType,
    address: Uint8Array,
    taskId: Uint8Array,
    { codeHash }: LoadedContract,
  ): Promise<TaskReply | undefined> {
    const { store } = this.#parts
    // It may wait for a thread: before anything large is held.
    const hash = type === 'ComputeTask' ? undefined : (codeHash ?? (await this.#hashOnThread(address)))
    const receipt = await store.getReceipt(address, taskId)
    if (receipt === undefined) return undefined
    const pacer = new Pacer()
    const data = await store.getDelta(address, receipt.key, pacer)
    if (data === undefined) return undefined
    const bytecode = hash && (await store.getBytecode(address, pacer))
    const code = hash && bytecode && { bytecode, hash }
    return decodeReceipt(receipt.reply, { key: receipt.key, data }, code)
  }

  /**
   * The code hash for a task, found out where its contract runs: so no more codes are in memory than there are threads, however
   * many tasks ask.
   */
  async #hashOnThread(address: Uint8Array): Promise<Uint8Array> {
    const known = this.#knownHash(address)
    if (known !== undefined) return known
    const hash = await this.#pool.run('hashCode', { address })
    if (hash === undefined) throw notFound('get_contract', address)
    return this.#keepHash(address, hash)
  }

  /** keccak256 of a contract's stored bytecode; waits for no task. Throws WorkerError `not_found` if there is none. */
  codeHash(address: Uint8Array): Promise<Uint8Array> {
    return this.#hashing.run([''], async () => {
      const known = this.#knownHash(address)
      if (known !== undefined) return known
      const bytecode = await this.#parts.store.getBytecode(address)
      if (bytecode === undefined) throw notFound('get_contract', address)
      return this.#keepHash(address, await hashWithPauses(bytecode))
    })
  }

  #knownHash(address: Uint8Array): Uint8Array | undefined {
    return this.#codeHashes.get(bytesToHex(address))
  }

  #keepHash(address: Uint8Array, hash: Uint8Array): Uint8Array {
    this.#codeHashes.set(bytesToHex(address), hash)
    return hash
  }
}

function readUserKey(userKey: Uint8Array): Uint8Array | undefined {
  try {
    return copy(parsePublicKey(userKey))
  } catch {
    return undefined
  }
}

/** A contract that has code. */
function codeOf(loaded: LoadedContract | undefined, address: Uint8Array): LoadedContract {
  if (loaded === undefined || !loaded.hasBytecode) throw notFound('get_contract', address)
  return loaded
}

/** Names a task by everything that its result depends on. */
async function identityOf(type: TaskType, input: ComputeInput & { preCode?: Uint8Array }): Promise<TaskIdentity> {
  const { encryptedFn, encryptedArgs, contractAddress, userDHKey, gasLimit, preCode } = input
  const preCodeHash = preCode === undefined ? new Uint8Array() : await hashWithPauses(preCode)
  const taskId = await hashWithPauses(
    ...lengthPrefixedParts([
      utf8ToBytes(type),
      encryptedFn,
      encryptedArgs,
      contractAddress,
      preCodeHash,
      shortKey(userDHKey),
      u64be(gasLimit),
    ]),
  )
  return { taskId, preCodeHash }
}

/** A user's key as its 64 bytes, in whichever form it came; what is none stays as it is, and is refused in its turn. */
function shortKey(userKey: Uint8Array): Uint8Array {
  try {
    return parsePublicKey(userKey)
  } catch {
    return userKey
  }
}

/** Whether a reply's task has stored anything. */
function hasDelta(reply: TaskReply): boolean {
  return reply.kind !== 'failed' && reply.result.delta.data !== undefined
}

/** The reply to a task without a result; throws if it is none to answer for. */
function failure(run: FailedRun | RefusedRun): FailedReply {
  if (run.kind === 'refused') throw enclaveError(run.name)
  const { output, usedGas, signature } = run
  return { kind: 'failed', result: { output, usedGas, signature } }
}

function endOf({ kind, result }: TaskReply): Pick<EndedTask, 'outcome' | 'usedGas' | 'delta'> {
  if (kind === 'failed') return { outcome: 'failed', usedGas: result.usedGas }
  const { delta, usedGas } = result
  return { outcome: 'success', usedGas, delta: delta.data && { key: delta.key, data: delta.data } }
}

/** Written out: V8 gives each object that others are spread into a shape of its own, 260 bytes of every reply that is kept. */
function resultOf<D>({ output, usedGas, ethereum, signature }: Deployed | Computed, delta: D) {
  return {
    delta,
    output,
    usedGas,
    ethereumPayload: ethereum.payload,
    ethereumAddress: ethereum.address,
    signature,
  }
}
