// The client of Auction, written by `bletchley contract abi`. The functions throw TaskFailed if their task fails.
import { type Computed, type ContractOptions, type CoreClient, type DeployOptions, SecretContract } from '@bletchley/client'

/** Hexadecimal digits behind 0x, or the bytes. */
type Bytes = Hex | Uint8Array

type Hex = `0x${string}`

type Integer = bigint | number

export type AuctionConstructor = [sellerKey: Bytes, reserve: Integer]

/** Arguments and results of the functions; `TestNetwork.deploy` of the test kit takes them as its type. */
export type AuctionFunctions = {
  reservePrice: { args: []; result: bigint }
  bid: { args: [ticket: Bytes, bidder: Bytes, amount: Integer]; result: undefined }
  bidOf: { args: [ticket: Bytes]; result: bigint }
  close: { args: [sellerKey: Bytes]; result: { winner: Hex; price: bigint } }
  result: { args: []; result: { winner: Hex; price: bigint } }
}

export class Auction {
  readonly contract: SecretContract

  constructor(contract: SecretContract) {
    this.contract = contract
  }

  /** The contract that is deployed at an address of 32 bytes. */
  static at(client: CoreClient, address: Uint8Array, options?: ContractOptions): Auction {
    return new Auction(new SecretContract(client, address, options))
  }

  static async deploy(client: CoreClient, preCode: Uint8Array, args: AuctionConstructor, options?: DeployOptions): Promise<Auction> {
    const construct = 'construct(bytes32,uint256)'
    return new Auction(await SecretContract.deploy(client, preCode, construct, args, options))
  }

  reservePrice(): Promise<Computed<bigint>> {
    return this.contract.compute('reservePrice()', [{ name: '', type: 'uint256' }], [])
  }

  bid(ticket: Bytes, bidder: Bytes, amount: Integer): Promise<Computed<undefined>> {
    return this.contract.compute('bid(bytes32,address,uint256)', [], [ticket, bidder, amount])
  }

  bidOf(ticket: Bytes): Promise<Computed<bigint>> {
    return this.contract.compute('bidOf(bytes32)', [{ name: '', type: 'uint256' }], [ticket])
  }

  close(sellerKey: Bytes): Promise<Computed<{ winner: Hex; price: bigint }>> {
    return this.contract.compute('close(bytes32)', [{ name: 'winner', type: 'address' }, { name: 'price', type: 'uint256' }], [sellerKey])
  }

  result(): Promise<Computed<{ winner: Hex; price: bigint }>> {
    return this.contract.compute('result()', [{ name: 'winner', type: 'address' }, { name: 'price', type: 'uint256' }], [])
  }
}
