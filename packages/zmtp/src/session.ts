import type { Room } from './body.ts'
import { command, metadata, readCommand, readMetadata } from './commands.ts'
import {
  type CurveChannel,
  CurveHandshake,
  type CurveServer,
  type MessageOpener,
  type MessageSealer,
  sealBytes,
  sealedFlags,
} from './curve.ts'
import { commandFlag, type Frame, FrameReader, type Framing, headLength, shortFrame, writeHead } from './frames.ts'
import { malformed, ProtocolError } from './reasons.ts'

/** What ZMTP 1.0 takes for an empty identity, and later versions for their signature. */
const signature = Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f])
const version = [3, 1] as const
const greetingBytes = 64
const mechanismAt = 12
const mechanismBytes = 20

/** Numbers of socket types in ZMTP 2.0; those that may talk to a ROUTER. */
const socketTypes: Readonly<Record<number, string>> = { 3: 'REQ', 5: 'DEALER', 6: 'ROUTER' }
const ownSocketType = 6
const ownProperties = { 'Socket-Type': 'ROUTER', Identity: '' }

/** Commands, and what comes before a connection is ready: properties and an identity of 255 bytes fit several times. */
const handshakeBytes = 2048
const pingTtlBytes = 2
const pingContextBytes = 16

/** A message, whole. */
export interface Message {
  /** Its frames. Each has memory of its own, and is the receiver's. */
  readonly parts: Buffer[]
  /** The room that it has taken: the receiver gives it back. */
  readonly takenBytes: number
  /** How many frames came beyond those that a message may have; they are not there. */
  readonly droppedFrames: number
}

export interface SessionLimits {
  /** Longest frame, without its seal. */
  readonly maxFrameBytes: number
  /** Of a message; those behind are dropped, and counted. */
  readonly maxFrames: number
  /** Of a message, all its frames together; those that would be more are dropped, and counted. */
  readonly maxMessageBytes: number
}

/** What a session tells. */
export interface SessionEvents {
  /** These bytes are to be sent. */
  out(bytes: Uint8Array): void
  /** This command is to be sent, instead of one that still waits. */
  pong(body: Buffer): void
}

const unbounded: Room = { take: () => true, give: () => undefined }

/**
 * The protocol of one connection, without its socket: from bytes in pieces of any size to messages. ZMTP 3.1, 3.0, 2.0 and 1.0;
 * the mechanism is CURVE if there is a server's key, else NULL. Peers tell their identity in vain: a connection is known by
 * itself, and nobody can take another's name.
 */
export class Session {
  readonly #limits: SessionLimits
  readonly #room: Room
  readonly #events: SessionEvents
  readonly #handshake: CurveHandshake | undefined
  readonly #greeting = Buffer.alloc(greetingBytes)
  #greeted = 0
  #reader: FrameReader | undefined
  #framing: Framing = 2
  #state: 'greeting' | 'handshake' | 'identity' | 'ready' = 'greeting'
  #channel: CurveChannel | undefined
  #opener: MessageOpener | undefined
  #publicKey: Uint8Array | undefined
  #parts: Buffer[] = []
  #partsBytes = 0
  #takenBytes = 0
  #droppedFrames = 0
  #pong: Buffer | undefined
  #ttlMs = 0

  constructor(limits: SessionLimits, room: Room, events: SessionEvents, curve?: CurveServer) {
    this.#limits = limits
    this.#room = room
    this.#events = events
    this.#handshake = curve && new CurveHandshake(curve)
  }

  /** Says the first word. */
  start(): void {
    this.#events.out(signature)
  }

  get isReady(): boolean {
    return this.#state === 'ready'
  }

  /** Whether what has arrived waits for room. */
  get isBlocked(): boolean {
    return this.#reader?.isBlocked ?? false
  }

  /** The answer to its newest heartbeat, or to one that may come; undefined of a peer that may not know of them. */
  get pong(): Buffer | undefined {
    const [major, minor] = this.#greeting.subarray(10)
    const is31 = major === version[0] ? minor! >= version[1] : major! > version[0]
    return this.#pong ?? (is31 ? command('PONG') : undefined)
  }

  /** X25519, of a client that was let in. */
  get publicKey(): Uint8Array | undefined {
    return this.#publicKey
  }

