import { concatBytes, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MsgPackWriter } from './msgPackWriter.ts'
import {
  decodePttRequest,
  decodePttResponse,
  decodeStateKeys,
  encodePttRequest,
  encodePttResponse,
  encodeStateKeys,
  stateKeyCount,
} from './ptt.ts'

const id = Uint8Array.from({ length: 12 }, (_, i) => 20 * i)
const publicKey = Uint8Array.from({ length: 64 }, (_, i) => 4 * i)
const encrypted = Uint8Array.from({ length: 100 }, (_, i) => 255 - i)
const malformed = expect.objectContaining({ code: 'malformed_message' })
const undecryptable = expect.objectContaining({ code: 'decryption_failed' })

type Write = (writer: MsgPackWriter) => unknown
const message = (members: [string, Write][]) => {
  const writer = new MsgPackWriter().mapHeader(members.length)
  for (const [name, write] of members) {
    writer.str(name)
    write(writer)
  }
  return writer.bytes()
}
const idMember: [string, Write] = ['id', (writer) => writer.byteArray(id)]
const keyMember: [string, Write] = ['pubkey', (writer) => writer.byteArray(publicKey)]
const requestMember: [string, Write] = ['data', (writer) => writer.str('Request')]
const responseMember: [string, Write] = [
  'data',
  (writer) => writer.mapHeader(1).str('EncryptedResponse').byteArray(encrypted),
]

it.each([
  ['an id of 11 bytes', { id: id.slice(1), publicKey, encrypted }, 'id must be 12 bytes, got 11'],
  ['an id of 13 bytes', { id: new Uint8Array(13), publicKey, encrypted }, 'id must be 12 bytes, got 13'],
  ['a key of 63 bytes', { id, publicKey: publicKey.slice(1), encrypted }, 'public key must be 64 bytes, got 63'],
])('with %s nothing is encoded', (_, parts, message) => {
  for (const encode of [encodePttRequest, encodePttResponse]) expect(() => encode(parts)).toThrow(message)
})

describe('a request', () => {
  it('has the members data, id, prefix, pubkey, in this order', () => {
    const expected = message([
      requestMember,
      idMember,
      ['prefix', (writer) => writer.byteArray(utf8ToBytes('Enigma Message'))],
      keyMember,
    ])
    expect(encodePttRequest({ id, publicKey })).toEqual(expected)
    expect(decodePttRequest(expected)).toEqual({ id, publicKey })
    expect(encodePttRequest({ id, publicKey, prefix: false })).toEqual(message([requestMember, idMember, keyMember]))
  })

  it('is read with its members in any order, among unknown ones', () => {
    const unknown: [string, Write] = ['more', (writer) => writer.mapHeader(1).str('a').arrayHeader(1).nil()]
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3], { minLength: 4 }), (order) => {
        const members = [requestMember, idMember, keyMember, unknown]
        expect(decodePttRequest(message(order.map((i) => members[i]!)))).toEqual({ id, publicKey })
      }),
    )
  })

  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['garbage', hexToBytes('c1ff00')],
    ['a list', hexToBytes('93a0a0a0')],
    ['an empty map', hexToBytes('80')],
    ['no id', message([requestMember, keyMember])],
    ['no key', message([requestMember, idMember])],
    ['no data', message([idMember, keyMember])],
    ['a member twice', message([requestMember, idMember, idMember, keyMember])],
    ['a member with a number for a name', concatBytes(Uint8Array.of(0x81, 0x05, 0x05))],
    ['another word', message([['data', (writer) => writer.str('request')], idMember, keyMember])],
    ['a number as data', message([['data', (writer) => writer.int(1)], idMember, keyMember])],
    ['an id of 11', message([requestMember, ['id', (writer) => writer.byteArray(id.slice(1))], keyMember])],
    ['an id of 13', message([requestMember, ['id', (writer) => writer.byteArray(new Uint8Array(13))], keyMember])],
    ['a key of 65', message([requestMember, idMember, ['pubkey', (writer) => writer.byteArray(new Uint8Array(65))]])],
    ['an id that is text', message([requestMember, ['id', (writer) => writer.str('abcdefghijkl')], keyMember])],
    ['bytes after it', concatBytes(encodePttRequest({ id, publicKey }), Uint8Array.of(0))],
    ['a response', encodePttResponse({ id, publicKey, encrypted })],
    [
      // Signed with the addresses, so the signature of today cannot be checked against it.
      'the oldest form with addresses',
      message([['data', (writer) => writer.mapHeader(1).str('Request').arrayHeader(0)], idMember, keyMember]),
    ],
  ])('is refused if it is or has %s', (_, bytes) => {
    expect(() => decodePttRequest(bytes)).toThrow(malformed)
  })

  it('cut off anywhere is refused', () => {
    const bytes = encodePttRequest({ id, publicKey })
    for (let length = 0; length < bytes.length; length++) {
      expect(() => decodePttRequest(bytes.slice(0, length)), `${length} bytes`).toThrow(malformed)
    }
  })
})

