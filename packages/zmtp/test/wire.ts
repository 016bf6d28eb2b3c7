import { randomBytes } from 'node:crypto'
import { createConnection, type Socket } from 'node:net'
import { type BoxKeys, boxKeys, newBoxKeys, open, seal, sharedKey } from '../src/box.ts'

// Peers that speak ZMTP by hand, so that they can say what no library says.

export const signature = Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f])

export function greeting(mechanism: string, minor = 1): Buffer {
  return Buffer.concat([signature, Buffer.from([3, minor]), Buffer.from(mechanism.padEnd(52, '\0'), 'latin1')])
}

/** A frame of ZMTP 2.0 and later. */
export function frame(flags: number, body: Uint8Array | string): Buffer {
  const bytes = Buffer.from(body as string, 'latin1')
  if (bytes.length < 256) return Buffer.concat([Buffer.from([flags, bytes.length]), bytes])
  return Buffer.concat([largeHead(flags, bytes.length), bytes])
}

/** What announces a frame of so many bytes. */
export function largeHead(flags: number, length: number): Buffer {
  const head = Buffer.alloc(9)
  head[0] = flags | 2
  head.writeBigUInt64BE(BigInt(length), 1)
  return head
}

/** A frame of ZMTP 1.0. */
export function frame1(flags: number, body: Uint8Array | string): Buffer {
  const bytes = Buffer.from(body as string, 'latin1')
  const length = bytes.length + 1
  if (length < 255) return Buffer.concat([Buffer.from([length, flags]), bytes])
  const head = Buffer.alloc(10, flags)
  head[0] = 0xff
  head.writeBigUInt64BE(BigInt(length), 1)
  return Buffer.concat([head, bytes])
}

export function ready(type = 'REQ'): Buffer {
  return frame(4, `\x05READY\x0bSocket-Type\0\0\0${String.fromCharCode(type.length)}${type}`)
}

/** A message of frames, as a peer of a version sends it. */
export function message(make: typeof frame, parts: readonly (Uint8Array | string)[]): Buffer {
  return Buffer.concat(parts.map((part, index) => make(index < parts.length - 1 ? 1 : 0, part)))
}

/** All that a peer of each version says before its messages; it needs to hear nothing for that. */
export const openings = {
  '3.1': { opening: Buffer.concat([greeting('NULL'), ready()]), frame },
  '3.0': { opening: Buffer.concat([greeting('NULL', 0), ready('DEALER')]), frame },
  '2.0': { opening: Buffer.concat([signature, Buffer.from([1, 3, 0, 2, 65, 66])]), frame },
  '1.0': { opening: frame1(0, 'name'), frame: frame1 },
  '1.0, a long name': {
    opening: Buffer.concat([Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 5, 0]), Buffer.from('name')]),
    frame: frame1,
  },
} as const

/** The client's side of CURVE, step by step. */
export class CurvePeer {
  readonly keys: BoxKeys
  readonly #serverKey: Uint8Array
  readonly #short = newBoxKeys()
  #nonce = 0n
  #key: Uint8Array | undefined

  constructor(serverKey: Uint8Array, secretKey: Uint8Array = randomBytes(32)) {
    this.keys = boxKeys(secretKey)
    this.#serverKey = serverKey
  }

