// The client of Ballot, written by `bletchley contract abi`. The functions throw TaskFailed if their task fails.
import { type Computed, type ContractOptions, type CoreClient, type DeployOptions, SecretContract } from '@bletchley/client'

/** Hexadecimal digits behind 0x, or the bytes. */
type Bytes = Hex | Uint8Array

type Hex = `0x${string}`

type Integer = bigint | number

export type BallotConstructor = [question: string, choices: Integer, papers: ReadonlyArray<Bytes>, organiserKey: Bytes, board: Bytes]

/** Arguments and results of the functions; `TestNetwork.deploy` of the test kit takes them as its type. */
export type BallotFunctions = {
  about: { args: []; result: string }
  electorate: { args: []; result: Hex[] }
  vote: { args: [paper: Bytes, choice: Integer]; result: undefined }
  close: { args: [organiserKey: Bytes]; result: bigint[] }
  result: { args: []; result: bigint[] }
}

export class Ballot {
  readonly contract: SecretContract

  constructor(contract: SecretContract) {
    this.contract = contract
  }

  /** The contract that is deployed at an address of 32 bytes. */
  static at(client: CoreClient, address: Uint8Array, options?: ContractOptions): Ballot {
    return new Ballot(new SecretContract(client, address, options))
  }

  static async deploy(client: CoreClient, preCode: Uint8Array, args: BallotConstructor, options?: DeployOptions): Promise<Ballot> {
    const construct = 'construct(string,uint32,bytes32[],bytes32,address)'
    return new Ballot(await SecretContract.deploy(client, preCode, construct, args, options))
  }

  about(): Promise<Computed<string>> {
    return this.contract.compute('about()', [{ name: '', type: 'string' }], [])
  }

  electorate(): Promise<Computed<Hex[]>> {
    return this.contract.compute('electorate()', [{ name: '', type: 'bytes32[]' }], [])
  }

  vote(paper: Bytes, choice: Integer): Promise<Computed<undefined>> {
    return this.contract.compute('vote(bytes32,uint32)', [], [paper, choice])
  }

  close(organiserKey: Bytes): Promise<Computed<bigint[]>> {
    return this.contract.compute('close(bytes32)', [{ name: '', type: 'uint256[]' }], [organiserKey])
  }

  result(): Promise<Computed<bigint[]>> {
    return this.contract.compute('result()', [{ name: '', type: 'uint256[]' }], [])
  }
}
