import { randomBytes, timingSafeEqual } from 'node:crypto'
import type { Opener } from './body.ts'
import { BoxCipher, type BoxKeys, derivedKey, keyBytes, newBoxKeys, open, seal, sharedKey, tagBytes } from './box.ts'
import { command, metadata } from './commands.ts'
import { moreFlag, writeHead } from './frames.ts'
import { malformed, ProtocolError } from './reasons.ts'

// CurveZMQ (ZeroMQ RFC 25 and 26), the server's side.

const helloBytes = 200
const cookieBytes = 96
const initiateBytes = 257
const vouchBytes = 16 + 80

const messageName = Buffer.from('\x07MESSAGE', 'latin1')
const nonceAt = messageName.length
const tagAt = nonceAt + 8
/** Where the sealed part begins: as many bytes as the cipher takes for itself, which is why the offsets of both are the same. */
const sealedAt = tagAt + tagBytes
const flagsAt = sealedAt
/** What a sealed message has besides its bytes. */
export const sealBytes = flagsAt + 1
const sealedMore = 1
const sealedCommand = 2

/** A text is sealed in pieces of so many bytes; multiples of a cipher's block. */
const pieceBytes = 64 * 1024

/** Whom a server lets in, and who it is. */
export interface CurveOptions {
  /** X25519, 32 bytes. */
  readonly secretKey: Uint8Array
  /** Whether the client with this key may talk; asked once for each connection, and answered at once. */
  authorize(publicKey: Uint8Array, address: string): boolean
}

/** What a server needs for the handshake of one peer. */
export interface CurveServer {
  readonly keys: BoxKeys
  readonly authorize: (publicKey: Uint8Array) => boolean
}

/** @throws ProtocolError `not_listed`, with the command that says so */
function assertListed({ authorize }: CurveServer, publicKey: Uint8Array): void {
  if (authorize(publicKey)) return
  throw new ProtocolError(
    'not_listed',
    'the key is not on the list',
    command('ERROR', Buffer.from('\x03400', 'latin1')),
  )
}

/**
 * The handshake of one connection. The cookie is no more than a number that the client has to bring back: what the specification
 * puts into it is kept here, so that no handshake of another connection, and no message behind it, can be played again.
 */
export class CurveHandshake {
  readonly #server: CurveServer
  readonly #cookie = randomBytes(cookieBytes)
  #clientKey: Buffer | undefined
  #ownKeys: BoxKeys | undefined
  #peerNonce = 0n

  constructor(server: CurveServer) {
    this.#server = server
  }

