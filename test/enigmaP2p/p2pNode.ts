import { randomBytes } from 'node:crypto'
import { Request } from 'zeromq'
import type { Chain, TaskRecord } from './chain.ts'
import { keccak } from './chain.ts'
import type { EncryptedCall, WorkerKey } from './dapp.ts'
import { frameOf, type MessageType } from './messageScheme.ts'

// What an enigma-p2p node (commit 95529ba2) does on the socket of its core, and what it reads of the replies: as
// carelessly as the original, so a member that it needs and that is not there breaks a test here as it broke a node.

/** A reply as the node sees it: it looks at nothing before it reads it, so any of these may be missing in truth. */
export interface CoreReply {
  id: string
  type: string
  msg: string
  error?: unknown
  status?: unknown
  errors?: unknown
  result: CoreResult
}

/** The results of all messages in one, as the node reads them. */
interface CoreResult extends WorkerKey, Omit<SuccessResult, 'taskId' | 'status'> {
  signingKey: string
  report: string
  tips: DeltaRow[]
  deltas: DeltaRow[]
  addresses: string[]
  address: string
  bytecode: number[]
  request: string
  status: number
  errors: { status: number }[]
}

/** The node treats this as a failure of its core. */
export class CoreFailure extends Error {
  readonly reply: CoreReply

  constructor(message: string, reply: CoreReply) {
    super(message)
    this.reply = reply
  }
}

export interface Delta {
  key: number
  data?: number[]
}

export interface DeltaRow {
  address: string
  key: number
  data: number[]
}

export interface Task {
  type: 'DeploySecretContract' | 'ComputeTask'
  taskId: string
  contractAddress: string
  call: EncryptedCall
  record: TaskRecord
  preCode?: number[]
}

export interface SuccessResult {
  taskId: string
  status: 'SUCCESS'
  output: string
  delta: Delta
  usedGas: number
  ethereumPayload: string
  ethereumAddress: string
  signature: string
  preCodeHash?: string
}

export interface FailedResult {
  taskId: string
  status: 'FAILED'
  output: string
  usedGas: number
  signature: string
}

export type TaskResult = SuccessResult | FailedResult

const failedMembers = ['taskId', 'output', 'usedGas', 'signature']
const computeMembers = [
  ...['taskId', 'status', 'output', 'delta', 'usedGas'],
  ...['ethereumPayload', 'ethereumAddress', 'signature'],
]
const deployMembers = [...computeMembers, 'preCodeHash']

/** Where a node gets state keys. */
export interface StateKeySource {
  getStateKeys(params: StateKeyParams): Promise<{ data: string; sig: string }>
}
export interface StateKeyParams {
  data: string
  sig: string
  addresses?: string[]
  block_number?: string
}

/** At most so many deltas are asked for at once. */
const rangeLimit = 10

/** keccak256 of hex text or numbers; null of nothing, as web3 gives it. */
export function hashOf(value: string | number[]): string | null {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'hex') : Buffer.from(value)
  return bytes.length === 0 ? null : keccak(bytes)
}

function hashForChain(value: string | number[]): string {
  const hash = hashOf(value)
  if (hash === null) throw new Error('the chain takes no receipt without this hash')
  return hash
}

export function hasDelta(result: SuccessResult): result is SuccessResult & { delta: Required<Delta> } {
  return Boolean(result.delta.data)
}

/** 12 letters and digits. */
function randomId(): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from(randomBytes(12), (byte) => alphabet[byte % alphabet.length]).join('')
}

export class P2pNode implements Disposable {
  // A node waits for ever; a test should say what it waits for.
  readonly #socket = new Request({ linger: 0, receiveTimeout: 120_000 })
  readonly #stateKeys: StateKeySource
  #queue: Promise<unknown> = Promise.resolve()

  constructor(endpoint: string, stateKeys: StateKeySource) {
    this.#stateKeys = stateKeys
    this.#socket.connect(endpoint)
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }

  /**
   * One request and its reply, in lock-step over the only socket.
   *
   * @throws SchemeError if the node would not send it
   */
  request(type: MessageType, members: object = {}): Promise<CoreReply> {
    const id = randomId()
    const frame = frameOf({ ...members, type, id })
    const reply = this.#queue.then(() => this.#exchange(frame, id))
    this.#queue = reply.catch(() => undefined)
    return reply
  }

