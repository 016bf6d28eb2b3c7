import { Hash, Secp256k1, Signature } from 'ox'

// What the Ethereum contract of the network checks when a worker commits a receipt, with its own implementations of
// keccak and ecrecover. Items are those of the published contract (enigma-contract, master and develop).

const noDelta = '00'.repeat(32)

/** keccak256, as 64 digits without 0x. */
export function keccak(bytes: Uint8Array): string {
  return Buffer.from(Hash.keccak256(bytes, { as: 'Bytes' })).toString('hex')
}

/** Every item behind its length in bytes, 8 bytes big-endian; items in hex. */
export function lengthPrefixed(items: readonly string[]): Uint8Array {
  return Buffer.concat(items.flatMap((item) => [bytes8(item.length / 2), Buffer.from(item, 'hex')]))
}

function bytes8(value: number): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64BE(BigInt(value))
  return bytes
}

/** Who signed, as 40 digits without 0x. */
export function recoverSigner(message: Uint8Array, signature: string): string {
  if (!/^[0-9a-f]{128}1[bc]$/.test(signature)) throw new Error(`the chain takes no such signature: ${signature}`)
  const payload = Hash.keccak256(message, { as: 'Bytes' })
  const address = Secp256k1.recoverAddress({ payload, signature: Signature.fromHex(`0x${signature}`) })
  return address.slice(2).toLowerCase()
}

/** A task as the user recorded it. */
export interface TaskRecord {
  inputsHash: string
  gasLimit: number
}

/** What the node sends with a receipt; hex without 0x. */
export interface SuccessReceipt {
  ethereumPayload: string
  ethereumAddress: string
  usedGas: number
  signature: string
}

export interface FailureReceipt {
  usedGas: number
  signature: string
}

interface ChainContract {
  codeHash: string
  deltaHashes: string[]
}

/** The chain: it knows every contract's code and deltas by their hashes, and the workers by their addresses. */
export class Chain {
  readonly contracts = new Map<string, ChainContract>()

  contract(address: string): ChainContract {
    const contract = this.contracts.get(address)
    if (contract === undefined) throw new Error('not deployed on the chain')
    return contract
  }

  commitDeployment(
    worker: string,
    address: string,
    { inputsHash, gasLimit }: TaskRecord,
    receipt: SuccessReceipt & { codeHash: string; deltaHash: string },
  ): void {
    if (this.contracts.has(address)) throw new Error('deployed already')
    const { codeHash, deltaHash, usedGas } = receipt
    const call = [receipt.ethereumPayload, receipt.ethereumAddress]
    const items = [inputsHash, codeHash, deltaHash, uint64(gasLimit), uint64(usedGas), ...call, '01']
    this.#check(worker, gasLimit, receipt, items)
    this.contracts.set(address, { codeHash, deltaHashes: [deltaHash] })
  }

  commitComputation(
    worker: string,
    address: string,
    { inputsHash, gasLimit }: TaskRecord,
    receipt: SuccessReceipt & { deltaHash: string | undefined; outputHash: string },
  ): void {
    const { codeHash, deltaHashes } = this.contract(address)
    const { deltaHash, outputHash, usedGas } = receipt
    const deltas = [deltaHashes.at(-1)!, deltaHash ?? noDelta]
    const call = [receipt.ethereumPayload, receipt.ethereumAddress]
    const items = [codeHash, inputsHash, ...deltas, outputHash, uint64(gasLimit), uint64(usedGas), ...call, '01']
    this.#check(worker, gasLimit, receipt, items)
    if (deltaHash !== undefined) deltaHashes.push(deltaHash)
  }

  commitDeploymentFailure(worker: string, { inputsHash, gasLimit }: TaskRecord, receipt: FailureReceipt): void {
    this.#check(worker, gasLimit, receipt, [inputsHash, uint64(gasLimit), uint64(receipt.usedGas), '00'])
  }

  commitComputationFailure(
    worker: string,
    address: string,
    { inputsHash, gasLimit }: TaskRecord,
    receipt: FailureReceipt,
  ): void {
    const { codeHash } = this.contract(address)
    this.#check(worker, gasLimit, receipt, [inputsHash, codeHash, uint64(gasLimit), uint64(receipt.usedGas), '00'])
  }

  #check(worker: string, gasLimit: number, receipt: FailureReceipt, items: readonly string[]): void {
    if (receipt.usedGas > gasLimit) throw new Error('more gas used than allowed')
    const signer = recoverSigner(lengthPrefixed(items), receipt.signature)
    if (signer !== worker) throw new Error(`signed by ${signer}, and not by the worker ${worker}`)
  }
}

function uint64(value: number): string {
  return bytes8(value).toString('hex')
}