  hello(): Buffer {
    const nonce = this.nonce()
    const box = seal(sharedKey(this.#short, this.#serverKey)!, nonceOf('CurveZMQHELLO---', nonce), Buffer.alloc(64))
    return Buffer.concat([
      Buffer.from('\x05HELLO\x01\0', 'latin1'),
      Buffer.alloc(72),
      this.#short.publicKey,
      nonce,
      box,
    ])
  }

  /** @param vouched the short-term key that the long-term one vouches for */
  initiate(
    welcome: Buffer,
    vouched: Uint8Array = this.#short.publicKey,
    metadata = '\x0bSocket-Type\0\0\0\x03REQ',
  ): Buffer {
    const text = open(
      sharedKey(this.#short, this.#serverKey)!,
      nonceOf('WELCOME-', welcome.subarray(8, 24)),
      welcome.subarray(24),
    )!
    const [serverShort, cookie] = [text.subarray(0, 32), text.subarray(32)]
    const random = randomBytes(16)
    const vouch = seal(
      sharedKey(this.keys, serverShort)!,
      nonceOf('VOUCH---', random),
      Buffer.concat([vouched, this.#serverKey]),
    )
    this.#key = sharedKey(this.#short, serverShort)!
    const nonce = this.nonce()
    const box = seal(
      this.#key,
      nonceOf('CurveZMQINITIATE', nonce),
      Buffer.concat([this.keys.publicKey, random, vouch, Buffer.from(metadata, 'latin1')]),
    )
    return Buffer.concat([Buffer.from('\x08INITIATE', 'latin1'), cookie, nonce, box])
  }

  /** @param flags 1 for more, 2 for a command */
  message(flags: number, text: Uint8Array | string, nonce = this.nonce()): Buffer {
    const bytes = Buffer.concat([Buffer.from([flags]), Buffer.from(text as string, 'latin1')])
    const box = seal(this.#key!, nonceOf('CurveZMQMESSAGEC', nonce), bytes)
    return Buffer.concat([Buffer.from('\x07MESSAGE', 'latin1'), nonce, box])
  }

  /** What a sealed message of the server says, with its flags before it. */
  open(body: Buffer): Buffer {
    return open(this.#key!, nonceOf('CurveZMQMESSAGES', body.subarray(8, 16)), body.subarray(16))!
  }

  nonce(): Buffer {
    const nonce = Buffer.alloc(8)
    nonce.writeBigUInt64BE(++this.#nonce)
    return nonce
  }
}

function nonceOf(prefix: string, rest: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(prefix), rest])
}

/** Frames of 2.0 and later in what has come, after so many bytes. */
export function framesOf(bytes: Buffer, from: number): Buffer[] {
  const frames: Buffer[] = []
  for (let at = from; at < bytes.length; ) {
    const isLarge = (bytes[at]! & 2) !== 0
    if (at + (isLarge ? 9 : 2) > bytes.length) break
    const length = isLarge ? Number(bytes.readBigUInt64BE(at + 1)) : bytes[at + 1]!
    const start = at + (isLarge ? 9 : 2)
    if (start + length > bytes.length) break
    frames.push(bytes.subarray(start, start + length))
    at = start + length
  }
  return frames
}

/** A raw connection. */
export class Wire {
  readonly socket: Socket
  receivedBytes = 0
  #chunks: Buffer[] = []

  constructor(endpoint: string) {
    const path = /^ipc:\/\/(.+)/.exec(endpoint)?.[1]
    const port = Number(/:(\d+)$/.exec(endpoint)?.[1])
    this.socket = path === undefined ? createConnection(port, '127.0.0.1') : createConnection(path)
    this.socket.on('error', () => undefined)
    this.socket.on('data', (bytes: Buffer) => {
      this.#chunks.push(bytes)
      this.receivedBytes += bytes.length
    })
  }

  get received(): Buffer {
    if (this.#chunks.length !== 1) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]!
  }

  get text(): string {
    return this.received.toString('latin1')
  }

  send(...bytes: readonly Uint8Array[]): void {
    for (const each of bytes) this.socket.write(each)
  }

  async until(condition: string | (() => boolean)): Promise<void> {
    const holds = typeof condition === 'string' ? () => this.text.includes(condition) : condition
    while (!holds()) await new Promise((resolve) => this.socket.once('data', resolve))
  }

  /** The connection is over, however. */
  async ended(): Promise<void> {
    if (!this.socket.closed) await new Promise((resolve) => this.socket.once('close', resolve))
  }

  /** Speaks CURVE until the server is ready. */
  async curve(peer: CurvePeer): Promise<void> {
    this.send(greeting('CURVE'), frame(4, peer.hello()))
    await this.until(() => framesOf(this.received, 64).length === 1)
    this.send(frame(4, peer.initiate(framesOf(this.received, 64)[0]!)))
    await this.until(() => framesOf(this.received, 64).length === 2)
  }

  [Symbol.dispose](): void {
    this.socket.destroy()
  }
}
