import { randomBytes } from '@bletchley/crypto'
import type { CoreClient } from './coreClient.ts'
import { decodeResult, type OpenedEthereumCall, type OpenedFailure } from './user/index.ts'
import { computeFunction, deployContract, type TaskEnd } from './userTasks.ts'

export interface ContractOptions {
  /** The most gas a task may use; 100 million if absent. */
  gasLimit?: bigint
  /** 20 bytes: the worker whose signatures are accepted; whoever answers if absent. */
  workerAddress?: Uint8Array
}

export interface DeployOptions extends ContractOptions {
  /** 32 bytes; random if absent. */
  address?: Uint8Array
}

/** A function that went well: decrypted, decoded, and signed by the worker. */
export interface Computed<Value> {
  value: Value
  usedGas: bigint
  /** Key of the new delta; undefined if the state did not change. */
  delta: number | undefined
  ethereum: OpenedEthereumCall
}

/** A task that the worker signed as failed. The message is its reason, decrypted. */
export class TaskFailed extends Error {
  override readonly name = 'TaskFailed'
  readonly usedGas: bigint

  constructor({ message, usedGas }: OpenedFailure) {
    super(message)
    this.usedGas = usedGas
  }
}

const defaultGasLimit = 100_000_000n

/** A deployed contract, behind a core: what `bletchley contract abi` writes the functions of a contract around. */
export class SecretContract {
  readonly client: CoreClient
  /** 32 bytes. */
  readonly address: Uint8Array
  readonly #options: ContractOptions

  constructor(client: CoreClient, address: Uint8Array, options: ContractOptions = {}) {
    this.client = client
    this.address = address
    this.#options = options
  }

  /**
   * @param construct `construct(type,…)`
   * @throws TaskFailed if the constructor fails; UserError if anything does not verify; WorkerError if the core refuses
   */
  static async deploy(
    client: CoreClient,
    preCode: Uint8Array,
    construct: string,
    args: readonly unknown[],
    { address = randomBytes(32), ...options }: DeployOptions = {},
  ): Promise<SecretContract> {
    const call = { gasLimit: defaultGasLimit, ...options, contractAddress: address, callable: construct, args }
    succeeded(await deployContract(client, preCode, call))
    return new SecretContract(client, address, options)
  }

  /**
   * @param callable `name(type,…)`
   * @param outputs of the function, as in the JSON ABI of Solidity; they say what `Value` is (`decodeResult`)
   * @throws TaskFailed if the function fails; UserError if anything does not verify; WorkerError if the core refuses
   */
  async compute<Value>(
    callable: string,
    outputs: readonly { name: string; type: string }[],
    args: readonly unknown[],
  ): Promise<Computed<Value>> {
    const call = { gasLimit: defaultGasLimit, ...this.#options, contractAddress: this.address, callable, args }
    const { output, usedGas, delta, ethereum } = succeeded(await computeFunction(this.client, call))
    return { value: decodeResult(outputs, output) as Value, usedGas, delta: delta?.key, ethereum }
  }
}

function succeeded<Opened>(end: TaskEnd<Opened>): Opened {
  if (end.kind === 'failed') throw new TaskFailed(end)
  return end
}
