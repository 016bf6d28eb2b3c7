import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CurvePeer, frame, framesOf, greeting, largeHead, message, openings } from '../test/wire.ts'
import { overheadBytes, type Room } from './body.ts'
import { boxKeys } from './box.ts'
import { sealBytes } from './curve.ts'
import { commandFlag, shortFrame } from './frames.ts'
import { type Message, Session, type SessionLimits } from './session.ts'

const limits = { maxFrameBytes: 64 * 1024 * 1024, maxFrames: 1000, maxMessageBytes: 256 * 1024 * 1024 }
const serverKeys = boxKeys(randomBytes(32))

/** Room that is counted, and may be bounded. */
class CountedRoom implements Room {
  taken = 0
  most = Number.POSITIVE_INFINITY

  take(bytes: number): boolean {
    if (this.taken + bytes > this.most) return false
    this.taken += bytes
    return true
  }

  give(bytes: number): void {
    this.taken -= bytes
  }
}

interface Peer {
  session: Session
  room: CountedRoom
  messages: Message[]
  out: Buffer
  pongs: Buffer[]
}

function newPeer(isCurve = false, bounds: Partial<SessionLimits> = {}): Peer {
  const room = new CountedRoom()
  const curve = isCurve ? { keys: serverKeys, authorize: () => true } : undefined
  const events = {
    out: (bytes: Uint8Array) => {
      peer.out = Buffer.concat([peer.out, bytes])
    },
    pong: (body: Buffer) => peer.pongs.push(body),
  }
  const session = new Session({ ...limits, ...bounds }, room, events, curve)
  const peer: Peer = { session, room, messages: [], out: Buffer.alloc(0), pongs: [] }
  session.start()
  return peer
}

/** Reads a chunk to its end, or until there is no room. */
function feed({ session, messages }: Peer, chunk: Buffer): void {
  for (let at = 0; at < chunk.length; ) {
    const read = session.read(chunk, at)
    at = read.at
    if (read.message !== undefined) messages.push(read.message)
    if (session.isBlocked) return
  }
}

/** Pieces whose lengths come round again. */
function feedInPieces(peer: Peer, bytes: Buffer, lengths: readonly number[]): void {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const end = at + lengths[turn % lengths.length]!
    feed(peer, bytes.subarray(at, end))
    at = end
  }
}

const contents = ({ messages }: Peer): string[][] =>
  messages.map(({ parts }) => parts.map((part) => part.toString('latin1')))

/** A peer with CURVE that is let in. */
function introduce(peer: Peer): CurvePeer {
  const client = new CurvePeer(serverKeys.publicKey)
  feed(peer, Buffer.concat([greeting('CURVE'), frame(4, client.hello())]))
  feed(peer, frame(4, client.initiate(framesOf(peer.out, 64)[0]!)))
  return client
}

const part = fc.oneof(
  { weight: 4, arbitrary: fc.uint8Array({ maxLength: 20 }) },
  fc
    .tuple(fc.constantFrom(252, 253, 254, 255, 256, 4000, 16_384, 65_536, 65_537, 300_000), fc.nat(255))
    .map(([length, first]) => Uint8Array.from({ length }, (_, index) => first + index * 7)),
)
const messages = fc.array(fc.array(part, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 })
const lengths = fc.array(fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 70_000 })), {
  minLength: 1,
  maxLength: 5,
})
const asText = (sent: readonly (readonly Uint8Array[])[]): string[][] =>
  sent.map((parts) => parts.map((bytes) => Buffer.from(bytes).toString('latin1')))

describe.each(Object.entries(openings))('a peer of ZMTP %s', (_, { opening, frame }) => {
  it('means the same in whatever pieces it comes', () => {
    fc.assert(
      fc.property(messages, lengths, (sent, pieces) => {
        const peer = newPeer()
        feedInPieces(peer, Buffer.concat([opening, ...sent.map((parts) => message(frame, parts))]), pieces)
        expect(contents(peer)).toEqual(asText(sent))
        expect(peer.room.taken).toBe(peer.messages.reduce((sum, { takenBytes }) => sum + takenBytes, 0))
      }),
      { numRuns: 60 },
    )
  })
})

