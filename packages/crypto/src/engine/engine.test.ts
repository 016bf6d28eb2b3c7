import { bytesToHex, concatBytes, hexToBytes } from '@bletchley/bytes'
import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { pieceBytes } from './engine.ts'
import { isNative, engine as node } from './node.ts'
import { engine as portable } from './portable.ts'

const engines = [
  ['node', node],
  ['portable', portable],
] as const

const order = 0xffffffff_ffffffff_ffffffff_fffffffe_baaedce6_af48a03b_bfd25e8c_d0364141n
const scalarBytes = (scalar: bigint) => hexToBytes(scalar.toString(16).padStart(64, '0'))
const secret = fc
  .oneof(fc.bigInt({ min: 1n, max: order - 1n }), fc.constantFrom(1n, 2n, order - 1n, order / 2n))
  .map(scalarBytes)
const digest = fc.oneof(
  fc.uint8Array({ minLength: 32, maxLength: 32 }),
  fc.constantFrom(new Uint8Array(32), new Uint8Array(32).fill(255)),
)
const bytes = fc.uint8Array({ maxLength: 300 })
const sec1 = (publicKey: Uint8Array) => concatBytes(Uint8Array.of(4), publicKey)
/** Curve arithmetic in pure JavaScript takes milliseconds a time. */
const curveRuns = { numRuns: 40 }

describe.each(engines)('%s engine', (name, engine) => {
  it('draws the very first byte, too', async () => {
    const first = []
    for (let start = 0; start < 8; start++) {
      vi.resetModules()
      const fresh = name === 'node' ? await import('./node.ts') : await import('./portable.ts')
      first.push(fresh.engine.randomBytes(1)[0])
    }
    // The chance that all are zero by accident is 2^-64.
    expect(first.some((byte) => byte !== 0)).toBe(true)
  })

  it('gives random bytes that nobody else has or gets', () => {
    const lengths = Array.from({ length: 3000 }, (_, draw) => 8 + (draw % 600))
    const drawn = lengths.map((length) => engine.randomBytes(length))
    expect(drawn.map((each) => each.length)).toEqual(lengths)
    expect(drawn.every(({ buffer, byteLength }) => buffer.byteLength === byteLength)).toBe(true)
    const pieces = drawn.flatMap((each) =>
      Array.from({ length: Math.floor(each.length / 8) }, (_, piece) =>
        bytesToHex(each.subarray(8 * piece, 8 * piece + 8)),
      ),
    )
    expect(new Set(pieces).size).toBe(pieces.length)
  })

  it('gives the published hashes', () => {
    const abc = new TextEncoder().encode('abc')
    // FIPS 180-2, appendix B.1
    expect(bytesToHex(engine.sha256([abc]))).toBe('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad')
    // Keccak team, ShortMsgKAT_256 with the original padding; also Ethereum's hash of nothing
    expect(bytesToHex(engine.keccak256([]))).toBe('c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470')
  })

  it('hashes in pieces what it hashes at once, also when others hash in between', () => {
    const longer = Uint8Array.from({ length: 3 * pieceBytes + 1 }, (_, index) => (index * 7) & 0xff)
    const lists = [[], [longer.subarray(0, 10)], [longer, longer.subarray(1)], [longer.subarray(0, pieceBytes)]]
    const running = lists.map((parts) => engine.keccak256InPieces(parts))
    const results = new Map<number, Uint8Array>()
    let stops = 0
    while (results.size < lists.length) {
      for (const [index, pieces] of running.entries()) {
        if (results.has(index)) continue
        const { done, value } = pieces.next()
        if (done) results.set(index, value)
        else stops++
        engine.keccak256([longer.subarray(0, 77)])
      }
    }
    expect(lists.map((_, index) => results.get(index))).toEqual(lists.map((parts) => engine.keccak256(parts)))
    expect(stops).toBe(0 + 1 + 7 + 1)
  })

  it('gives the AES-256-GCM test cases 13 and 14 of the specification of GCM', () => {
    const key = new Uint8Array(32)
    const iv = new Uint8Array(12)
    const suffix = '00'.repeat(12)
    expect(bytesToHex(engine.sealAesGcm(key, iv, new Uint8Array()))).toBe(`530f8afbc74536b9a963b4f1c4cb738b${suffix}`)
    expect(bytesToHex(engine.sealAesGcm(key, iv, new Uint8Array(16)))).toBe(
      `cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919${suffix}`,
    )
  })

  it('signs with the nonce of RFC 6979, as in the vector everybody uses for secp256k1', () => {
    const digest = engine.sha256([new TextEncoder().encode('Satoshi Nakamoto')])
    const { compact } = engine.signDigest(scalarBytes(1n), digest)
    expect(bytesToHex(compact)).toBe(
      '934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8' +
        '2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5',
    )
  })

  it.each([
    ['zero', 0n, false],
    ['one', 1n, true],
    ['order - 1', order - 1n, true],
    ['order', order, false],
    ['2^256 - 1', 2n ** 256n - 1n, false],
  ])('knows whether %s is a secret key', (_name, scalar, valid) => {
    expect(engine.isSecretKey(scalarBytes(scalar))).toBe(valid)
  })

  it('returns plain arrays that own their memory', () => {
    const key = new Uint8Array(32).fill(1)
    const blob = engine.sealAesGcm(key, new Uint8Array(12), key)
    const publicKey = engine.derivePublicKey(key)
    const results = [
      engine.sha256([key]),
      engine.keccak256([key]),
      engine.randomBytes(12),
      blob,
      engine.openAesGcm(key, blob),
      publicKey,
      engine.decodePoint(sec1(publicKey)),
      engine.ecdh(key, sec1(publicKey)),
      engine.signDigest(key, key).compact,
    ]
    for (const [i, result] of results.entries()) {
      expect(Object.getPrototypeOf(result), `result ${i}`).toBe(Uint8Array.prototype)
      expect(result.buffer.byteLength, `result ${i}`).toBe(result.length)
    }
  })

  it('draws as many random bytes as asked, also above what the platform gives at once', () => {
    expect(engine.randomBytes(0)).toHaveLength(0)
    const many = engine.randomBytes(200_000)
    // The chance that the last 32 bytes are all zero by accident is 2^-256.
    expect(many.subarray(-32).some((byte) => byte !== 0)).toBe(true)
  })
})

