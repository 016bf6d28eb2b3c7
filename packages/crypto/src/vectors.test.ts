import { readFileSync } from 'node:fs'
import { bytesToHex, concatBytes, hexToBytes, u64be, utf8ToBytes } from '@bletchley/bytes'
import { describe, expect, it } from 'vitest'
import {
  addressOf,
  decodePttRequest,
  decrypt,
  ecdh,
  encodePttRequest,
  encrypt,
  keccak256,
  keyPairFromSecret,
  lengthPrefixed,
  MsgPackReader,
  MsgPackWriter,
  parseQuote,
  pttRequestItems,
  recoverAddress,
  reportDataOfQuote,
  sha256,
  sign,
} from './index.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
interface Vector {
  name: string
  kind: string
  inputs: Record<string, Json>
  expected: Json
  derived?: Record<string, Json>
}

const { vectors }: { vectors: Vector[] } = JSON.parse(
  readFileSync(new URL('../vectors/enigma.json', import.meta.url), 'utf8'),
)
const stateTestKey = sha256(utf8ToBytes('EnigmaMPC'))

/** One check per kind of vector. A kind that is not here fails its test. */
const checks: Record<string, (vector: Vector) => void> = {
  sha256: ({ inputs, expected }) => expect(bytesToHex(sha256(utf8ToBytes(text(inputs.utf8))))).toBe(expected),

  keccak256: ({ inputs, expected }) => expect(bytesToHex(keccak256(bytes(inputs.hex)))).toBe(expected),

  ecdh: ({ inputs, expected }) => {
    const one = keyPairFromSecret(bytes(inputs.priv1))
    const other = keyPairFromSecret(bytes(inputs.priv2))
    expect(bytesToHex(ecdh(one.secretKey, other.publicKey))).toBe(expected)
    expect(bytesToHex(ecdh(other.secretKey, one.publicKey))).toBe(expected)
  },

  sign: ({ inputs, expected, derived }) => {
    const { secretKey, publicKey } = keyPairFromSecret(bytes(inputs.priv))
    const message = utf8ToBytes(text(inputs.msg_utf8))
    const signature = sign(secretKey, message)
    expect(bytesToHex(signature)).toBe(expected)
    expect(bytesToHex(publicKey)).toBe(derived?.pubkey64)
    expect(bytesToHex(addressOf(publicKey))).toBe(derived?.address)
    expect(bytesToHex(recoverAddress(message, signature))).toBe(derived?.address)
    expect(bytesToHex(keccak256(message))).toBe(derived?.keccak)
  },

  aes: ({ inputs, expected }) => {
    const key = bytes(inputs.key)
    const plaintext = utf8ToBytes(text(inputs.msg_utf8))
    expect(bytesToHex(encrypt(key, plaintext, bytes(inputs.iv)))).toBe(expected)
    expect(decrypt(key, bytes(expected))).toEqual(plaintext)
  },

  phm_prefix: ({ inputs, expected }) => {
    const parts = list(inputs.parts_utf8).map((part) => utf8ToBytes(text(part)))
    const next = new Uint8Array(Number(inputs.next_len))
    const joined = lengthPrefixed([...parts, next])
    expect(bytesToHex(joined)).toBe(text(expected) + bytesToHex(next))
  },

  ptt_request: ({ inputs, expected }) => {
    const request = { id: bytes(inputs.id), publicKey: bytes(inputs.pubkey) }
    expect(bytesToHex(encodePttRequest({ ...request, prefix: false }))).toBe(expected)
    expect(decodePttRequest(bytes(expected))).toEqual(request)
  },

  ptt_request_decode: ({ inputs, expected }) => {
    const { id, pubkey } = record(expected)
    expect(decodePttRequest(bytes(inputs.msgpack))).toEqual({ id: bytes(id), publicKey: bytes(pubkey) })
  },

  ptt_sig: ({ inputs, expected, derived }) => {
    const request = decodePttRequest(bytes(inputs.msgpack))
    expect(bytesToHex(request.id)).toBe(derived?.id)
    expect(bytesToHex(request.publicKey)).toBe(derived?.pubkey)
    expect(bytesToHex(encodePttRequest({ ...request, prefix: false }))).toBe(inputs.msgpack)
    const signed = lengthPrefixed(pttRequestItems(request))
    expect(bytesToHex(signed)).toBe(derived?.to_sign)
    expect(bytesToHex(recoverAddress(signed, bytes(inputs.sig)))).toBe(expected)
  },

  state: ({ inputs, expected, derived }) => {
    const writer = writeJson(new MsgPackWriter().arrayHeader(3), inputs.json!)
    const plaintext = writer.byteArray(bytes(inputs.delta_hash)).int(Number(inputs.delta_index)).bytes()
    expect(bytesToHex(plaintext)).toBe(derived?.plaintext_msgpack)
    expect(bytesToHex(encrypt(bytes(inputs.key), plaintext, bytes(inputs.iv)))).toBe(expected)
    expect(decrypt(bytes(inputs.key), bytes(expected))).toEqual(plaintext)
  },

  delta: ({ inputs, expected, derived }) => {
    const operations = list(inputs.patch).map((operation) => {
      const { op, path, value } = record(operation)
      return value === undefined ? [op!, path!] : [op!, path!, value]
    })
    const writer = writeJson(new MsgPackWriter().arrayHeader(2), operations)
    const plaintext = writer.byteArray(bytes(inputs.previous_hash)).bytes()
    expect(bytesToHex(plaintext)).toBe(derived?.plaintext_msgpack)
    const blob = encrypt(bytes(inputs.key), plaintext, bytes(inputs.iv))
    expect(bytesToHex(blob)).toBe(expected)
    expect(bytesToHex(keccak256(blob))).toBe(derived?.delta_hash)
  },

  chain: ({ inputs, derived }) => {
    let previousHash = new Uint8Array(32)
    const deltas = list(inputs.deltas).map(bytes)
    for (const [i, blob] of deltas.entries()) {
      const plaintext = decrypt(bytes(inputs.key), blob)
      const reader = new MsgPackReader(plaintext)
      expect(reader.arrayHeader(), `delta ${i}`).toBe(2)
      reader.skip()
      expect(reader.byteArray(), `delta ${i}`).toEqual(previousHash)
      reader.end()
      expect(copyValue(plaintext), `delta ${i}`).toEqual(plaintext)
      previousHash = Uint8Array.from(keccak256(blob))
      expect(bytesToHex(previousHash), `delta ${i}`).toBe(list(derived?.delta_hashes)[i])
    }
    for (const state of [bytes(inputs.state0_plain), bytes(derived?.final_state_msgpack)]) {
      expect(copyValue(state)).toEqual(state)
    }
  },

  // An epoch is nothing that this package knows; its image is built here of the integers that are.
  epoch: ({ inputs, expected }) => {
    const word = (decimal: Json | undefined) => hexToBytes(BigInt(text(decimal)).toString(16).padStart(64, '0'))
    const tagged = (tag: number, content: Uint8Array) =>
      concatBytes(Uint8Array.of(tag), u64be(BigInt(content.length)), content)
    const leaves = (items: Json[]) => tagged(1, concatBytes(...items.map((item) => tagged(0, word(item)))))
    const { seed, nonce, workers, stakes } = inputs
    const image = [tagged(0, word(seed)), tagged(0, word(nonce)), leaves(list(workers)), leaves(list(stakes))]
    expect(bytesToHex(concatBytes(...image))).toBe(expected)
  },

  quote: ({ inputs, expected, derived }) => {
    const raw = Uint8Array.from(atob(text(inputs.quote_b64)), (character) => character.charCodeAt(0))
    expect(raw.length).toBe(derived?.quote_len)
    const quote = parseQuote(raw)
    expect(bytesToHex(reportDataOfQuote(raw))).toBe(text(expected) + '00'.repeat(44))
    expect(quote).toMatchObject({ version: derived?.version, signType: derived?.sign_type, debug: true })
    expect(quote.epidGroupId).toBe(0x0ada)
    expect(bytesToHex(quote.basename)).toBe(derived?.basename)
    expect(bytesToHex(quote.mrEnclave)).toBe(derived?.mrenclave)
    expect(bytesToHex(quote.mrSigner)).toBe(derived?.mrsigner)
    expect(quote.simulated).toBe(false)
  },

  fake_state_key: ({ inputs, expected }) => expect(bytesToHex(sha256(keccak256(bytes(inputs.address))))).toBe(expected),

  try_state: ({ inputs, derived }) => {
    expect(bytesToHex(decrypt(stateTestKey, bytes(inputs.blob)))).toBe(derived?.plain)
    const patch = decrypt(stateTestKey, bytes(inputs.patch_blob))
    expect(copyValue(patch)).toEqual(patch)
  },

  // The layout of keys in the reference's database is not this package's. All that can be said here: tag, then u32.
  dbkey: ({ inputs, expected }) => expect(expected).toBe(`01${Number(inputs.index).toString(16).padStart(8, '0')}`),
}