describe('a response', () => {
  const bin: Write = (writer) => writer.str('EncryptedResponse')
  const binMessage = concatBytes(
    Uint8Array.of(0x83),
    new MsgPackWriter().str('data').mapHeader(1).bytes(),
    (() => {
      const writer = new MsgPackWriter()
      bin(writer)
      return writer.bytes()
    })(),
    Uint8Array.of(0xc4, encrypted.length),
    encrypted,
    message([idMember, keyMember]).slice(1),
  )

  it.each<[string, Uint8Array]>([
    ['as we write it', encodePttResponse({ id, publicKey, encrypted })],
    ['as enigma-principal writes it', message([responseMember, idMember, keyMember])],
    ['with another prefix', message([['prefix', (writer) => writer.nil()], responseMember, idMember, keyMember])],
    ['with the members turned round', message([keyMember, idMember, responseMember])],
    [
      'with the bytes themselves as data',
      message([['data', (writer) => writer.byteArray(encrypted)], idMember, keyMember]),
    ],
    ['with binary data', binMessage],
  ])('is read %s', (_, bytes) => {
    expect(decodePttResponse(bytes)).toEqual({ id, publicKey, encrypted })
  })

  it.each<[string, Uint8Array]>([
    ['a request', encodePttRequest({ id, publicKey })],
    [
      'a request of the older form',
      message([['data', (writer) => writer.mapHeader(1).str('Request').nil()], idMember, keyMember]),
    ],
    [
      'unencrypted',
      message([['data', (writer) => writer.mapHeader(1).str('Response').arrayHeader(0)], idMember, keyMember]),
    ],
  ])('that is %s is one that cannot be decrypted', (_, bytes) => {
    expect(() => decodePttResponse(bytes)).toThrow(undecryptable)
  })

  it.each<[string, Uint8Array]>([
    ['nothing', new Uint8Array()],
    ['text', utf8ToBytes('not MessagePack at all')],
    ['a short key', message([responseMember, idMember, ['pubkey', (writer) => writer.byteArray(id)]])],
    ['a short id', message([responseMember, ['id', (writer) => writer.byteArray(id.slice(1))], keyMember])],
    ['a short id in a request', message([requestMember, ['id', (writer) => writer.byteArray(id.slice(1))], keyMember])],
    ['two kinds of data', message([['data', (writer) => writer.mapHeader(2)], idMember, keyMember])],
    [
      'its kind without the bytes',
      message([['data', (writer) => writer.str('EncryptedResponse')], idMember, keyMember]),
    ],
    ['another kind without content', message([['data', (writer) => writer.str('Response')], idMember, keyMember])],
    ['an unknown kind', message([['data', (writer) => writer.mapHeader(1).str('Other').nil()], idMember, keyMember])],
  ])('that is or has %s is malformed', (_, bytes) => {
    expect(() => decodePttResponse(bytes)).toThrow(malformed)
  })

  it('gives a value or one of the two errors for any change of a byte', () => {
    const bytes = encodePttResponse({ id, publicKey, encrypted: new Uint8Array(28) })
    fc.assert(
      fc.property(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }), (at, value) => {
        const altered = Uint8Array.from(bytes, (byte, i) => (i === at ? value : byte))
        try {
          decodePttResponse(altered)
        } catch (error) {
          expect(error).toMatchObject({ code: expect.stringMatching(/^(malformed_message|decryption_failed)$/) })
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('state keys', () => {
  const hash = fc.uint8Array({ minLength: 32, maxLength: 32 })

  it('survive the round trip', () => {
    fc.assert(
      fc.property(fc.array(fc.record({ address: hash, key: hash }), { maxLength: 20 }), (stateKeys) => {
        expect(decodeStateKeys(encodeStateKeys(stateKeys))).toEqual(stateKeys)
      }),
    )
  })

  it('are counted before they are read', () => {
    const stateKey = { address: new Uint8Array(32), key: new Uint8Array(32) }
    for (const count of [0, 1, 20]) expect(stateKeyCount(encodeStateKeys(Array(count).fill(stateKey)))).toBe(count)
    expect(() => stateKeyCount(hexToBytes('80'))).toThrow(malformed)
  })

  it('are pairs of arrays of integers', () => {
    const encoded = encodeStateKeys([{ address: new Uint8Array(32), key: new Uint8Array(32).fill(255) }])
    const expected = `9192dc0020${'00'.repeat(32)}dc0020${'ccff'.repeat(32)}`
    expect(encoded).toEqual(hexToBytes(expected))
  })

  it.each([
    ['nothing', ''],
    ['a map', '80'],
    ['a list that claims too much', 'ddffffffff'],
    ['an entry of one', `9191dc0020${'00'.repeat(32)}`],
    ['an entry of three', `9193dc0020${'00'.repeat(32)}dc0020${'00'.repeat(32)}00`],
    ['a short address', `9192dc001f${'00'.repeat(31)}dc0020${'00'.repeat(32)}`],
    ['a long key', `9192dc0020${'00'.repeat(32)}dc0021${'00'.repeat(33)}`],
    ['bytes after the list', '9000'],
    ['a short key', `9192dc0020${'00'.repeat(32)}dc001f${'00'.repeat(31)}`],
    ['a long address', `9192dc0021${'00'.repeat(33)}dc0020${'00'.repeat(32)}`],
  ])('that are %s cannot be decrypted', (_, hex) => {
    expect(() => decodeStateKeys(hexToBytes(hex))).toThrow(undecryptable)
  })
})