describe('a peer with CURVE', () => {
  it('means the same in whatever pieces it comes', () => {
    fc.assert(
      fc.property(messages, lengths, (sent, pieces) => {
        const peer = newPeer(true)
        const client = introduce(peer)
        const sealed = sent.flatMap((parts) =>
          parts.map((text, index) => frame(0, client.message(index < parts.length - 1 ? 1 : 0, text))),
        )
        feedInPieces(peer, Buffer.concat(sealed), pieces)
        expect(contents(peer)).toEqual(asText(sent))
      }),
      { numRuns: 60 },
    )
  })

  it('is let in by no changed byte of its handshake or of a message', () => {
    const said = (client: CurvePeer, change: (bytes: Buffer, step: number) => Buffer): string[][] => {
      const peer = newPeer(true)
      feed(peer, Buffer.concat([greeting('CURVE'), frame(4, change(client.hello(), 0))]))
      feed(peer, frame(4, change(client.initiate(framesOf(peer.out, 64)[0]!), 1)))
      feed(peer, frame(0, change(client.message(0, 'text'), 2)))
      return contents(peer)
    }
    expect(said(new CurvePeer(serverKeys.publicKey), (bytes) => bytes)).toEqual([['text']])
    fc.assert(
      fc.property(fc.nat(2), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, at, change) => {
        const attempt = (): string[][] =>
          said(new CurvePeer(serverKeys.publicKey), (bytes, step) => {
            if (step !== which) return bytes
            // The padding of HELLO means nothing.
            const place = at % bytes.length
            bytes[step === 0 && place >= 8 && place < 80 ? 80 : place]! ^= change
            return bytes
          })
        expect(attempt).toThrow(/./)
      }),
      { numRuns: 150 },
    )
  })

  it.each([
    ['a nonce that was used', (client: CurvePeer, nonce: Buffer) => client.message(0, 'again', nonce)],
    ['a message that was sent', (_: CurvePeer, __: Buffer, sent: Buffer) => sent],
    ['no MESSAGE', () => Buffer.from('\x07MESSAGE')],
    ['a text that is not sealed', () => Buffer.from('x'.repeat(100))],
    ['the handshake again', (client: CurvePeer) => client.hello()],
  ])('ends with %s', (_, next) => {
    const peer = newPeer(true)
    const client = introduce(peer)
    const nonce = client.nonce()
    const sent = client.message(0, 'first', nonce)
    feed(peer, frame(0, sent))
    expect(() => feed(peer, frame(0, next(client, nonce, sent)))).toThrow(/./)
    expect(contents(peer)).toEqual([['first']])
  })

  it('cannot play a handshake of another connection', () => {
    const client = new CurvePeer(serverKeys.publicKey)
    const [first, second] = [newPeer(true), newPeer(true)]
    const hello = Buffer.concat([greeting('CURVE'), frame(4, client.hello())])
    feed(first, hello)
    feed(second, hello)
    const initiate = frame(4, client.initiate(framesOf(first.out, 64)[0]!))
    expect(() => feed(second, initiate)).toThrow('another cookie')
    feed(first, initiate)
    expect([first.session.isReady, second.session.isReady]).toEqual([true, false])
  })

  it('has to be vouched for by its own key', () => {
    const peer = newPeer(true)
    const client = new CurvePeer(serverKeys.publicKey)
    feed(peer, Buffer.concat([greeting('CURVE'), frame(4, client.hello())]))
    const initiate = client.initiate(framesOf(peer.out, 64)[0]!, new CurvePeer(serverKeys.publicKey).keys.publicKey)
    expect(() => feed(peer, frame(4, initiate))).toThrow('vouched')
  })

  it('hears less than it has said before it has shown who it is', () => {
    const peer = newPeer(true)
    const client = new CurvePeer(serverKeys.publicKey)
    feed(peer, greeting('CURVE'))
    expect(peer.out.length).toBe(64)
    const hello = client.hello()
    feed(peer, frame(4, hello))
    expect(framesOf(peer.out, 64)[0]!.length).toBeLessThan(hello.length)
  })
})

