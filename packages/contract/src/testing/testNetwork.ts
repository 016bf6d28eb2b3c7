import { utf8ToBytes } from '@bletchley/bytes'
import { sha256 } from '@bletchley/crypto'
import { loadContract } from './loadContract.ts'
import { Randomness } from './randomness.ts'
import {
  type AnyFunctions,
  type CallFailed,
  type CallOptions,
  type ContractFunctions,
  failureOf,
  TestContract,
} from './testContract.ts'
import { TestUser } from './testUser.ts'

export interface NetworkOptions {
  /** What looks random follows from it; `1` if absent. */
  seed?: string | number
  /** The most gas of a call, unless it says otherwise; 100 million if absent. */
  gasLimit?: number
}

/** A moment of a network, to go back to. */
export interface Snapshot {
  readonly restore: () => void
}

const defaultGasLimit = 100_000_000

/**
 * A worker in this process: contracts run in its sandbox, and their state is kept in its deltas. Nothing is encrypted for
 * users, and nothing is random: the same calls give the same results, gas and deltas.
 */
export class TestNetwork {
  readonly #randomness: Randomness
  readonly #gasLimit: number
  #contracts: Pick<TestContract, 'remember' | 'forget'>[] = []

  constructor({ seed = 1, gasLimit = defaultGasLimit }: NetworkOptions = {}) {
    this.#randomness = new Randomness(sha256(utf8ToBytes(String(seed))))
    this.#gasLimit = gasLimit
  }

  /** The user of that name. */
  user(name: string): TestUser {
    return new TestUser(name, this.#randomness.named(`user ${name}`))
  }

  /** Users of these names: `const [alice, bob] = network.users('alice', 'bob')`. */
  users<const Names extends readonly string[]>(...names: Names): { [K in keyof Names]: TestUser } {
    return names.map((name) => this.user(name)) as { [K in keyof Names]: TestUser }
  }

  /**
   * Deploys a contract. Its source is compiled, unless the build beside it (`bletchley contract build`) is of that source.
   *
   * @param file a `.ts` file, or a `.wasm` file with its `.abi.json` beside it; a path is relative to the working folder
   * @param args of the constructor
   * @throws CallFailed if the constructor fails; CompileError
   */
  async deploy<Functions extends ContractFunctions = AnyFunctions>(
    file: string | URL,
    args: readonly unknown[] = [],
    options: CallOptions = {},
  ): Promise<TestContract<Functions>> {
    const contract = await this.#create<Functions>(file)
    contract.construct(args, options)
    this.#contracts.push(contract)
    return contract
  }

  /** Deploys a contract whose constructor fails. @throws Error if it does not */
  async deployFails(file: string | URL, args: readonly unknown[] = [], options: CallOptions = {}): Promise<CallFailed> {
    const contract = await this.#create(file)
    return failureOf(`the constructor of ${contract.name}`, () => contract.construct(args, options))
  }

  /** Remembers the states of all contracts, and where randomness stands. */
  snapshot(): Snapshot {
    const contracts = this.#contracts.slice()
    const { position } = this.#randomness
    const returns = contracts.map((contract) => contract.remember())
    return {
      restore: () => {
        for (const contract of this.#contracts) if (!contracts.includes(contract)) contract.forget()
        for (const goBack of returns) goBack()
        this.#contracts = contracts.slice()
        this.#randomness.position = position
      },
    }
  }

  /** Goes back to a snapshot, as often as wanted. Contracts that were deployed since are gone. */
  revertTo(snapshot: Snapshot): void {
    snapshot.restore()
  }

  async #create<Functions extends ContractFunctions>(file: string | URL): Promise<TestContract<Functions>> {
    const loaded = await loadContract(file)
    const place = `contract ${this.#contracts.length}`
    return new TestContract<Functions>({
      ...loaded,
      address: this.#randomness.named(place),
      stateKey: this.#randomness.named(`state key of ${place}`),
      randomness: this.#randomness,
      gasLimit: this.#gasLimit,
    })
  }
}