  async #exchange(frame: string, id: string): Promise<CoreReply> {
    await this.#socket.send(frame)
    const frames = await this.#socket.receive()
    if (frames.length !== 1) throw new Error(`a reply of ${frames.length} frames`)
    const reply = JSON.parse(frames[0]!.toString()) as CoreReply
    if (reply.id !== id) throw new Error('the node would wait for ever: the reply bears another id')
    return reply
  }

  /** A request of the database family: any top-level `error` is one. */
  async #dbRequest(type: MessageType, members?: object): Promise<CoreReply> {
    const reply = await this.request(type, members)
    if (reply.error) throw new CoreFailure(String(reply.error), reply)
    return reply
  }

  /** A write: it went well if the top-level `status` is 0. (The node overlooks failures without it; tests must not.) */
  async update(type: MessageType, members: object): Promise<CoreReply> {
    const reply = await this.#dbRequest(type, members)
    if (reply.status !== 0) {
      throw new CoreFailure(`the write failed: ${JSON.stringify(reply.errors ?? reply.status)}`, reply)
    }
    return reply
  }

  async getRegistrationParams(): Promise<{ signingKey: string; report: string; signature: string }> {
    return (await this.request('GetRegistrationParams')).result
  }

  async isHealthy(): Promise<boolean> {
    return (await this.getRegistrationParams()).signingKey != null
  }

  /** On behalf of a user who sent his public key. */
  async newTaskEncryptionKey(userPubKey: string): Promise<WorkerKey> {
    const reply = await this.request('NewTaskEncryptionKey', { userPubKey })
    if (reply.type === 'Error') throw new CoreFailure(reply.msg, reply)
    const { workerEncryptionKey, workerSig } = reply.result
    return { workerEncryptionKey, workerSig }
  }

  /** Carries state keys from the principal to the core: those of one deployment, or all. */
  async fetchStateKeys(choice: { addresses?: string[]; block_number?: string } = {}): Promise<void> {
    const request = await this.#dbRequest('GetPTTRequest')
    if (request.type === 'Error') throw new CoreFailure(request.msg, request)
    const { data, sig } = await this.#stateKeys.getStateKeys({
      data: request.result.request,
      sig: request.result.workerSig,
      ...choice,
    })
    const reply = await this.#dbRequest('PTTResponse', { input: { response: data, sig } })
    if (reply.type === 'Error') throw new CoreFailure(reply.msg, reply)
    if (reply.result.errors.length > 0) throw new CoreFailure(JSON.stringify(reply.result), reply)
  }

  /** Runs a task that the chain has confirmed. A deployment begins with the contract's state key. */
  async execute(task: Task): Promise<TaskResult> {
    const { type, taskId, contractAddress, call, record, preCode } = task
    if (type === 'DeploySecretContract') await this.fetchStateKeys({ addresses: [contractAddress] })
    const input = { ...(preCode && { preCode }), ...call, gasLimit: record.gasLimit, contractAddress }
    const reply = await this.request(type, { input })
    if (reply.msg) throw new CoreFailure(reply.msg, reply)
    const result = { ...reply.result, taskId }
    if (reply.type === 'FailedTask') return built({ ...result, status: 'FAILED' }, failedMembers)
    if (reply.type === 'DeploySecretContract') return built({ ...result, status: 'SUCCESS' }, deployMembers)
    if (reply.type === 'ComputeTask') return built({ ...result, status: 'SUCCESS' }, computeMembers)
    throw new CoreFailure(`no result can be built of a ${reply.type}`, reply)
  }

  /** Commits what came of a task. `callbackFails`: the chain took the receipt, but a call of another contract failed. */
  async commit(
    chain: Chain,
    worker: string,
    task: Task,
    result: TaskResult,
    { callbackFails = false } = {},
  ): Promise<void> {
    const { contractAddress: address, record, type } = task
    const isDeployment = type === 'DeploySecretContract'
    if (result.status === 'FAILED') {
      hashForChain(result.output)
      if (isDeployment) chain.commitDeploymentFailure(worker, record, result)
      else chain.commitComputationFailure(worker, address, record, result)
    } else if (callbackFails) {
      await this.#revert(address, isDeployment, result)
    } else if (isDeployment) {
      if (!hasDelta(result)) throw new Error('a deployment without delta')
      const hashes = { codeHash: hashForChain(result.output), deltaHash: hashForChain(result.delta.data) }
      chain.commitDeployment(worker, address, record, { ...result, ...hashes })
    } else {
      const deltaHash = hasDelta(result) ? hashForChain(result.delta.data) : undefined
      const outputHash = hashForChain(result.output)
      chain.commitComputation(worker, address, record, { ...result, deltaHash, outputHash })
    }
  }

  async #revert(address: string, isDeployment: boolean, result: SuccessResult): Promise<void> {
    if (isDeployment) await this.update('RemoveContract', { address })
    else if (hasDelta(result)) {
      const { key } = result.delta
      await this.update('RemoveDeltas', { input: [{ address, from: key, to: key + 1 }] })
    }
  }

  /** Takes over what another worker published: a deployment, a computation, or the failure of one. */
  async storeResult(chain: Chain, type: Task['type'], address: string, published: string): Promise<void> {
    const result = JSON.parse(published) as TaskResult
    if (result.status === 'FAILED') return
    const { codeHash, deltaHashes } = chain.contract(address)
    if (!hasDelta(result)) {
      const [tip] = await this.getTips([address])
      if (tip!.address !== address) throw new Error('the tip of another contract')
      if (hashOf(tip!.data) !== deltaHashes[tip!.key]) throw new Error('the tip is not that of the chain')
      return
    }
    const { delta } = result
    if (hashOf(delta.data) !== deltaHashes[delta.key]) throw new Error('the delta is not that of the chain')
    if (type === 'ComputeTask') {
      await this.update('UpdateDeltas', { deltas: [{ address, key: delta.key, data: delta.data }] })
      return
    }
    if (delta.key !== 0 || hashOf(result.output) !== codeHash) throw new Error('the code is not that of the chain')
    await this.update('UpdateNewContractOnDeployment', { address, bytecode: result.output, delta })
  }

  async getTips(addresses: string[]): Promise<DeltaRow[]> {
    return (await this.#dbRequest('GetTips', { input: addresses })).result?.tips ?? []
  }

  async getAllTips(): Promise<DeltaRow[]> {
    return (await this.#dbRequest('GetAllTips')).result?.tips ?? []
  }

  /** What the node announces to the network. */
  async getAllAddresses(): Promise<string[]> {
    return (await this.#dbRequest('GetAllAddrs')).result.addresses
  }

  /** Brings the core to the state of the chain, with the help of a node that is there already. */
  async synchronize(chain: Chain, provider: P2pNode): Promise<void> {
    const local = new Map((await this.getAllTips()).map(({ address, key }) => [address, key]))
    for (const address of local.keys()) {
      if (!chain.contracts.has(address)) await this.update('RemoveContract', { address })
    }
    for (const [address, { deltaHashes }] of chain.contracts) {
      const localTip = local.get(address)
      const remoteTip = deltaHashes.length - 1
      if (localTip === undefined) await this.#receiveContract(chain, provider, address)
      // With `to` taken as exclusive the last surplus delta stays: a fault of the node that the core has to bear.
      if (localTip !== undefined && localTip > remoteTip) {
        await this.update('RemoveDeltas', { input: [{ address, from: remoteTip + 1, to: localTip }] })
      }
      for (let from = (localTip ?? -1) + 1; from <= remoteTip; from += rangeLimit) {
        const to = Math.min(from + rangeLimit - 1, remoteTip)
        await this.#receiveDeltas(chain, provider, { address, from, to })
      }
    }
  }

  async #receiveContract(chain: Chain, provider: P2pNode, wanted: string): Promise<void> {
    const { type, result } = await provider.provide('GetContract', wanted)
    if (type !== 'GetContract') throw new Error('the peer would not know what this is')
    const { address, bytecode } = result
    if (hashOf(bytecode) !== chain.contract(address).codeHash) throw new Error('the code is not that of the chain')
    await this.update('UpdateNewContract', { address, bytecode })
  }

  /** `to` is the last one. */
  async #receiveDeltas(chain: Chain, provider: P2pNode, { address, from, to }: DeltaRange): Promise<void> {
    const { type, result } = await provider.provide('GetDeltas', [{ address, from, to: to + 1 }])
    if (type !== 'GetDeltas') throw new Error('the peer would not know what this is')
    for (const row of result.deltas) {
      const hash = chain.contracts.get(row.address)?.deltaHashes[row.key]
      if (hash === undefined || hashOf(row.data) !== hash) throw new Error('the delta is not that of the chain')
    }
    await this.update('UpdateDeltas', { deltas: result.deltas })
  }

  /** The whole reply goes to the peer, as it came from the core. */
  async provide(type: 'GetContract' | 'GetDeltas', input: unknown): Promise<CoreReply> {
    return JSON.parse(JSON.stringify(await this.#dbRequest(type, { input }))) as CoreReply
  }
}

interface DeltaRange {
  address: string
  from: number
  to: number
}

/** A result with all the members that the node asks for, or none. */
function built<T extends object>(result: T, members: readonly string[]): T & TaskResult {
  const missing = members.filter((name) => !(name in result))
  if (missing.length > 0) throw new Error(`the node builds no result without ${missing.join()}`)
  return result as T & TaskResult
}
