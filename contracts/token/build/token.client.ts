// The client of Token, written by `bletchley contract abi`. The functions throw TaskFailed if their task fails.
import { type Computed, type ContractOptions, type CoreClient, type DeployOptions, SecretContract } from '@bletchley/client'

/** Hexadecimal digits behind 0x, or the bytes. */
type Bytes = Hex | Uint8Array

type Hex = `0x${string}`

type Integer = bigint | number

export type TokenConstructor = [name: string, owner: Bytes, supply: Integer]

/** Arguments and results of the functions; `TestNetwork.deploy` of the test kit takes them as its type. */
export type TokenFunctions = {
  domain: { args: []; result: { name: string; salt: Hex } }
  totalSupply: { args: []; result: bigint }
  balanceOf: { args: [account: Bytes, viewingKey: Bytes]; result: bigint }
  allowance: { args: [owner: Bytes, spender: Bytes, viewer: Bytes, viewingKey: Bytes]; result: bigint }
  setViewingKey: { args: [owner: Bytes, key: Bytes, nonce: Integer, signature: Bytes]; result: undefined }
  transfer: { args: [from: Bytes, to: Bytes, amount: Integer, nonce: Integer, signature: Bytes]; result: boolean }
  approve: { args: [owner: Bytes, spender: Bytes, before: Integer, amount: Integer, nonce: Integer, signature: Bytes]; result: boolean }
  transferFrom: { args: [spender: Bytes, from: Bytes, to: Bytes, amount: Integer, nonce: Integer, signature: Bytes]; result: boolean }
}

export class Token {
  readonly contract: SecretContract

  constructor(contract: SecretContract) {
    this.contract = contract
  }

  /** The contract that is deployed at an address of 32 bytes. */
  static at(client: CoreClient, address: Uint8Array, options?: ContractOptions): Token {
    return new Token(new SecretContract(client, address, options))
  }

  static async deploy(client: CoreClient, preCode: Uint8Array, args: TokenConstructor, options?: DeployOptions): Promise<Token> {
    const construct = 'construct(string,address,uint256)'
    return new Token(await SecretContract.deploy(client, preCode, construct, args, options))
  }

  domain(): Promise<Computed<{ name: string; salt: Hex }>> {
    return this.contract.compute('domain()', [{ name: 'name', type: 'string' }, { name: 'salt', type: 'bytes32' }], [])
  }

  totalSupply(): Promise<Computed<bigint>> {
    return this.contract.compute('totalSupply()', [{ name: '', type: 'uint256' }], [])
  }

  balanceOf(account: Bytes, viewingKey: Bytes): Promise<Computed<bigint>> {
    return this.contract.compute('balanceOf(address,bytes32)', [{ name: '', type: 'uint256' }], [account, viewingKey])
  }

  allowance(owner: Bytes, spender: Bytes, viewer: Bytes, viewingKey: Bytes): Promise<Computed<bigint>> {
    return this.contract.compute('allowance(address,address,address,bytes32)', [{ name: '', type: 'uint256' }], [owner, spender, viewer, viewingKey])
  }

  setViewingKey(owner: Bytes, key: Bytes, nonce: Integer, signature: Bytes): Promise<Computed<undefined>> {
    return this.contract.compute('setViewingKey(address,bytes32,uint256,bytes)', [], [owner, key, nonce, signature])
  }

  transfer(from: Bytes, to: Bytes, amount: Integer, nonce: Integer, signature: Bytes): Promise<Computed<boolean>> {
    return this.contract.compute('transfer(address,address,uint256,uint256,bytes)', [{ name: '', type: 'bool' }], [from, to, amount, nonce, signature])
  }

  approve(owner: Bytes, spender: Bytes, before: Integer, amount: Integer, nonce: Integer, signature: Bytes): Promise<Computed<boolean>> {
    return this.contract.compute('approve(address,address,uint256,uint256,uint256,bytes)', [{ name: '', type: 'bool' }], [owner, spender, before, amount, nonce, signature])
  }

  transferFrom(spender: Bytes, from: Bytes, to: Bytes, amount: Integer, nonce: Integer, signature: Bytes): Promise<Computed<boolean>> {
    return this.contract.compute('transferFrom(address,address,address,uint256,uint256,bytes)', [{ name: '', type: 'bool' }], [spender, from, to, amount, nonce, signature])
  }
}