  /** @returns WELCOME. @throws ProtocolError */
  hello(bytes: Buffer): Buffer {
    const clientKey = Buffer.from(bytes.subarray(80, 112))
    if (bytes.length !== helloBytes || bytes.toString('latin1', 0, 6) !== '\x05HELLO') throw malformed('no HELLO')
    if (bytes[6] !== 1 || bytes[7] !== 0) throw malformed('another version of CURVE')
    const key = sharedKey(this.#server.keys, clientKey)
    const nonce = nonceOf('CurveZMQHELLO---', bytes.subarray(112, 120))
    if (key === undefined || open(key, nonce, bytes.subarray(120)) === undefined) {
      throw new ProtocolError('wrong_server_key', 'HELLO is sealed for another key')
    }
    this.#peerNonce = bytes.readBigUInt64BE(112)
    this.#clientKey = clientKey
    this.#ownKeys = newBoxKeys()
    const random = randomBytes(16)
    const secrets = Buffer.concat([this.#ownKeys.publicKey, this.#cookie])
    return command('WELCOME', random, seal(key, nonceOf('WELCOME-', random), secrets))
  }

  /** @throws ProtocolError */
  initiate(bytes: Buffer): { publicKey: Uint8Array; properties: Buffer; channel: CurveChannel } {
    const [clientKey, ownKeys] = [this.#clientKey, this.#ownKeys]
    if (clientKey === undefined || ownKeys === undefined) throw malformed('INITIATE before HELLO')
    if (bytes.length < initiateBytes || bytes.toString('latin1', 0, 9) !== '\x08INITIATE')
      throw malformed('no INITIATE')
    if (!timingSafeEqual(bytes.subarray(9, 9 + cookieBytes), this.#cookie)) throw malformed('another cookie')
    const peerNonce = bytes.readBigUInt64BE(105)
    const key = sharedKey(ownKeys, clientKey)
    const text = key && open(key, nonceOf('CurveZMQINITIATE', bytes.subarray(105, 113)), bytes.subarray(113))
    if (key === undefined || text === undefined) throw malformed('INITIATE is sealed with another key')
    if (peerNonce <= this.#peerNonce) throw malformed('a nonce comes twice')
    const publicKey = Uint8Array.from(text.subarray(0, keyBytes))
    this.#assertVouch(publicKey, text.subarray(keyBytes, keyBytes + vouchBytes), clientKey, ownKeys)
    assertListed(this.#server, publicKey)
    const properties = text.subarray(keyBytes + vouchBytes)
    return { publicKey, properties, channel: new CurveChannel(key, peerNonce) }
  }

  /** The client's own key says that its short-term key, and this server, are whom it means. */
  #assertVouch(publicKey: Uint8Array, vouch: Buffer, clientKey: Buffer, ownKeys: BoxKeys): void {
    const key = sharedKey(ownKeys, publicKey)
    const text = key && open(key, nonceOf('VOUCH---', vouch.subarray(0, 16)), vouch.subarray(16))
    const expected = Buffer.concat([clientKey, this.#server.keys.publicKey])
    if (text === undefined || !timingSafeEqual(text, expected)) throw malformed('the key is not vouched for')
  }
}

/** What comes after the handshake: both directions of one connection. */
export class CurveChannel {
  readonly #key: Uint8Array
  readonly #openKey: Uint8Array
  readonly #sealKey: Uint8Array
  #peerNonce: bigint
  #nonce = 0n

  constructor(key: Uint8Array, peerNonce: bigint) {
    this.#key = key
    this.#openKey = derivedKey(key, Buffer.from('CurveZMQMESSAGEC'))
    this.#sealKey = derivedKey(key, Buffer.from('CurveZMQMESSAGES'))
    this.#peerNonce = peerNonce
  }

  /** READY. */
  ready(properties: Readonly<Record<string, string>>): Buffer {
    const nonce = this.#nextNonce()
    return command('READY', nonce, seal(this.#key, nonceOf('CurveZMQREADY---', nonce), metadata(properties)))
  }

  /** For the next message of the peer. @throws ProtocolError if it is too short to be one */
  newOpener(length: number): MessageOpener {
    if (length < sealBytes) throw malformed('no MESSAGE')
    return new MessageOpener(this.#openKey, (nonce) => {
      if (nonce <= this.#peerNonce) throw malformed('a nonce comes twice')
      this.#peerNonce = nonce
    })
  }

  /** For the next message to the peer. */
  newSealer(part: Uint8Array, flags: number): MessageSealer {
    return new MessageSealer(this.#sealKey, this.#nextNonce(), part, flags)
  }

  #nextNonce(): Buffer {
    const nonce = Buffer.alloc(8)
    nonce.writeBigUInt64BE(++this.#nonce)
    return nonce
  }
}

/** Opens one message while it arrives. What it says is for nobody before `finish`. */
export class MessageOpener implements Opener {
  readonly #key: Uint8Array
  readonly #assertNext: (nonce: bigint) => void
  readonly #tag = Buffer.alloc(tagBytes)
  #cipher: BoxCipher | undefined

  constructor(key: Uint8Array, assertNext: (nonce: bigint) => void) {
    this.#key = key
    this.#assertNext = assertNext
  }

  open(piece: Buffer, offset: number): void {
    if (offset === 0) {
      if (!piece.subarray(0, nonceAt).equals(messageName)) throw malformed('no MESSAGE')
      this.#assertNext(piece.readBigUInt64BE(nonceAt))
      this.#cipher = new BoxCipher(this.#key, Buffer.from(piece.subarray(nonceAt, tagAt)))
      piece.copy(this.#tag, 0, tagAt, sealedAt)
    }
    this.#cipher!.authenticate(offset === 0 ? piece.subarray(sealedAt) : piece)
    this.#cipher!.apply(piece, offset)
  }

  /** @throws ProtocolError if it was not sealed by the peer */
  finish(body: Buffer): { isMore: boolean; isCommand: boolean; text: Buffer } {
    if (!this.#cipher!.isTag(this.#tag)) throw malformed('a message is sealed with another key')
    const flags = body[flagsAt]!
    const [isMore, isCommand] = [(flags & sealedMore) !== 0, (flags & sealedCommand) !== 0]
    return { isMore, isCommand, text: body.subarray(sealBytes) }
  }
}

/**
 * Seals one message. The tag stands before all that it is of: so a large message is encrypted twice, for the tag and for the wire,
 * and needs no memory of its own.
 */
export class MessageSealer {
  readonly #cipher: BoxCipher
  readonly #nonce: Buffer
  readonly #part: Uint8Array
  readonly #flags: number
  readonly #length: number
  #tag: Uint8Array | undefined
  #tagged = 0
  #written = 0

  constructor(key: Uint8Array, nonce: Buffer, part: Uint8Array, flags: number) {
    this.#cipher = new BoxCipher(key, nonce)
    this.#nonce = nonce
    this.#part = part
    this.#flags = flags
    this.#length = sealBytes + part.length
  }

  /** Whether all of it was handed out. */
  get isDone(): boolean {
    return this.#written === this.#length
  }

  /** @returns the next bytes of the frame, or undefined if more work comes before */
  next(): Buffer | undefined {
    if (this.#tag === undefined) {
      const piece = this.#encrypt(this.#tagged)
      this.#cipher.authenticate(this.#tagged === 0 ? piece.subarray(sealedAt) : piece)
      this.#tagged += piece.length
      if (this.#tagged < this.#length) return undefined
      this.#tag = this.#cipher.tag()
      if (this.#length <= pieceBytes) return this.#begin(piece)
    }
    const piece = this.#encrypt(this.#written)
    if (this.#written === 0) return this.#begin(piece)
    this.#written += piece.length
    return piece
  }

  /** The frame from `from` on, as far as a piece goes; what stands before the sealed part is not there yet. */
  #encrypt(from: number): Buffer {
    const piece = Buffer.allocUnsafeSlow(Math.min(pieceBytes, this.#length - from))
    if (from === 0) {
      piece.fill(0, 0, sealedAt)
      piece[flagsAt] = this.#flags
      piece.set(this.#part.subarray(0, piece.length - sealBytes), sealBytes)
    } else {
      piece.set(this.#part.subarray(from - sealBytes, from - sealBytes + piece.length))
    }
    this.#cipher.apply(piece, from)
    return piece
  }

  #begin(piece: Buffer): Buffer {
    piece.set(messageName)
    piece.set(this.#nonce, nonceAt)
    piece.set(this.#tag!, tagAt)
    this.#written = piece.length
    const head = Buffer.alloc(9)
    const headEnd = writeHead(2, 0, this.#length, head, 0)
    return Buffer.concat([head.subarray(0, headEnd), piece])
  }
}

/** The flags of a part inside of its seal. */
export function sealedFlags(flags: number): number {
  return (flags & moreFlag ? sealedMore : 0) | (flags & ~moreFlag ? sealedCommand : 0)
}

function nonceOf(prefix: string, rest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(prefix, 'latin1'), rest])
}
