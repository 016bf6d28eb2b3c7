import { bytesToHex, equalBytes } from '@bletchley/bytes'
import {
  CryptoError,
  decodePttResponse,
  decodeStateKeys,
  decrypt,
  ecdh,
  encodePttRequest,
  generateKeyPair,
  type KeyPair,
  parsePublicKey,
  pttRequestItems,
  randomBytes,
  recoverAddress,
  type SecretKey,
  signItems,
  stateKeyCount,
} from '@bletchley/crypto'
import { WorkerError } from '@bletchley/protocol'
import { BoundedMap } from '@bletchley/store'
import { enclaveError } from '../refusals.ts'

/** Key exchanges that wait for an answer; a peer that asks and never answers pushes its own out. */
const pendingBounds = { entries: 1000, lifetimeMs: 60 * 60 * 1000 }

const pttIdBytes = 12

/** Keys of one response; a principal gives 1000. */
const maxKeys = 10_000

/** Of a response; {@link maxKeys} take 2.7 million where each byte is written in two. */
const maxResponseBytes = 4 * 1024 * 1024

/**
 * Contracts whose keys are held where anybody may install some: those that were not used for longest give way. A key takes
 * about 400 bytes. Those of a principal are as many as it hands out.
 */
const maxUnsignedKeys = 100_000

/** A contract and the key of its state, as the principal hands them out. */
export interface StateKey {
  /** 32 bytes. */
  address: Uint8Array
  /** 32 bytes, secret. */
  key: Uint8Array
}

/** An exchange that waits for its answer. */
interface Exchange {
  keyPair: KeyPair
  /** The contracts that were asked for, in hex; unknown where a p2p node chooses them. */
  wanted: ReadonlySet<string> | undefined
}

type EnclaveError = Parameters<typeof enclaveError>[0]

/**
 * The keys of contracts' states, and the exchange with the principal that brings them (PTT; crypto.md, section 8).
 * They live in memory only, and are gone at a restart.
 */
export class StateKeys {
  readonly #signingKey: SecretKey
  readonly #principal: Uint8Array | undefined
  readonly #pending = new BoundedMap<Exchange>(pendingBounds)
  /** Exchanges that have ended, so that the log can tell a replay from a stranger's response. */
  readonly #ended = new BoundedMap<true>(pendingBounds)
  readonly #keys: BoundedMap<Uint8Array>
  #lastPttAt: number | undefined

  /** @param principal the 20-byte address whose signature a response must carry; anybody's response is taken if absent */
  constructor(signingKey: SecretKey, principal: Uint8Array | undefined) {
    this.#signingKey = signingKey
    this.#principal = principal
    this.#keys = new BoundedMap(principal === undefined ? { entries: maxUnsignedKeys } : {})
  }

  /** Contracts whose key is held. */
  get size(): number {
    return this.#keys.size
  }

  /** When a response was last accepted, in milliseconds since 1970. */
  get lastPttAt(): number | undefined {
    return this.#lastPttAt
  }

  /**
   * Whether the key is held, for those who only look on: it counts as no use of the key.
   *
   * @param name the address in hex
   */
  has(name: string): boolean {
    return this.#keys.has(name)
  }

  /** The key, to be used now: of those that may give way, it is the last one then. */
  get(address: Uint8Array): Uint8Array | undefined {
    return this.#keys.use(bytesToHex(address))
  }