describe(`${vectors.length} vectors of the Enigma tests`, () => {
  it('are all there', () => expect(vectors).toHaveLength(19))

  it.each(vectors)('$name', (vector) => {
    expect.hasAssertions()
    const check = checks[vector.kind]
    if (check === undefined) throw new Error(`No check for vectors of kind ${vector.kind}`)
    check(vector)
  })
})

function text(value: Json | undefined): string {
  if (typeof value !== 'string') throw new TypeError('The vector should have a string here')
  return value
}

function bytes(value: Json | undefined): Uint8Array {
  return hexToBytes(text(value))
}

function list(value: Json | undefined): Json[] {
  if (!Array.isArray(value)) throw new TypeError('The vector should have an array here')
  return value
}

function record(value: Json | undefined): Record<string, Json> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError('The vector should have an object here')
  }
  return value
}

function writeJson(writer: MsgPackWriter, value: Json): MsgPackWriter {
  if (value === null) return writer.nil()
  if (typeof value === 'boolean') return writer.bool(value)
  if (typeof value === 'number') return writer.int(value)
  if (typeof value === 'string') return writer.str(value)
  if (Array.isArray(value)) {
    writer.arrayHeader(value.length)
    for (const item of value) writeJson(writer, item)
    return writer
  }
  const keys = Object.keys(value).sort()
  writer.mapHeader(keys.length)
  for (const key of keys) writeJson(writer.str(key), value[key]!)
  return writer
}

/** Reads a recorded value and writes it again. */
function copyValue(encoded: Uint8Array): Uint8Array {
  const reader = new MsgPackReader(encoded)
  const writer = new MsgPackWriter()
  const copy = (): void => {
    const type = reader.peekType()
    if (type === 'array') {
      const length = reader.arrayHeader()
      writer.arrayHeader(length)
      for (let i = 0; i < length; i++) copy()
    } else if (type === 'map') {
      const length = reader.mapHeader()
      writer.mapHeader(length)
      for (let i = 0; i < 2 * length; i++) copy()
    } else if (type === 'nil') {
      reader.nil()
      writer.nil()
    } else if (type === 'bool') writer.bool(reader.bool())
    else if (type === 'int') writer.int(reader.int())
    else if (type === 'float') writer.float(reader.float())
    else writer.str(reader.str())
  }
  copy()
  reader.end()
  return writer.bytes()
}
