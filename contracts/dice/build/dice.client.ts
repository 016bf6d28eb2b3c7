// The client of Dice, written by `bletchley contract abi`. The functions throw TaskFailed if their task fails.
import { type Computed, type ContractOptions, type CoreClient, type DeployOptions, SecretContract } from '@bletchley/client'

/** Hexadecimal digits behind 0x, or the bytes. */
type Bytes = Hex | Uint8Array

type Hex = `0x${string}`

export type DiceConstructor = []

/** Arguments and results of the functions; `TestNetwork.deploy` of the test kit takes them as its type. */
export type DiceFunctions = {
  begin: { args: [playerHash: Bytes]; result: Hex }
  roll: { args: [playerSeed: Bytes]; result: { first: bigint; second: bigint; playerSeed: Hex; contractSeed: Hex } }
  result: { args: [round: Bytes]; result: { first: bigint; second: bigint; playerSeed: Hex; contractSeed: Hex } }
}

export class Dice {
  readonly contract: SecretContract

  constructor(contract: SecretContract) {
    this.contract = contract
  }

  /** The contract that is deployed at an address of 32 bytes. */
  static at(client: CoreClient, address: Uint8Array, options?: ContractOptions): Dice {
    return new Dice(new SecretContract(client, address, options))
  }

  static async deploy(client: CoreClient, preCode: Uint8Array, args: DiceConstructor, options?: DeployOptions): Promise<Dice> {
    const construct = 'construct()'
    return new Dice(await SecretContract.deploy(client, preCode, construct, args, options))
  }

  begin(playerHash: Bytes): Promise<Computed<Hex>> {
    return this.contract.compute('begin(bytes32)', [{ name: '', type: 'bytes32' }], [playerHash])
  }

  roll(playerSeed: Bytes): Promise<Computed<{ first: bigint; second: bigint; playerSeed: Hex; contractSeed: Hex }>> {
    return this.contract.compute('roll(bytes32)', [{ name: 'first', type: 'uint32' }, { name: 'second', type: 'uint32' }, { name: 'playerSeed', type: 'bytes32' }, { name: 'contractSeed', type: 'bytes32' }], [playerSeed])
  }

  result(round: Bytes): Promise<Computed<{ first: bigint; second: bigint; playerSeed: Hex; contractSeed: Hex }>> {
    return this.contract.compute('result(bytes32)', [{ name: 'first', type: 'uint32' }, { name: 'second', type: 'uint32' }, { name: 'playerSeed', type: 'bytes32' }, { name: 'contractSeed', type: 'bytes32' }], [round])
  }
}
