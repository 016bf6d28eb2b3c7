import { once } from 'node:events'
import { createConnection, type Socket } from 'node:net'
import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type RouterServer, serveRouter } from './router.ts'

// Peers that speak ZMTP by hand, as libraries of other versions do: they know no PING, or never answer one.

let server: RouterServer

beforeAll(async () => {
  const answer = async (frame: Uint8Array): Promise<Uint8Array> => Buffer.from(`<${frame.toString()}>`)
  server = await serveRouter(
    ['tcp://127.0.0.1:0'],
    { answer, refuse: () => Buffer.from('no'), reuse() {} },
    {
      logger: pino({ level: 'silent' }),
    },
  )
})

afterAll(() => server.close(0))

const signature = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f]
const greeting3 = (minor: number): Buffer =>
  Buffer.concat([Buffer.from([...signature, 3, minor]), Buffer.from('NULL'.padEnd(52, '\0'))])
const frame = (flags: number, body: Uint8Array): Buffer => Buffer.concat([Buffer.from([flags, body.length]), body])
const command = (text: string): Buffer => frame(4, Buffer.from(text, 'latin1'))
const ready = command('\x05READY\x0bSocket-Type\0\0\0\x03REQ')
const message2 = (text: string): Buffer => Buffer.concat([frame(1, Buffer.alloc(0)), frame(0, Buffer.from(text))])
const message1 = (text: string): Buffer => Buffer.concat([Buffer.from([1, 1, text.length + 1, 0]), Buffer.from(text)])

/** What a peer says first, and what it hears before it says more. */
type Opening = readonly (readonly [bytes: Uint8Array, heard: string])[]

const opening3 = (minor: number): Opening => [
  [greeting3(minor), 'NULL'],
  [ready, 'READY'],
]
const versions: Record<string, { opening: Opening; message: (text: string) => Uint8Array }> = {
  '3.1': { opening: opening3(1), message: message2 },
  '3.0': { opening: opening3(0), message: message2 },
  // A REQ socket without an identity.
  '2.0': { opening: [[Buffer.from([...signature, 1, 3, 0, 0]), '']], message: message2 },
  '1.0': { opening: [[Buffer.from([1, 0]), '']], message: message1 },
}

class Wire {
  readonly #socket: Socket
  #received = Buffer.alloc(0)

  constructor(port: number) {
    this.#socket = createConnection(port, '127.0.0.1')
    this.#socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes])
    })
  }

  get received(): string {
    return this.#received.toString('latin1')
  }

  send(bytes: Uint8Array): void {
    this.#socket.write(bytes)
  }

  async until(text: string): Promise<void> {
    while (!this.received.includes(text)) await once(this.#socket, 'data')
  }

  async ended(): Promise<void> {
    if (!this.#socket.readableEnded) await once(this.#socket, 'end')
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}

describe.each(Object.entries(versions))('a peer of ZMTP %s', (version, { opening, message }) => {
  async function connect(): Promise<Wire> {
    const wire = new Wire(Number(new URL(server.endpoints[0]!).port))
    for (const [bytes, heard] of opening) {
      wire.send(bytes)
      await wire.until(heard)
    }
    return wire
  }

  it('is served, and is asked for no heartbeat', async () => {
    using wire = await connect()
    for (const text of ['one', 'two']) {
      wire.send(message(text))
      await wire.until(`<${text}>`)
    }
    expect(wire.received).not.toContain('PING')
  })

  if (version === '3.1') {
    it('has its heartbeats answered', async () => {
      using wire = await connect()
      wire.send(command('\x04PING\0\0context'))
      await wire.until('\x04PONGcontext')
    })

    it('that said how long it lives is let go when it is silent for longer', async () => {
      using wire = await connect()
      // A tenth of a second.
      wire.send(command('\x04PING\0\x01'))
      await wire.ended()
    })
  }
})
