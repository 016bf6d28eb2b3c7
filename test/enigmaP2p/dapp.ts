import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AbiParameters, Hash, type Hex, Secp256k1 } from 'ox'
import { keccak, lengthPrefixed, recoverSigner, type TaskRecord } from './chain.ts'

// The user's side of a task, as enigma-js does it, with other libraries than ours.

type Argument = Hex.Hex | bigint

export interface Call {
  callable: string
  args: readonly Argument[]
  gasLimit: number
}

/** What the user hands to the node: all hex, without 0x. */
export interface EncryptedCall {
  encryptedFn: string
  encryptedArgs: string
  userDHKey: string
}

/** ciphertext || tag (16) || iv (12) */
export function seal(key: Uint8Array, plaintext: Uint8Array): string {
  const iv = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag(), iv]).toString('hex')
}

export function open(key: Uint8Array, sealed: string): Buffer {
  const blob = Buffer.from(sealed, 'hex')
  const decipher = createDecipheriv('aes-256-gcm', key, blob.subarray(-12))
  decipher.setAuthTag(blob.subarray(-28, -12))
  return Buffer.concat([decipher.update(blob.subarray(0, -28)), decipher.final()])
}

/** A key pair of secp256k1; the public key as 128 digits. */
export class KeyPair {
  readonly #privateKey = Secp256k1.randomPrivateKey()

  get publicKey(): string {
    const { x, y } = Secp256k1.getPublicKey({ privateKey: this.#privateKey })
    return [x, y].map((coordinate) => coordinate.slice(2).padStart(64, '0')).join('')
  }

  /** sha256 of the compressed point. */
  sharedKey(publicKey: string): Uint8Array {
    const point = Secp256k1.getSharedSecret({
      privateKey: this.#privateKey,
      publicKey: `0x04${publicKey}`,
      as: 'Bytes',
    })
    if (point.length !== 33) throw new Error('the library gave no compressed point')
    return Hash.sha256(point, { as: 'Bytes' })
  }
}

/** A user with a fresh key pair, for one task. */
export class User {
  readonly #keys = new KeyPair()
  #sharedKey: Uint8Array | undefined

  get publicKey(): string {
    return this.#keys.publicKey
  }

  /** Checks that the worker's key is the chosen worker's, and agrees on a key. */
  acceptWorkerKey(worker: string, { workerEncryptionKey, workerSig }: WorkerKey): void {
    const signed = lengthPrefixed([Buffer.from('Enigma User Message').toString('hex'), workerEncryptionKey])
    const signer = recoverSigner(signed, workerSig)
    if (signer !== worker) throw new Error(`the key is signed by ${signer}, and not by ${worker}`)
    this.#sharedKey = this.#keys.sharedKey(workerEncryptionKey)
  }

  encrypt({ callable, args }: Call): EncryptedCall {
    const key = this.#key()
    const types = callable.slice(callable.indexOf('(') + 1, -1)
    const encoded = types === '' ? '0x' : AbiParameters.encode(AbiParameters.from(types), args)
    return {
      encryptedFn: seal(key, Buffer.from(callable)),
      encryptedArgs: seal(key, Buffer.from(encoded.slice(2), 'hex')),
      userDHKey: this.publicKey,
    }
  }

  decrypt(output: string): Buffer {
    return open(this.#key(), output)
  }

  #key(): Uint8Array {
    if (this.#sharedKey === undefined) throw new Error('no key was exchanged')
    return this.#sharedKey
  }
}

export interface WorkerKey {
  workerEncryptionKey: string
  workerSig: string
}

/** What the user writes into the chain. `target` is the contract's address, or the hash of the code to deploy. */
export function taskRecord(call: EncryptedCall, target: string, gasLimit: number): TaskRecord {
  const inputsHash = keccak(lengthPrefixed([call.encryptedFn, call.encryptedArgs, target, call.userDHKey]))
  return { inputsHash, gasLimit }
}

export function decodeUint64(output: Uint8Array): bigint {
  return AbiParameters.decode(AbiParameters.from('uint64'), output)[0]
}
