import {
  bytesToHex,
  CryptoError,
  decodePttResponse,
  decodeStateKeys,
  decrypt,
  ecdh,
  encodePttRequest,
  equalBytes,
  generateKeyPair,
  type KeyPair,
  parsePublicKey,
  pttRequestItems,
  randomBytes,
  recoverAddress,
  type SecretKey,
  signItems,
} from '@bletchley/crypto'
import { WorkerError } from '@bletchley/protocol'
import { BoundedMap } from '../boundedMap.ts'
import { enclaveError } from '../refusals.ts'

/** Key exchanges that wait for an answer; a peer that asks and never answers pushes its own out. */
const pendingBounds = { entries: 1000, lifetimeMs: 60 * 60 * 1000 }

const pttIdBytes = 12

/** Keys of one response; a principal gives 1000. */
const maxKeys = 10_000

/** A contract and the key of its state, as the principal hands them out. */
export interface StateKey {
  /** 32 bytes. */
  address: Uint8Array
  /** 32 bytes, secret. */
  key: Uint8Array
}

/**
 * The keys of contracts' states, and the exchange with the principal that brings them (PTT; crypto.md, section 8).
 * They live in memory only, and are gone at a restart.
 */
export class StateKeys {
  readonly #signingKey: SecretKey
  readonly #principal: Uint8Array | undefined
  readonly #pending = new BoundedMap<KeyPair>(pendingBounds)
  readonly #keys = new Map<string, Uint8Array>()

  /** @param principal the 20-byte address whose signature a response must carry; anybody's response is taken if absent */
  constructor(signingKey: SecretKey, principal: Uint8Array | undefined) {
    this.#signingKey = signingKey
    this.#principal = principal
  }

  /** Contracts whose key is held. */
  get size(): number {
    return this.#keys.size
  }

  get(address: Uint8Array): Uint8Array | undefined {
    return this.#keys.get(bytesToHex(address))
  }

  /** Opens an exchange: the request to bring to the principal, and the worker's signature over it. */
  request(): { request: Uint8Array; workerSig: Uint8Array } {
    const id = randomBytes(pttIdBytes)
    const keyPair = generateKeyPair()
    this.#pending.set(bytesToHex(id), keyPair)
    return {
      request: encodePttRequest({ id, publicKey: keyPair.publicKey }),
      workerSig: signItems(this.#signingKey, pttRequestItems({ publicKey: keyPair.publicKey, id })),
    }
  }

  /**
   * Takes the principal's answer: all its keys are installed, or none.
   *
   * An exchange ends with the first answer that is accepted, so an answer cannot be played twice; one that is refused
   * leaves it open for a better one.
   *
   * @param sig 65 bytes, the principal's signature over the response; needed when a principal is set
   * @throws WorkerError with the text `Error inside the Enclave = (…)` of wire.md, section 4, rows 43 to 47
   */
  install(response: Uint8Array, sig: Uint8Array | undefined): StateKey[] {
    const { id, publicKey, encrypted } = decodeResponse(response)
    if (this.#principal !== undefined) this.#checkSigner(this.#principal, response, sig)
    const name = bytesToHex(id)
    const mine = this.#pending.get(name)
    if (mine === undefined) throw enclaveError('KeysError')
    const shared = refusing('KeysError', () => ecdh(mine.secretKey, parsePublicKey(publicKey)))
    const keys = refusing('EncryptionError', () => decodeStateKeys(decrypt(shared, encrypted)))
    if (keys.length > maxKeys)
      throw new WorkerError('limit_exceeded', { limit: 'keys in a response', maximum: maxKeys })
    for (const { address, key } of keys) this.#keys.set(bytesToHex(address), key)
    this.#pending.delete(name)
    return keys
  }

  #checkSigner(principal: Uint8Array, response: Uint8Array, sig: Uint8Array | undefined): void {
    if (sig === undefined) throw enclaveError('KeyProvisionError')
    const signer = refusing('KeyProvisionError', () => recoverAddress(response, sig))
    if (!equalBytes(signer, principal)) throw enclaveError('KeyProvisionError')
  }
}

function decodeResponse(response: Uint8Array): ReturnType<typeof decodePttResponse> {
  try {
    return decodePttResponse(response)
  } catch (error) {
    // A well-formed message that is no encrypted response counts as one that does not decrypt (row 45).
    const wellFormed = error instanceof CryptoError && error.code === 'decryption_failed'
    throw enclaveError(wellFormed ? 'EncryptionError' : 'MessagingError', error)
  }
}

/** Runs a step of the exchange; whatever fails in it becomes the error that the spec names for the step. */
function refusing<T>(name: Parameters<typeof enclaveError>[0], step: () => T): T {
  try {
    return step()
  } catch (error) {
    throw enclaveError(name, error)
  }
}