  /**
   * Opens an exchange: the request to bring to the principal, and the worker's signature over it.
   *
   * @param wanted the contracts that the principal will be asked for, if that is known: the answer must be for all of
   *   them, and for no others
   */
  request(wanted?: readonly Uint8Array[]): { request: Uint8Array; workerSig: Uint8Array } {
    const id = randomBytes(pttIdBytes)
    const keyPair = generateKeyPair()
    this.#pending.set(bytesToHex(id), { keyPair, wanted: wanted && new Set(wanted.map(bytesToHex)) })
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
   * @throws WorkerError with the text `Error inside the Enclave = (…)` of wire.md, section 4, rows 43 to 47; its cause
   *   is a `RefusedResponse` that tells the operator more
   */
  install(response: Uint8Array, sig: Uint8Array | undefined): StateKey[] {
    if (response.length > maxResponseBytes) {
      throw new WorkerError('limit_exceeded', { limit: 'bytes in a response', maximum: maxResponseBytes })
    }
    const { id, publicKey, encrypted } = decodeResponse(response)
    if (this.#principal !== undefined) checkSigner(this.#principal, response, sig)
    const name = bytesToHex(id)
    const exchange = this.#pending.get(name)
    if (exchange === undefined) {
      const replayed = this.#ended.has(name)
      throw refusal(
        'KeysError',
        replayed ? 'it was accepted before (replayed)' : 'it answers no request of this worker',
      )
    }
    const shared = refusing('KeysError', 'its public key is none', () =>
      ecdh(exchange.keyPair.secretKey, parsePublicKey(publicKey)),
    )
    const keys = refusing('EncryptionError', 'it does not decrypt to a list of keys', () => {
      const list = decrypt(shared, encrypted)
      return stateKeyCount(list) > maxKeys ? undefined : decodeStateKeys(list)
    })
    if (keys === undefined) throw new WorkerError('limit_exceeded', { limit: 'keys in a response', maximum: maxKeys })
    const named = keysByName(keys)
    if (exchange.wanted !== undefined) checkComplete(exchange.wanted, named)
    for (const [address, key] of named) this.#keys.set(address, key)
    this.#pending.delete(name)
    this.#ended.set(name, true)
    this.#lastPttAt = Date.now()
    return keys
  }
}

function checkSigner(principal: Uint8Array, response: Uint8Array, sig: Uint8Array | undefined): void {
  if (sig === undefined) throw refusal('KeyProvisionError', 'it is not signed')
  const signer = refusing('KeyProvisionError', 'its signature leads to nobody', () => recoverAddress(response, sig))
  if (equalBytes(signer, principal)) return
  throw refusal('KeyProvisionError', 'it is not signed by the principal, or was changed', bytesToHex(signer))
}

/** A p2p node may have asked for a contract twice; two keys for it are another matter. */
function keysByName(keys: readonly StateKey[]): Map<string, Uint8Array> {
  const named = new Map<string, Uint8Array>()
  for (const { address, key } of keys) {
    const name = bytesToHex(address)
    const other = named.get(name)
    if (other !== undefined && !equalBytes(other, key)) {
      throw refusal('EncryptionError', `it has two keys for contract ${name}`)
    }
    named.set(name, key)
  }
  return named
}

function checkComplete(wanted: ReadonlySet<string>, named: ReadonlyMap<string, Uint8Array>): void {
  const missing = [...wanted].filter((name) => !named.has(name)).length
  if (missing > 0) throw refusal('KeyProvisionError', `it lacks ${missing} of ${wanted.size} contracts (partial)`)
  if (named.size > wanted.size) throw refusal('KeyProvisionError', 'it has contracts that were not asked for')
}

function decodeResponse(response: Uint8Array): ReturnType<typeof decodePttResponse> {
  try {
    return decodePttResponse(response)
  } catch (error) {
    // A well-formed message that is no encrypted response counts as one that does not decrypt (row 45).
    const wellFormed = error instanceof CryptoError && error.code === 'decryption_failed'
    throw refusal(wellFormed ? 'EncryptionError' : 'MessagingError', 'it is no response message')
  }
}

/** Runs a step of the exchange; whatever fails in it becomes the error that the spec names for the step. */
function refusing<T>(name: EnclaveError, reason: string, step: () => T): T {
  try {
    return step()
  } catch {
    throw refusal(name, reason)
  }
}

function refusal(name: EnclaveError, reason: string, signer?: string): WorkerError {
  return enclaveError(name, new RefusedResponse(reason, signer))
}

/** Why a response installs nothing. For the log: it holds no secret, and the peer gets the error of the spec only. */
export class RefusedResponse extends Error {
  /** Who signed it, in hex, if it was somebody else. */
  readonly signer: string | undefined

  constructor(reason: string, signer: string | undefined) {
    super(reason)
    this.name = 'RefusedResponse'
    this.signer = signer
  }
}
