import { afterEach, describe, expect, it } from 'vitest'
import { Dealer, Request } from 'zeromq'
import { assertLoopback } from './endpoints.ts'
import { type FrameHandler, maxFramesPerMessage, type RouterServer, serveRouter, splitEnvelope } from './router.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const open: { close(): unknown }[] = []

afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close()
})

/** A handler that answers so, and refuses a crowd with `no`. */
function handler(answer: (frame: Uint8Array) => Promise<Uint8Array>): FrameHandler {
  return { answer, refuseCrowd: () => bytes('no') }
}

async function serve(handle: (text: string) => Promise<string>): Promise<RouterServer> {
  const server = await serveRouter(
    ['tcp://127.0.0.1:0'],
    handler(async (frame) => bytes(await handle(frame.toString()))),
  )
  open.push({ close: () => server.close(0) })
  return server
}

function connect<T extends Dealer | Request>(socket: T, { endpoints }: RouterServer): T {
  socket.connect(endpoints[0]!)
  open.push(socket)
  return socket
}

describe('serveRouter', () => {
  it('serves REQ peers in lock-step', async () => {
    const server = await serve(async (text) => `re: ${text}`)
    const peer = connect(new Request(), server)
    for (const text of ['one', 'two', '']) {
      await peer.send(text)
      expect(String(await peer.receive())).toBe(`re: ${text}`)
    }
  })

  it('answers DEALER peers in the order of completion, with and without delimiter', async () => {
    const waiting = new Map<string, () => void>()
    const server = await serve(async (text) => {
      if (text === 'slow') await new Promise<void>((resolve) => waiting.set(text, resolve))
      return `re: ${text}`
    })
    const peer = connect(new Dealer(), server)
    await peer.send(['', 'slow'])
    await peer.send(['', 'quick'])
    await peer.send('bare')
    expect((await peer.receive()).map(String)).toEqual(['', 're: quick'])
    expect((await peer.receive()).map(String)).toEqual(['re: bare'])
    waiting.get('slow')!()
    expect((await peer.receive()).map(String)).toEqual(['', 're: slow'])
  })

  it('answers each frame of a message, in order', async () => {
    const server = await serve(async (text) => text.toUpperCase())
    const peer = connect(new Request(), server)
    await peer.send(['a', '', 'c'])
    expect((await peer.receive()).map(String)).toEqual(['A', '', 'C'])
  })

  it('does not look at the frames of a message that has too many, but answers each', async () => {
    const heard: string[] = []
    const server = await serve(async (text) => {
      heard.push(text)
      return text
    })
    const peer = connect(new Dealer(), server)
    await peer.send(new Array(maxFramesPerMessage + 1).fill('x'))
    expect((await peer.receive()).map(String)).toEqual(new Array(maxFramesPerMessage + 1).fill('no'))
    expect(heard).toEqual([])
    await peer.send(new Array(maxFramesPerMessage).fill('x'))
    expect(await peer.receive()).toHaveLength(maxFramesPerMessage)
  })

  it('lets running requests finish when it closes, and hears no further ones', async () => {
    let finish!: () => void
    let started!: () => void
    const start = new Promise<void>((resolve) => {
      started = resolve
    })
    const heard: string[] = []
    const server = await serveRouter(
      ['tcp://127.0.0.1:0'],
      handler(async (frame) => {
        heard.push(frame.toString())
        started()
        await new Promise<void>((resolve) => {
          finish = resolve
        })
        return frame
      }),
    )
    const peer = connect(new Dealer(), server)
    await peer.send('first')
    await start
    const closed = server.close(10_000)
    await peer.send('late')
    finish()
    await closed
    expect((await peer.receive()).map(String)).toEqual(['first'])
    expect(heard).toEqual(['first'])
  })

  it('does not wait for ever for a request that hangs', async () => {
    const server = await serveRouter(
      ['tcp://127.0.0.1:0'],
      handler(() => new Promise<Uint8Array>(() => {})),
    )
    const peer = connect(new Dealer(), server)
    await peer.send('hanging')
    await server.close(20)
  })

  it('goes on when peers vanish without taking their reply', async () => {
    const server = await serve(async (text) => text)
    for (let peers = 0; peers < 20; peers++) {
      const peer = new Dealer({ linger: 1000 })
      peer.connect(server.endpoints[0]!)
      await peer.send('gone')
      peer.close()
    }
    const peer = connect(new Request(), server)
    await peer.send('here')
    expect(String(await peer.receive())).toBe('here')
  })

  it('rejects an endpoint that is taken, and lets go of the ones before it', async () => {
    const first = await serve(async (text) => text)
    await expect(
      serveRouter(
        ['tcp://127.0.0.1:0', first.endpoints[0]!],
        handler(async (frame) => frame),
      ),
    ).rejects.toThrow()
  })
})

describe('splitEnvelope', () => {
  const split = (...parts: string[]): [string[], string[]] => {
    const { envelope, requests } = splitEnvelope(parts.map(bytes))
    const text = (part: Uint8Array): string => new TextDecoder().decode(part)
    return [envelope.map(text), requests.map(text)]
  }

  it('finds the requests behind the delimiter, or behind the identity', () => {
    expect(split('id', '', 'a')).toEqual([['id', ''], ['a']])
    expect(split('id', '', 'a', '', 'b')).toEqual([
      ['id', ''],
      ['a', '', 'b'],
    ])
    expect(split('id', 'proxy', '', 'a')).toEqual([['id', 'proxy', ''], ['a']])
    expect(split('id', 'a')).toEqual([['id'], ['a']])
    expect(split('id', '', '')).toEqual([['id', ''], ['']])
    expect(split('id', '')).toEqual([['id'], ['']])
  })
})

describe('assertLoopback', () => {
  it('lets nothing through that other machines can reach', () => {
    for (const endpoint of [
      'tcp://127.0.0.1:5552',
      'tcp://127.1.2.3:0',
      'tcp://[::1]:1',
      'tcp://localhost:1',
      'ipc:///tmp/x',
    ]) {
      expect(() => assertLoopback(endpoint), endpoint).not.toThrow()
    }
    const reachable = [
      'tcp://*:5552',
      'tcp://0.0.0.0:1',
      'tcp://10.0.0.1:1',
      'tcp://127.0.0.1.example.org:1',
      'tcp://eth0:1',
      'pgm://x',
      '',
    ]
    for (const endpoint of reachable) expect(() => assertLoopback(endpoint), endpoint).toThrow(RangeError)
  })
})