describe('memory', () => {
  it.each([
    ['as it is', false],
    ['sealed', true],
  ])('follows what has arrived of a large frame %s, and not what is announced', (_, isCurve) => {
    const peer = newPeer(isCurve)
    const size = 5_000_000
    const text = Buffer.alloc(size, 'abcdefg')
    let bytes: Buffer
    if (isCurve) bytes = frame(0, introduce(peer).message(0, text))
    else {
      feed(peer, openings['3.1'].opening)
      bytes = frame(0, text)
    }
    const sharesTaken: number[] = []
    for (let at = 0; at < bytes.length; at += 10_000) {
      feed(peer, bytes.subarray(at, at + 10_000))
      const arrived = Math.min(bytes.length, at + 10_000)
      sharesTaken.push(peer.room.taken / (arrived + 65_536))
    }
    expect(Math.max(...sharesTaken)).toBeLessThan(5)
    expect(peer.messages[0]!.parts[0]!.equals(text)).toBe(true)
    expect(peer.messages[0]!.takenBytes).toBeLessThan(size + 1000)
    expect(peer.room.taken).toBe(peer.messages[0]!.takenBytes)
  })

  it('of nothing but announcements is small', () => {
    const peer = newPeer()
    feed(peer, Buffer.concat([openings['3.1'].opening, largeHead(0, limits.maxFrameBytes), Buffer.from([1])]))
    expect(peer.room.taken).toBeLessThan(20_000)
    peer.session.end()
    expect(peer.room.taken).toBe(0)
  })

  it('that is not there stops the reading in any place, and it goes on as if nothing had been', () => {
    fc.assert(
      fc.property(messages, lengths, fc.boolean(), (sent, pieces, isCurve) => {
        const peer = newPeer(isCurve)
        let bytes: Buffer
        if (isCurve) {
          const client = introduce(peer)
          bytes = Buffer.concat(
            sent.flatMap((parts) =>
              parts.map((text, index) => frame(0, client.message(index < parts.length - 1 ? 1 : 0, text))),
            ),
          )
        } else {
          feed(peer, openings['3.1'].opening)
          bytes = Buffer.concat(sent.map((parts) => message(frame, parts)))
        }
        // Each time there is room for one step more.
        peer.room.most = 0
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const chunk = bytes.subarray(at, at + pieces[turn % pieces.length]!)
          at += chunk.length
          let read = 0
          do {
            const result = peer.session.read(chunk, read)
            read = result.at
            if (result.message !== undefined) peer.messages.push(result.message)
            if (peer.session.isBlocked) peer.room.most += 8192
          } while (read < chunk.length || peer.session.isBlocked)
        }
        expect(contents(peer)).toEqual(asText(sent))
        peer.session.end()
        expect(peer.room.taken).toBe(peer.messages.reduce((sum, { takenBytes }) => sum + takenBytes, 0))
      }),
      { numRuns: 40 },
    )
  })

  it('of an unfinished message comes back', () => {
    const peer = newPeer()
    feed(peer, Buffer.concat([openings['3.1'].opening, frame(1, 'one'), frame(1, 'two'), Buffer.from([0, 9, 1])]))
    expect(peer.room.taken).toBe(3 + 3 + 9 + 3 * overheadBytes)
    peer.session.end()
    expect(peer.room.taken).toBe(0)
  })

  it('of a sealed frame that is none comes back', () => {
    for (const [more, change] of [
      [1, 0],
      [0, 1],
    ] as const) {
      const peer = newPeer(true)
      const client = introduce(peer)
      const sealed = client.message(0, 'text')
      sealed[sealed.length - 1]! ^= change
      expect(() => feed(peer, frame(more, sealed))).toThrow()
      peer.session.end()
      expect(peer.room.taken).toBe(0)
    }
  })
})

