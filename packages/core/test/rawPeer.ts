import { createConnection, type Socket } from 'node:net'
import { frame, greeting, largeHead, signature } from '../../zmtp/test/wire.ts'

const opening = greeting('NULL')
/** What a ROUTER says first to a peer of ZMTP 2.0, with the empty frame of its identity. */
const greeting2Bytes = signature.length + 4
const dealerOf2 = 5
const moreFlag = 1
const largeFlag = 2
const commandFlag = 4
const joinedBytes = 4096

function readyAs(identity: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(identity.length)
  const properties = Buffer.from('\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity', 'latin1')
  return frame(commandFlag, Buffer.concat([properties, length, identity]))
}

export interface RawPeerOptions {
  /** At most 255 bytes. */
  readonly identity?: Uint8Array
  /** It speaks ZMTP 2.0, where nobody looks what an identity begins with. */
  readonly isOld?: boolean
  /** Where it comes from. */
  readonly localAddress?: string
  /** It reads nothing before `listen`. */
  readonly isDeaf?: boolean
  /** It does not even say who it is. */
  readonly isSilent?: boolean
}

/** A DEALER peer with NULL, by hand: it may say what no library says, and leave unread what it likes. */
export class RawPeer {
  readonly #socket: Socket
  readonly #greetingBytes: number
  readonly #messages: string[][] = []
  #frames: string[] = []
  #bytes = Buffer.alloc(0)
  #isGreeted = false
  #isEnded = false
  #changed = (): void => {}

  constructor(
    endpoint: string,
    { identity = Buffer.alloc(0), isOld = false, localAddress, isDeaf = false, isSilent = false }: RawPeerOptions = {},
  ) {
    const { protocol, hostname: host, port } = new URL(endpoint)
    const path = endpoint.slice('ipc://'.length)
    const place = protocol === 'ipc:' ? { path } : { host, port: Number(port), noDelay: true }
    this.#socket = createConnection({ ...place, ...(localAddress && { localAddress }) })
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => {
      this.#isEnded = true
      this.#changed()
    })
    this.#greetingBytes = isOld ? greeting2Bytes : opening.length
    const introduction = isOld
      ? [signature, Buffer.from([1, dealerOf2, 0, identity.length]), identity]
      : [opening, readyAs(identity)]
    if (!isSilent) this.#socket.write(Buffer.concat(introduction))
    if (!isDeaf) this.listen()
  }

  get isEnded(): boolean {
    return this.#isEnded
  }

  /** Bytes that wait for the system. */
  get unsentBytes(): number {
    return this.#socket.writableLength
  }

  listen(): void {
    this.#socket.on('data', (bytes: Buffer) => this.#read(bytes))
  }

  /** Sends bytes as they are. */
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  /** Sends a message; short frames together. */
  send(...frames: (string | Uint8Array)[]): void {
    let pieces: Uint8Array[] = []
    for (const [index, each] of frames.entries()) {
      const bytes = typeof each === 'string' ? Buffer.from(each) : each
      pieces.push(largeHead(index < frames.length - 1 ? moreFlag : 0, bytes.length))
      if (bytes.length < joinedBytes) pieces.push(bytes)
      else {
        this.write(Buffer.concat(pieces))
        this.write(bytes)
        pieces = []
      }
    }
    if (pieces.length > 0) this.write(Buffer.concat(pieces))
  }

  /** Resolves when the system has all that was sent. */
  flushed(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#socket.write('', (error) => (error ? reject(error) : resolve()))
    })
  }

  /** The next message; undefined behind the last one. */
  async receive(): Promise<string[] | undefined> {
    while (this.#messages.length === 0 && !this.#isEnded) await this.#change()
    return this.#messages.shift()
  }

  /** All messages that have come. */
  take(): string[][] {
    return this.#messages.splice(0)
  }

  async ended(): Promise<void> {
    while (!this.#isEnded) await this.#change()
  }

  close(): void {
    this.#socket.destroy()
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve
    })
  }

  #read(more: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, more])
    let at = 0
    if (!this.#isGreeted) {
      if (this.#bytes.length < this.#greetingBytes) return
      this.#isGreeted = true
      at = this.#greetingBytes
    }
    while (this.#bytes.length >= at + 9 || (this.#bytes.length >= at + 2 && (this.#bytes[at]! & largeFlag) === 0)) {
      const flags = this.#bytes[at]!
      const isLarge = (flags & largeFlag) !== 0
      const length = isLarge ? Number(this.#bytes.readBigUInt64BE(at + 1)) : this.#bytes[at + 1]!
      const start = at + (isLarge ? 9 : 2)
      if (this.#bytes.length < start + length) break
      at = start + length
      this.#frame(flags, this.#bytes.toString('latin1', start, at))
    }
    this.#bytes = this.#bytes.subarray(at)
    this.#changed()
  }

  #frame(flags: number, text: string): void {
    if ((flags & commandFlag) !== 0) return
    this.#frames.push(text)
    if ((flags & moreFlag) !== 0) return
    this.#messages.push(this.#frames)
    this.#frames = []
  }
}
