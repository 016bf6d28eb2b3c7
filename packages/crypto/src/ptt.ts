import { assertBytes, atOnce, type Pieces, utf8ToBytes } from '@bletchley/bytes'
import { CryptoError } from './cryptoError.ts'
import { publicKeyLength } from './keys.ts'
import { MsgPackReader } from './msgPackReader.ts'
import { MsgPackWriter } from './msgPackWriter.ts'

/** Length of the identifier that joins a response to its request. */
const pttIdLength = 12
const contractAddressLength = 32
const stateKeyLength = 32
/** State keys that are encoded within a millisecond. */
const keysAtOnce = 1000
const messagePrefix = utf8ToBytes('Enigma Message')

/** A worker asks the principal for state keys. */
export interface PttRequest {
  /** 12 random bytes. */
  id: Uint8Array
  /** The public key of a pair that the worker made for this request, 64 bytes. */
  publicKey: Uint8Array
}

/** The principal's answer. */
export interface PttResponse {
  /** That of the request. */
  id: Uint8Array
  /** The public key of a pair that the principal made for this response, 64 bytes. */
  publicKey: Uint8Array
  /** `encrypt(ecdh(one pair, other public key), encodeStateKeys(…))`. */
  encrypted: Uint8Array
}

/** The key that opens the state and the deltas of one contract. */
export interface StateKey {
  /** Contract address, 32 bytes. */
  address: Uint8Array
  /** 32 bytes, secret. */
  key: Uint8Array
}

/**
 * Encodes a request: the MessagePack map `{data: "Request", id, prefix, pubkey}`.
 *
 * @param request.prefix `false` leaves the member `prefix` out, for the exact bytes of enigma-core; readers ignore it
 * @see spec/crypto.md 8.1
 */
export function encodePttRequest({ id, publicKey, prefix = true }: PttRequest & { prefix?: boolean }): Uint8Array {
  assertBytes(id, 'id', pttIdLength)
  assertBytes(publicKey, 'public key', publicKeyLength)
  const writer = new MsgPackWriter().mapHeader(prefix ? 4 : 3)
  writer.str('data').str('Request').str('id').byteArray(id)
  if (prefix) writer.str('prefix').byteArray(messagePrefix)
  return writer.str('pubkey').byteArray(publicKey).bytes()
}

/**
 * Decodes a request in every form that a worker can still sign: `data` is `"Request"` or `{"Request": nil}`, other
 * members are ignored.
 *
 * @throws CryptoError malformed_message
 */
export function decodePttRequest(bytes: Uint8Array): PttRequest {
  const { id, publicKey, data } = decodeMessage(bytes)
  if (data.kind !== 'request') throw new CryptoError('malformed_message', 'The message is not a request')
  return { id, publicKey }
}

/** What a worker signs of its request: neither the MessagePack nor its prefix. */
export function pttRequestItems({ publicKey, id }: PttRequest): Uint8Array[] {
  assertBytes(publicKey, 'public key', publicKeyLength)
  assertBytes(id, 'id', pttIdLength)
  return [publicKey, id]
}

/**
 * Encodes a response: the MessagePack map `{data: {"EncryptedResponse": …}, id, prefix, pubkey}`. The principal signs
 * these very bytes with `sign`.
 *
 * @see spec/crypto.md 8.2
 */
export function encodePttResponse(response: PttResponse): Uint8Array {
  return atOnce(encodePttResponseInPieces(response))
}

/** As {@link encodePttResponse}, but for stops in which others can have their turn. */
export function* encodePttResponseInPieces({ id, publicKey, encrypted }: PttResponse): Pieces<Uint8Array> {
  assertBytes(id, 'id', pttIdLength)
  assertBytes(publicKey, 'public key', publicKeyLength)
  assertBytes(encrypted, 'encrypted')
  const writer = new MsgPackWriter().mapHeader(4).str('data').mapHeader(1).str('EncryptedResponse')
  yield* writer.byteArrayInPieces(encrypted)
  return writer
    .str('id')
    .byteArray(id)
    .str('prefix')
    .byteArray(messagePrefix)
    .str('pubkey')
    .byteArray(publicKey)
    .bytes()
}

/**
 * Decodes a response; `data` may be `{"EncryptedResponse": …}` or the encrypted bytes themselves.
 *
 * @throws CryptoError malformed_message if it is no such message, or a length is wrong
 * @throws CryptoError decryption_failed if it is well-formed but carries a request or an unencrypted response
 */
