// The client of Millionaires, written by `bletchley contract abi`. The functions throw TaskFailed if their task fails.
import { type Computed, type ContractOptions, type CoreClient, type DeployOptions, SecretContract } from '@bletchley/client'

/** Hexadecimal digits behind 0x, or the bytes. */
type Bytes = Hex | Uint8Array

type Hex = `0x${string}`

type Integer = bigint | number

export type MillionairesConstructor = [people: Integer]

/** Arguments and results of the functions; `TestNetwork.deploy` of the test kit takes them as its type. */
export type MillionairesFunctions = {
  submit: { args: [person: Bytes, wealth: Integer]; result: undefined }
  richest: { args: []; result: Hex }
}

export class Millionaires {
  readonly contract: SecretContract

  constructor(contract: SecretContract) {
    this.contract = contract
  }

  /** The contract that is deployed at an address of 32 bytes. */
  static at(client: CoreClient, address: Uint8Array, options?: ContractOptions): Millionaires {
    return new Millionaires(new SecretContract(client, address, options))
  }

  static async deploy(client: CoreClient, preCode: Uint8Array, args: MillionairesConstructor, options?: DeployOptions): Promise<Millionaires> {
    const construct = 'construct(uint32)'
    return new Millionaires(await SecretContract.deploy(client, preCode, construct, args, options))
  }

  submit(person: Bytes, wealth: Integer): Promise<Computed<undefined>> {
    return this.contract.compute('submit(address,uint256)', [], [person, wealth])
  }

  richest(): Promise<Computed<Hex>> {
    return this.contract.compute('richest()', [{ name: '', type: 'address' }], [])
  }
}