describe('frames of a message', () => {
  it('beyond those that it may have are dropped, and counted', () => {
    const peer = newPeer(false, { maxFrames: 3 })
    feed(
      peer,
      Buffer.concat([openings['3.1'].opening, message(frame, ['', '1', '2', '3', '4']), message(frame, ['', '5'])]),
    )
    expect(contents(peer)).toEqual([
      ['', '1', '2'],
      ['', '5'],
    ])
    expect(peer.messages.map(({ droppedFrames }) => droppedFrames)).toEqual([2, 0])
    expect(peer.room.taken).toBe(peer.messages.reduce((sum, { takenBytes }) => sum + takenBytes, 0))
  })

  describe.each([
    ['as they are', false, 0],
    ['sealed', true, sealBytes],
  ])('%s', (_, isCurve, extraBytes) => {
    /** A peer, and how it sends messages. */
    function bounded(maxMessageBytes: number) {
      const peer = newPeer(isCurve, { maxMessageBytes })
      const client = isCurve ? introduce(peer) : undefined
      if (client === undefined) feed(peer, openings['3.1'].opening)
      const send = (more: boolean, text: string): void =>
        feed(peer, client ? frame(0, client.message(more ? 1 : 0, text)) : frame(more ? 1 : 0, text))
      return { peer, send }
    }
    const roomOf = (...texts: string[]): number =>
      texts.reduce((sum, text) => sum + text.length + extraBytes + overheadBytes, 0)

    it('that are more than its bytes may be are dropped, and counted, and their room comes back', () => {
      const { peer, send } = bounded(10)
      const kept: string[] = []
      for (const text of ['', '12345', '123456', '12345678901', '67890', '1']) {
        send(true, text)
        if (text.length <= 5 && text !== '1') kept.push(text)
        expect(peer.room.taken, text).toBe(roomOf(...kept))
      }
      send(false, '')
      expect(contents(peer)).toEqual([['', '12345', '67890', '']])
      expect(peer.messages[0]).toMatchObject({ droppedFrames: 3, takenBytes: roomOf('', '12345', '67890', '') })
      peer.room.give(peer.messages[0]!.takenBytes)
      expect(peer.room.taken).toBe(0)
    })

    it('are nothing to the message behind it', () => {
      const { peer, send } = bounded(10)
      send(false, '12345678901')
      expect(peer.room.taken).toBe(0)
      send(true, '12345')
      send(false, '67890')
      send(false, '1234567890')
      expect(contents(peer)).toEqual([[], ['12345', '67890'], ['1234567890']])
      expect(peer.messages.map(({ droppedFrames, takenBytes }) => [droppedFrames, takenBytes])).toEqual([
        [1, 0],
        [0, roomOf('12345', '67890')],
        [0, roomOf('1234567890')],
      ])
    })

    it('leave nothing behind when the connection ends before its message does', () => {
      const { peer, send } = bounded(10)
      for (const text of ['12345', '123456', '67890']) send(true, text)
      peer.session.end()
      expect(peer.room.taken).toBe(0)
    })
  })

  it('larger than frames may be are refused when they are announced', () => {
    for (const [length, error] of [
      [limits.maxFrameBytes + 1, 'too large'],
      [2 ** 53, 'too large'],
    ] as const) {
      const peer = newPeer()
      feed(peer, openings['3.1'].opening)
      expect(() => feed(peer, largeHead(0, length))).toThrow(error)
    }
    const peer = newPeer()
    feed(peer, Buffer.concat([openings['3.1'].opening, largeHead(0, limits.maxFrameBytes)]))
  })
})

describe('a heartbeat', () => {
  const pinged = (content: string): Peer => {
    const peer = newPeer()
    feed(peer, Buffer.concat([openings['3.1'].opening, frame(commandFlag, `\x04PING${content}`)]))
    return peer
  }

  it.each(['', 'c', '0123456789abcdef'])('is answered with its context %j, and nothing else', (context) => {
    expect(pinged(`\0\0${context}`).pongs.map(String)).toEqual([`\x04PONG${context}`])
  })

  it.each(['', '\0', '\0\x000123456789abcdefg'])('that is none ends the connection: %j', (content) => {
    expect(() => pinged(content)).toThrow('no PING')
  })

  it('tells how long its peer lives', () => {
    expect(pinged('\x01\x02').session.ttlMs).toBe(25_800)
  })

  it('is answered under the seal as well, and takes no room', () => {
    const peer = newPeer(true)
    const client = introduce(peer)
    feed(peer, frame(0, client.message(2, '\x04PING\0\x07sealed')))
    expect(peer.pongs.map(String)).toEqual(['\x04PONGsealed'])
    expect([peer.session.ttlMs, peer.room.taken]).toEqual([700, 0])
  })
})