export function decodePttResponse(bytes: Uint8Array): PttResponse {
  const { id, publicKey, data } = decodeMessage(bytes)
  if (data.kind !== 'encrypted') throw new CryptoError('decryption_failed', 'The message carries no encrypted response')
  return { id, publicKey, encrypted: data.bytes }
}

/** Encodes the plaintext of a response: an array of pairs (address, key). */
export function encodeStateKeys(stateKeys: readonly StateKey[]): Uint8Array {
  return atOnce(encodeStateKeysInPieces(stateKeys))
}

/** As {@link encodeStateKeys}, but for stops in which others can have their turn. */
export function* encodeStateKeysInPieces(stateKeys: readonly StateKey[]): Pieces<Uint8Array> {
  const writer = new MsgPackWriter().arrayHeader(stateKeys.length)
  for (const [index, { address, key }] of stateKeys.entries()) {
    if (index > 0 && index % keysAtOnce === 0) yield
    assertBytes(address, 'contract address', contractAddressLength)
    assertBytes(key, 'state key', stateKeyLength)
    writer.arrayHeader(2).byteArray(address).byteArray(key)
  }
  return writer.bytes()
}

/**
 * Decodes the plaintext of a response.
 *
 * @throws CryptoError decryption_failed if it has another shape: to a worker that is a response it cannot open
 */
export function decodeStateKeys(bytes: Uint8Array): StateKey[] {
  const reader = new MsgPackReader(bytes)
  try {
    const stateKeys: StateKey[] = []
    for (let left = reader.arrayHeader(); left > 0; left--) stateKeys.push(readStateKey(reader))
    reader.end()
    return stateKeys
  } catch (error) {
    if (!(error instanceof CryptoError)) throw error
    throw new CryptoError('decryption_failed', 'The decrypted response is not a list of state keys', { cause: error })
  }
}

/**
 * How many keys the plaintext of a response says that it has, at once.
 *
 * @throws CryptoError malformed_message if it is no list
 */
export function stateKeyCount(bytes: Uint8Array): number {
  return new MsgPackReader(bytes).arrayHeader()
}

type PttData =
  | { kind: 'request' }
  | { kind: 'encrypted'; bytes: Uint8Array }
  /** The unencrypted response that enigma-core knows inside of its enclaves. */
  | { kind: 'plain' }

function readStateKey(reader: MsgPackReader): StateKey {
  if (reader.arrayHeader() !== 2) throw new CryptoError('malformed_message', 'An entry is not a pair')
  return { address: readExactly(reader, contractAddressLength), key: readExactly(reader, stateKeyLength) }
}

function decodeMessage(bytes: Uint8Array): { id: Uint8Array; publicKey: Uint8Array; data: PttData } {
  const reader = new MsgPackReader(bytes)
  const members = new Set<string>()
  let id: Uint8Array | undefined
  let publicKey: Uint8Array | undefined
  let data: PttData | undefined
  for (let left = reader.mapHeader(); left > 0; left--) {
    const name = reader.str()
    if (members.has(name)) throw new CryptoError('malformed_message', 'The message names a member twice')
    members.add(name)
    if (name === 'id') id = readExactly(reader, pttIdLength)
    else if (name === 'pubkey') publicKey = readExactly(reader, publicKeyLength)
    else if (name === 'data') data = readData(reader)
    else reader.skip()
  }
  reader.end()
  if (id === undefined || publicKey === undefined || data === undefined) {
    throw new CryptoError('malformed_message', 'The message lacks data, id or pubkey')
  }
  return { id, publicKey, data }
}

function readData(reader: MsgPackReader): PttData {
  const type = reader.peekType()
  if (type === 'array' || type === 'bin') return { kind: 'encrypted', bytes: reader.byteArray() }
  if (type === 'str') return dataOf(reader.str(), undefined)
  if (reader.mapHeader() !== 1) throw new CryptoError('malformed_message', 'data has more than one kind')
  return dataOf(reader.str(), reader)
}

function dataOf(kind: string, content: MsgPackReader | undefined): PttData {
  if (kind === 'Request') {
    // A request with a list of addresses is older still, and signed in a way that nobody uses any more.
    content?.nil()
    return { kind: 'request' }
  }
  if (content !== undefined && kind === 'EncryptedResponse') return { kind: 'encrypted', bytes: content.byteArray() }
  if (content !== undefined && kind === 'Response') {
    content.skip()
    return { kind: 'plain' }
  }
  throw new CryptoError('malformed_message', 'data is of no known kind')
}

function readExactly(reader: MsgPackReader, length: number): Uint8Array {
  const bytes = reader.byteArray(length)
  if (bytes.length !== length) throw new CryptoError('malformed_message', `${bytes.length} bytes instead of ${length}`)
  return bytes
}
