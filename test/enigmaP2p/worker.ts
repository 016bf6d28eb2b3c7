import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type CoreProcess, startCoreProcess } from '@bletchley/testkit'
import { type Chain, keccak } from './chain.ts'
import { type Call, decodeUint64, type EncryptedCall, taskRecord, User } from './dapp.ts'
import { P2pNode, type StateKeySource, type SuccessResult, type Task, type TaskResult } from './p2pNode.ts'

const ledger = readFileSync(new URL('../../contracts/ledger/build/ledger.wasm', import.meta.url))

/** The account that the ledgers of these tests issue to. */
export const issuer = `0x${'a1'.repeat(32)}` as const
const gasLimit = 4_000_000

export function randomAddress(): string {
  return randomBytes(32).toString('hex')
}

/** A task that was run, with the user who wanted it. */
export interface Ended {
  user: User
  task: Task
  result: TaskResult
}

export interface Succeeded extends Ended {
  result: SuccessResult
}

/** A worker of the network: a core process, and the node in front of it. */
export class Worker implements AsyncDisposable {
  readonly core: CoreProcess
  readonly node: P2pNode
  /** As the chain knows it: 40 digits. */
  readonly address: string

  private constructor(core: CoreProcess, node: P2pNode, address: string) {
    this.core = core
    this.node = node
    this.address = address
  }

  /** `principal`: whose signature the core demands on state keys. */
  static async start(
    stateKeys: StateKeySource,
    { principal, dataFolder }: { principal?: string; dataFolder?: string } = {},
  ): Promise<Worker> {
    const core = await startCoreProcess({
      dialect: 'enigma-p2p',
      args: principal === undefined ? [] : ['--principal', principal],
      ...(dataFolder !== undefined && { dataFolder }),
    })
    const node = new P2pNode(core.endpoint, stateKeys)
    return new Worker(core, node, (await node.getRegistrationParams()).signingKey)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.node[Symbol.dispose]()
    await this.core[Symbol.asyncDispose]()
  }

  /** A user who has exchanged a key with this worker. */
  async meet(user = new User()): Promise<User> {
    user.acceptWorkerKey(this.address, await this.node.newTaskEncryptionKey(user.publicKey))
    return user
  }

  /** `encrypt` stands in for the user's own encryption. */
  async runDeployment(
    contractAddress: string,
    call: Call,
    { preCode = ledger, encrypt }: { preCode?: Uint8Array; encrypt?: (user: User) => EncryptedCall } = {},
  ): Promise<Ended> {
    const user = await this.meet()
    const encrypted = encrypt?.(user) ?? user.encrypt(call)
    const task: Task = {
      type: 'DeploySecretContract',
      taskId: contractAddress,
      contractAddress,
      call: encrypted,
      record: taskRecord(encrypted, keccak(preCode), call.gasLimit),
      preCode: [...preCode],
    }
    return { user, task, result: await this.node.execute(task) }
  }

  async runComputation(contractAddress: string, call: Call, encrypt?: (user: User) => EncryptedCall): Promise<Ended> {
    const user = await this.meet()
    const encrypted = encrypt?.(user) ?? user.encrypt(call)
    const task: Task = {
      type: 'ComputeTask',
      taskId: randomAddress(),
      contractAddress,
      call: encrypted,
      record: taskRecord(encrypted, contractAddress, call.gasLimit),
    }
    return { user, task, result: await this.node.execute(task) }
  }

  /** Deploys a ledger with this supply, and commits it. */
  async deployLedger(chain: Chain, contractAddress: string, supply = 1000n): Promise<Succeeded> {
    const ended = await this.runDeployment(contractAddress, ledgerDeployment(supply))
    return this.#committed(chain, ended)
  }

  async compute(chain: Chain, contractAddress: string, call: Call): Promise<Succeeded> {
    return this.#committed(chain, await this.runComputation(contractAddress, call))
  }

  async readSupply(chain: Chain, contractAddress: string): Promise<bigint> {
    const { user, result } = await this.compute(chain, contractAddress, totalSupply)
    return decodeUint64(user.decrypt(result.output))
  }

  async #committed(chain: Chain, ended: Ended): Promise<Succeeded> {
    const { user, task, result } = ended
    if (result.status === 'FAILED') throw new Error(`the task failed: ${user.decrypt(result.output)}`)
    await this.node.commit(chain, this.address, task, result)
    return { user, task, result }
  }
}

export function ledgerDeployment(supply: bigint): Call {
  return { callable: 'construct(bytes32,uint64)', args: [issuer, supply], gasLimit }
}

export function mint(amount: bigint): Call {
  return { callable: 'mint(bytes32,uint64)', args: [issuer, amount], gasLimit }
}

export const totalSupply: Call = { callable: 'total_supply()', args: [], gasLimit }
