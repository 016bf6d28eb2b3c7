import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { curveKeyPair, Request } from 'zeromq'
import { boxKeys } from '../src/box.ts'
import { type Listener, listen } from '../src/index.ts'
import { CurvePeer, frame, greeting, message, openings, Wire } from './wire.ts'

// Whatever peers send: the process stays, all room comes back, and a well-behaved peer is served.

const secretKey = randomBytes(32)
const listeners: { listener: Listener; taken: number }[] = []

beforeAll(async () => {
  for (const curve of [undefined, { secretKey, authorize: () => true }]) {
    const entry = { listener: undefined as never as Listener, taken: 0 }
    entry.listener = await listen(['tcp://127.0.0.1:*'], {
      ...(curve && { curve }),
      limits: { maxFrameBytes: 1_000_000, maxConnections: 50 },
      takeRoom: (_, bytes) => {
        entry.taken += bytes
        return true
      },
      giveRoom: (_, bytes) => {
        entry.taken -= bytes
      },
      onMessage: (connection, { parts, takenBytes }) => {
        connection.send(parts)
        entry.taken -= takenBytes
      },
    })
    listeners.push(entry)
  }
})

afterAll(() => Promise.all(listeners.map(({ listener }) => listener.close(0))))

const valid = fc.constantFrom(
  ...Object.values(openings).map(({ opening, frame }) =>
    Buffer.concat([opening, message(frame, ['', 'text']), message(frame, ['', 'x'.repeat(300)])]),
  ),
  Buffer.concat([openings['3.1'].opening, frame(4, '\x04PING\0\x50context'), frame(4, '\x03NEW')]),
  Buffer.concat([
    greeting('CURVE'),
    frame(4, new CurvePeer(boxKeys(secretKey).publicKey).hello()),
    frame(4, Buffer.alloc(300)),
  ]),
)

const change = fc.tuple(
  fc.nat(),
  fc.constantFrom('flip', 'cut', 'insert', 'repeat'),
  fc.uint8Array({ minLength: 1, maxLength: 12 }),
)

const noise = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc.tuple(valid, fc.array(change, { maxLength: 4 })).map(([bytes, changes]) => changes.reduce(changed, bytes)),
)

function changed(bytes: Buffer, [place, how, more]: [number, string, Uint8Array]): Buffer {
  const at = place % (bytes.length + 1)
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)]
  if (how === 'cut') return Buffer.concat([before, after.subarray(more.length)])
  if (how === 'insert') return Buffer.concat([before, more, after])
  if (how === 'repeat') return Buffer.concat([before, before.subarray(-more.length), after])
  return Buffer.concat([
    before,
    after.subarray(0, more.length).map((byte, index) => byte ^ more[index]!),
    after.subarray(more.length),
  ])
}

describe.each([
  ['without keys', 0],
  ['with CURVE', 1],
])('a server %s', (_, which) => {
  it('stands whatever is said to it, and serves the others', async () => {
    const entry = listeners[which]!
    const [endpoint] = entry.listener.endpoints
    const pair = curveKeyPair()
    await fc.assert(
      fc.asyncProperty(
        noise,
        fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 4 }),
        async (bytes, lengths) => {
          using wire = new Wire(endpoint!)
          for (let at = 0, turn = 0; at < bytes.length; turn++) {
            const end = at + lengths[turn % lengths.length]!
            wire.send(bytes.subarray(at, end))
            at = end
          }
          wire.socket.end()
          await wire.ended()
        },
      ),
      { numRuns: 300 },
    )
    expect([entry.listener.connections.size, entry.taken]).toEqual([0, 0])

    const keys = {
      curveServerKey: encode(boxKeys(secretKey).publicKey),
      curvePublicKey: pair.publicKey,
      curveSecretKey: pair.secretKey,
    }
    const request = new Request({ linger: 0, ...(which === 1 && keys) })
    request.connect(endpoint!)
    await request.send(['text', 'more'])
    expect((await request.receive()).map(String)).toEqual(['text', 'more'])
    request.close()
  })
})

/** Z85. */
function encode(bytes: Uint8Array): string {
  const digits = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#'
  const view = Buffer.from(bytes)
  let text = ''
  for (let at = 0; at < view.length; at += 4) {
    let value = view.readUInt32BE(at)
    let five = ''
    for (let count = 0; count < 5; count++) {
      five = digits[value % 85]! + five
      value = Math.floor(value / 85)
    }
    text += five
  }
  return text
}