describe('node and portable engine give the same', () => {
  it.runIf(process.platform === 'linux' && process.arch === 'x64')('with the native library on this platform', () => {
    expect(isNative).toBe(true)
  })

  it('hashes', () => {
    fc.assert(
      fc.property(fc.array(bytes, { maxLength: 4 }), (parts) => {
        expect(node.sha256(parts)).toEqual(portable.sha256(parts))
        expect(node.keccak256(parts)).toEqual(portable.keccak256([concatBytes(...parts)]))
      }),
    )
  })

  it('blobs for the same iv, and open those of the other', () => {
    fc.assert(
      fc.property(digest, fc.uint8Array({ minLength: 12, maxLength: 12 }), bytes, (key, iv, plaintext) => {
        const blob = node.sealAesGcm(key, iv, plaintext)
        expect(portable.sealAesGcm(key, iv, plaintext)).toEqual(blob)
        expect(portable.openAesGcm(key, blob)).toEqual(plaintext)
        expect(node.openAesGcm(key, blob)).toEqual(plaintext)
        const at = plaintext.length % blob.length
        blob[at]! ^= 1
        expect(() => portable.openAesGcm(key, blob)).toThrow()
        expect(() => node.openAesGcm(key, blob)).toThrow()
      }),
    )
  })

  it('public keys, decoded points and shared keys', () => {
    fc.assert(
      fc.property(secret, secret, (mine, other) => {
        const publicKey = node.derivePublicKey(other)
        expect(portable.derivePublicKey(other)).toEqual(publicKey)
        const compressed = concatBytes(Uint8Array.of(2 + (publicKey[63]! & 1)), publicKey.subarray(0, 32))
        expect(node.decodePoint(compressed)).toEqual(publicKey)
        expect(portable.decodePoint(compressed)).toEqual(publicKey)
        expect(portable.ecdh(mine, sec1(publicKey))).toEqual(node.ecdh(mine, sec1(publicKey)))
      }),
      curveRuns,
    )
  })

  it('verdict on arbitrary points', () => {
    const point = fc.oneof(
      fc.tuple(fc.constantFrom(2, 3), digest).map(([prefix, x]) => concatBytes(Uint8Array.of(prefix), x)),
      fc.uint8Array({ minLength: 64, maxLength: 64 }).map(sec1),
    )
    fc.assert(
      fc.property(point, (bytes) => {
        expect(attempt(() => portable.decodePoint(bytes))).toEqual(attempt(() => node.decodePoint(bytes)))
      }),
      curveRuns,
    )
  })

  it('signatures, always with low s, and the key recovered from them', () => {
    // Above the order the two feed the nonce differently (one reduces the digest first); no hash ever comes there.
    const reduced = digest.filter((bytes) => BigInt(`0x${bytesToHex(bytes)}`) < order)
    fc.assert(
      fc.property(secret, reduced, (key, message) => {
        const signature = node.signDigest(key, message)
        expect(portable.signDigest(key, message)).toEqual(signature)
        expect(BigInt(`0x${bytesToHex(signature.compact.subarray(32))}`) <= order / 2n).toBe(true)
        const publicKey = node.derivePublicKey(key)
        expect(node.recoverPublicKey(signature.compact, signature.recoveryId, message)).toEqual(publicKey)
        expect(portable.recoverPublicKey(signature.compact, signature.recoveryId, message)).toEqual(publicKey)
      }),
      curveRuns,
    )
  })

  it('verdict on arbitrary signatures', () => {
    const half = fc.oneof(digest, fc.constantFrom(0n, 1n, order - 1n, order, 2n ** 256n - 1n).map(scalarBytes))
    fc.assert(
      fc.property(half, half, fc.integer({ min: 0, max: 3 }), digest, (r, s, recoveryId, message) => {
        const compact = concatBytes(r, s)
        expect(attempt(() => portable.recoverPublicKey(compact, recoveryId, message))).toEqual(
          attempt(() => node.recoverPublicKey(compact, recoveryId, message)),
        )
      }),
      curveRuns,
    )
  })
})

function attempt(compute: () => Uint8Array): Uint8Array | 'refused' {
  try {
    return compute()
  } catch {
    return 'refused'
  }
}
