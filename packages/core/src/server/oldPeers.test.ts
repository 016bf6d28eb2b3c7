import { pino } from 'pino'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { frame, frame1, greeting, message, ready, signature, Wire } from '../../../zmtp/test/wire.ts'
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

const command = (text: string): Buffer => frame(4, text)
const messageOf = (make: typeof frame) => (text: string) => message(make, ['', text])

/** What a peer says first, and what it hears before it says more. */
type Opening = readonly (readonly [bytes: Uint8Array, heard: string])[]

const opening3 = (minor: number): Opening => [
  [greeting('NULL', minor), 'NULL'],
  [ready(), 'READY'],
]
const versions: Record<string, { opening: Opening; message: (text: string) => Uint8Array }> = {
  '3.1': { opening: opening3(1), message: messageOf(frame) },
  '3.0': { opening: opening3(0), message: messageOf(frame) },
  // A REQ socket without an identity.
  '2.0': { opening: [[Buffer.concat([signature, Buffer.from([1, 3, 0, 0])]), '']], message: messageOf(frame) },
  '1.0': { opening: [[Buffer.from([1, 0]), '']], message: messageOf(frame1) },
}

describe.each(Object.entries(versions))('a peer of ZMTP %s', (version, { opening, message: says }) => {
  async function connect(): Promise<Wire> {
    const wire = new Wire(server.endpoints[0]!)
    for (const [bytes, heard] of opening) {
      wire.send(bytes)
      await wire.until(heard)
    }
    return wire
  }

  it('is served, and is asked for no heartbeat', async () => {
    using wire = await connect()
    for (const text of ['one', 'two']) {
      wire.send(says(text))
      await wire.until(`<${text}>`)
    }
    expect(wire.text).not.toContain('PING')
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