  /** When nothing comes for so long the peer is gone; 0 if it has not said. */
  get ttlMs(): number {
    return this.#ttlMs
  }

  /**
   * Reads on, at most to the end of a frame.
   *
   * @returns where it stopped, and the message if it is whole. Before the end of the chunk there may be more, or no room.
   * @throws ProtocolError
   */
  read(chunk: Buffer, from: number): { at: number; message?: Message } {
    if (this.#reader === undefined) return { at: this.#greet(chunk, from) }
    const { at, frame } = this.#reader.read(chunk, from)
    if (frame === undefined) return { at }
    const message = this.#state === 'ready' ? this.#traffic(frame) : this.#introduction(frame)
    return message === undefined ? { at } : { at, message }
  }

  /** Gives all room back that no message has taken along. */
  end(): void {
    this.#reader?.discard()
    this.#room.give(this.#takenBytes)
    this.#takenBytes = 0
    this.#parts = []
  }

  /** How many bytes a part of a message is on the wire. */
  wireBytes(length: number): number {
    const framed = this.#channel === undefined ? length : length + sealBytes
    return headLength(this.#framing, framed) + framed
  }

  /** Writes what stands before a part that is not sealed. @returns where it ends */
  writeHead(flags: number, length: number, into: Buffer, at: number): number {
    return writeHead(this.#framing, flags, length, into, at)
  }

  /** Seals a part, where all is sealed. */
  newSealer(part: Uint8Array, flags: number): MessageSealer | undefined {
    return this.#channel?.newSealer(part, sealedFlags(flags))
  }

  /** @returns where it stopped */
  #greet(chunk: Buffer, from: number): number {
    let at = from
    while (at < chunk.length && this.#reader === undefined) {
      this.#greeting[this.#greeted++] = chunk[at++]!
      this.#greetingByte(this.#greeted, this.#greeting[this.#greeted - 1]!)
    }
    return at
  }

  #greetingByte(count: number, byte: number): void {
    // ZMTP 1.0 begins with a frame: its length, and flags.
    if ((count === 1 && byte !== 0xff) || (count === signature.length && (byte & 1) === 0)) this.#begin(1)
    else if (count === signature.length) this.#events.out(Buffer.from([version[0]]))
    else if (count === 11 && byte < 3) {
      if (byte === 0) throw malformed('an unknown version')
      this.#assertNoKeyNeeded()
      this.#events.out(Buffer.concat([Buffer.from([ownSocketType]), shortFrame(2, 0, Buffer.alloc(0))]))
    } else if (count === 11) {
      const rest = Buffer.alloc(greetingBytes - 11)
      rest[0] = version[1]
      rest.write(this.#mechanism, 1, 'latin1')
      rest[1 + mechanismBytes] = this.#handshake === undefined ? 0 : 1
      this.#events.out(rest)
    } else if (count === 12 && this.#greeting[10]! < 3) {
      if (!(byte in socketTypes)) throw malformed('a socket of another type')
      this.#begin(2)
    } else if (count === greetingBytes) {
      const mechanism = this.#greeting.toString('latin1', mechanismAt, mechanismAt + mechanismBytes)
      if (mechanism !== this.#mechanism.padEnd(mechanismBytes, '\0')) {
        throw new ProtocolError('no_key', 'another mechanism')
      }
      this.#state = 'handshake'
      this.#reader = this.#newReader()
      if (this.#handshake === undefined) this.#sendCommand(command('READY', metadata(ownProperties)))
    }
  }

  get #mechanism(): string {
    return this.#handshake === undefined ? 'NULL' : 'CURVE'
  }

  /** A peer of before 3.0: it introduces itself with its identity. What it has said so far may be the beginning of that. */
  #begin(framing: Framing): void {
    this.#assertNoKeyNeeded()
    this.#framing = framing
    this.#state = 'identity'
    this.#reader = this.#newReader()
    if (framing === 2) return
    const { at } = this.#reader.read(this.#greeting.subarray(0, this.#greeted), 0)
    if (at < this.#greeted) throw malformed('no greeting')
  }

  #assertNoKeyNeeded(): void {
    if (this.#handshake !== undefined) throw new ProtocolError('no_key', 'a version without mechanisms')
  }

  #newReader(): FrameReader {
    return new FrameReader(this.#framing, { messageBytes: handshakeBytes, commandBytes: handshakeBytes }, unbounded)
  }

  #introduction({ isCommand, body }: Frame): undefined {
    if (this.#state === 'identity') return this.#becomeReady()
    if (!isCommand) throw malformed('a message before the handshake')
    const { name, content } = readCommand(body)
    if (name === 'ERROR') throw new ProtocolError('peer', 'the peer has refused')
    const handshake = this.#handshake
    if (handshake === undefined) {
      if (name !== 'READY') throw malformed('no READY')
      assertSocketType(content)
      return this.#becomeReady()
    }
    if (name === 'HELLO') return this.#sendCommand(handshake.hello(body))
    const { publicKey, properties, channel } = handshake.initiate(body)
    assertSocketType(properties)
    this.#sendCommand(channel.ready(ownProperties))
    this.#publicKey = publicKey
    this.#channel = channel
    return this.#becomeReady()
  }

  #becomeReady(): undefined {
    const reader = this.#reader!
    const { maxFrameBytes } = this.#limits
    const channel = this.#channel
    this.#state = 'ready'
    reader.room = this.#room
    if (channel === undefined) {
      reader.bounds = { messageBytes: maxFrameBytes, commandBytes: handshakeBytes }
      return
    }
    // Some take a sealed message for a command.
    reader.bounds = { messageBytes: maxFrameBytes + sealBytes, commandBytes: maxFrameBytes + sealBytes }
    reader.newOpener = (length) => {
      this.#opener = channel.newOpener(length)
      return this.#opener
    }
  }

  #traffic(frame: Frame): Message | undefined {
    // Where it is none that may come, the end gives its room back.
    this.#takenBytes += frame.takenBytes
    if (this.#channel === undefined) return this.#part(frame.isCommand, frame.isMore, frame.body, frame.takenBytes)
    if (frame.isMore) throw malformed('a sealed message has another behind it')
    const { isCommand, isMore, text } = this.#opener!.finish(frame.body)
    return this.#part(isCommand, isMore, text, frame.takenBytes)
  }

  #part(isCommand: boolean, isMore: boolean, bytes: Buffer, takenBytes: number): Message | undefined {
    if (isCommand) {
      this.#giveBack(takenBytes)
      return this.#command(bytes)
    }
    const { maxFrames, maxMessageBytes } = this.#limits
    if (this.#parts.length < maxFrames && this.#partsBytes + bytes.length <= maxMessageBytes) {
      this.#parts.push(bytes)
      this.#partsBytes += bytes.length
    } else {
      this.#droppedFrames++
      this.#giveBack(takenBytes)
    }
    if (isMore) return undefined
    const message = { parts: this.#parts, takenBytes: this.#takenBytes, droppedFrames: this.#droppedFrames }
    this.#parts = []
    this.#partsBytes = 0
    this.#takenBytes = 0
    this.#droppedFrames = 0
    return message
  }

  #giveBack(bytes: number): void {
    this.#takenBytes -= bytes
    this.#room.give(bytes)
  }

  /** Commands that are not known are nothing to end a connection for. */
  #command(bytes: Buffer): undefined {
    if (bytes.length > handshakeBytes) throw malformed('a command is too long')
    const { name, content } = readCommand(bytes)
    if (name === 'ERROR') throw new ProtocolError('peer', 'the peer has refused')
    if (name !== 'PING') return
    const context = content.subarray(pingTtlBytes)
    if (content.length < pingTtlBytes || context.length > pingContextBytes) throw malformed('no PING')
    this.#ttlMs = content.readUInt16BE(0) * 100
    this.#pong = command('PONG', context)
    this.#events.pong(this.#pong)
  }

  #sendCommand(body: Buffer): undefined {
    this.#events.out(shortFrame(2, commandFlag, body))
  }
}

/** What to send before the end. */
export function farewellOf(error: ProtocolError): Buffer | undefined {
  return error.farewell && shortFrame(2, commandFlag, error.farewell)
}

function assertSocketType(properties: Buffer): void {
  const type = readMetadata(properties).get('socket-type')?.toString('latin1')
  if (type === undefined || !Object.values(socketTypes).includes(type)) throw malformed('a socket of another type')
}