describe('what is against the protocol ends the connection:', () => {
  const { opening } = openings['3.1']
  it.each<[string, Uint8Array[]]>([
    ['another mechanism', [greeting('PLAIN')]],
    ['CURVE where there is none', [greeting('CURVE')]],
    ['a mechanism with something behind it', [greeting('NULL\0x')]],
    ['a message before the handshake', [greeting('NULL'), frame(0, 'text')]],
    ['another command than READY', [greeting('NULL'), frame(4, '\x05HELLO')]],
    ['an error', [greeting('NULL'), frame(4, '\x05ERROR\x03400')]],
    ['no type of socket', [greeting('NULL'), frame(4, '\x05READY')]],
    ['a type of socket that is none to talk to', [greeting('NULL'), frame(4, '\x05READY\x0bSocket-Type\0\0\0\x03SUB')]],
    ['a property longer than its command', [greeting('NULL'), frame(4, '\x05READY\x0bSocket-Type\0\0\0\x04REQ')]],
    ['a property without a name', [greeting('NULL'), frame(4, '\x05READY\0\0\0\0\x03REQ')]],
    ['a handshake that is too long', [greeting('NULL'), largeHead(4, 2049)]],
    ['a command without a name', [opening, frame(4, '')]],
    ['a command longer than itself', [opening, frame(4, '\x05PING')]],
    ['a command that is too long', [opening, largeHead(4, 2049)]],
    ['a command with more behind it', [opening, frame(5, '\x04PING\0\0')]],
    ['unknown flags', [opening, frame(8, 'text')]],
    ['version 0', [Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0])]],
    ['a socket of 2.0 that publishes', [Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 1])]],
    ['a name of 1.0 that is too long', [Buffer.from([0xff, 0, 0, 0, 0, 0, 0, 9, 0, 0])]],
    ['a frame of 1.0 without flags', [openings['1.0'].opening, Buffer.from([0, 0])]],
  ])('%s', (_, bytes) => {
    const peer = newPeer()
    expect(() => feed(peer, Buffer.concat(bytes))).toThrow(/./)
    expect(peer.messages).toEqual([])
  })

  it.each(['1.0', '2.0', '3.1'] as const)('a peer of %s without a key where one is needed', (version) => {
    expect(() => feed(newPeer(true), openings[version].opening)).toThrow(expect.objectContaining({ reason: 'no_key' }))
  })

  it('a peer of 2.0 without a key where one is needed, as soon as it has told its version, and hears nothing of this side', () => {
    const peer = newPeer(true)
    const spoken = openings['2.0'].opening.subarray(0, 11)
    expect(() => feed(peer, spoken)).toThrow(expect.objectContaining({ reason: 'no_key' }))
    expect(peer.out.length).toBe(11)
  })

  it('a client that took another key for the server’s', () => {
    const client = new CurvePeer(boxKeys(randomBytes(32)).publicKey)
    const wrong = expect.objectContaining({ reason: 'wrong_server_key' })
    expect(() => feed(newPeer(true), Buffer.concat([greeting('CURVE'), frame(4, client.hello())]))).toThrow(wrong)
  })

  it('a key that shares no secret', () => {
    const hello = new CurvePeer(serverKeys.publicKey).hello()
    hello.fill(0, 80, 112)
    expect(() => feed(newPeer(true), Buffer.concat([greeting('CURVE'), frame(4, hello)]))).toThrow(/./)
  })
})

it('a command that is not known is nothing', () => {
  const peer = newPeer()
  feed(
    peer,
    Buffer.concat([
      openings['3.1'].opening,
      shortFrame(2, commandFlag, Buffer.from('\x03NEW')),
      message(frame, ['', 'text']),
    ]),
  )
  expect(contents(peer)).toEqual([['', 'text']])
})
