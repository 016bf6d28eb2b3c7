import {
  addressOf,
  decodePttRequest,
  decodePttResponse,
  ecdh,
  encodePttResponse,
  encodeStateKeys,
  encrypt,
  generateKeyPair,
  lengthPrefixed,
  pttRequestItems,
  randomBytes,
  recoverAddress,
  type StateKey,
  sign,
} from '@bletchley/crypto'
import { describe, expect, it, vi } from 'vitest'
import { RefusedResponse, StateKeys } from './stateKeys.ts'

const principal = generateKeyPair()
const contracts = [randomBytes(32), randomBytes(32), randomBytes(32)]
const keyOf = (address: Uint8Array): StateKey => ({ address, key: randomBytes(32) })

function exchange(wanted?: readonly Uint8Array[]) {
  const worker = new StateKeys(generateKeyPair().secretKey, addressOf(principal.publicKey))
  const { request } = worker.request(wanted)
  const { id, publicKey } = decodePttRequest(request)
  const answer = (keys: readonly StateKey[], signer = principal) => {
    const mine = generateKeyPair()
    const encrypted = encrypt(ecdh(mine.secretKey, publicKey), encodeStateKeys(keys))
    const response = encodePttResponse({ id, publicKey: mine.publicKey, encrypted })
    return { response, sig: sign(signer.secretKey, response) }
  }
  return { worker, answer }
}

/** Installs a response, and tells why it was refused. */
function refusalOf(worker: StateKeys, response: Uint8Array, sig: Uint8Array | undefined): RefusedResponse | undefined {
  try {
    worker.install(response, sig)
    return undefined
  } catch (error) {
    const { cause } = error as Error
    if (!(cause instanceof RefusedResponse)) throw error
    return cause
  }
}

describe('a request to the principal', () => {
  it('has a key and a name of its own, and is signed', () => {
    const signer = generateKeyPair()
    const worker = new StateKeys(signer.secretKey, undefined)
    const requests = [worker.request(), worker.request()].map(({ request, workerSig }) => {
      const opened = decodePttRequest(request)
      expect(opened.id).toHaveLength(12)
      expect(recoverAddress(lengthPrefixed(pttRequestItems(opened)), workerSig)).toEqual(addressOf(signer.publicKey))
      return opened
    })
    expect(requests[0]!.id).not.toEqual(requests[1]!.id)
    expect(requests[0]!.publicKey).not.toEqual(requests[1]!.publicKey)
  })

  it('waits for its answer for an hour, one of the last 1000', () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    try {
      const worker = new StateKeys(generateKeyPair().secretKey, undefined)
      const open = () => {
        const { id, publicKey } = decodePttRequest(worker.request().request)
        const encrypted = encrypt(ecdh(principal.secretKey, publicKey), encodeStateKeys([keyOf(contracts[0]!)]))
        return encodePttResponse({ id, publicKey: principal.publicKey, encrypted })
      }
      const [first, second] = [open(), open()]
      for (let request = 0; request < 998; request++) worker.request()
      expect(refusalOf(worker, first, undefined)).toBeUndefined()
      worker.request()
      worker.request()
      expect(refusalOf(worker, second, undefined)?.message).toBe('it answers no request of this worker')
      const [third, fourth] = [open(), open()]
      vi.advanceTimersByTime(60 * 60 * 1000 - 1)
      expect(refusalOf(worker, third, undefined)).toBeUndefined()
      vi.advanceTimersByTime(1)
      expect(refusalOf(worker, fourth, undefined)?.message).toBe('it answers no request of this worker')
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('a response of the principal', () => {
  it('is refused in the words of the spec, whatever is wrong with it', () => {
    const { worker, answer } = exchange()
    const { response } = answer(contracts.map(keyOf))
    const { id } = decodePttResponse(response)
    const { request } = worker.request()
    const signed = (bytes: Uint8Array) => [bytes, sign(principal.secretKey, bytes)] as const
    const other = (publicKey: Uint8Array, encrypted: Uint8Array) =>
      signed(encodePttResponse({ id, publicKey, encrypted }))
    const offCurve = new Uint8Array(64).fill(1)
    const cases: [readonly [Uint8Array, Uint8Array | undefined], string, string][] = [
      [signed(new Uint8Array(3)), 'MessagingError', 'it is no response message'],
      [signed(request), 'EncryptionError', 'it is no response message'],
      [[response, undefined], 'KeyProvisionError', 'it is not signed'],
      [[response, new Uint8Array(65)], 'KeyProvisionError', 'its signature leads to nobody'],
      [other(offCurve, new Uint8Array(60)), 'KeysError', 'its public key is none'],
      [other(principal.publicKey, new Uint8Array(60)), 'EncryptionError', 'it does not decrypt to a list of keys'],
    ]
    for (const [[bytes, sig], name, reason] of cases) {
      expect(() => worker.install(bytes, sig), reason).toThrow(
        expect.objectContaining({
          ...{ code: 'enclave_error', data: { name } },
          cause: expect.objectContaining({ name: 'RefusedResponse', message: reason, signer: undefined }),
        }),
      )
    }
    expect([worker.size, worker.lastPttAt]).toEqual([0, undefined])
  })

  it('may come again and again: the keys of a principal are as many as it hands out', () => {
    const worker = new StateKeys(generateKeyPair().secretKey, addressOf(principal.publicKey))
    const key = new Uint8Array(32)
    const install = (batch: number, count: number) => {
      const { id, publicKey } = decodePttRequest(worker.request().request)
      const keys = Array.from({ length: count }, (_, index) => {
        return { address: Uint8Array.of(batch, index >>> 8, index & 0xff, ...key.subarray(3)), key }
      })
      const encrypted = encrypt(ecdh(principal.secretKey, publicKey), encodeStateKeys(keys))
      const response = encodePttResponse({ id, publicKey: principal.publicKey, encrypted })
      worker.install(response, sign(principal.secretKey, response))
    }
    for (let batch = 0; batch < 10; batch++) install(batch, 10_000)
    install(10, 1)
    expect(worker.size).toBe(100_001)
  })

  it('installs its keys once', () => {
    const { worker, answer } = exchange()
    const keys = contracts.map(keyOf)
    const { response, sig } = answer(keys)
    expect(worker.lastPttAt).toBeUndefined()
    expect(refusalOf(worker, response, sig)).toBeUndefined()
    for (const { address, key } of keys) expect(worker.get(address)).toEqual(key)
    expect(worker.lastPttAt).toBeGreaterThan(Date.now() - 60_000)
    expect(worker.lastPttAt).toBeLessThanOrEqual(Date.now())
    expect(refusalOf(worker, response, sig)?.message).toContain('replayed')
  })

  it('of too many keys, or too many bytes, is refused without a long look at it', () => {
    const { worker, answer } = exchange()
    const { response, sig } = answer(new Array<StateKey>(10_001).fill(keyOf(contracts[0]!)))
    expect(() => worker.install(response, sig)).toThrow('keys in a response')
    const most = 4 * 1024 * 1024
    expect(() => worker.install(new Uint8Array(most + 1), sig)).toThrow('bytes in a response')
    expect(() => worker.install(new Uint8Array(most), sig)).toThrow('MessagingError')
    expect(worker.size).toBe(0)
    const many = answer(
      Array.from({ length: 10_000 }, () => ({ address: randomBytes(32), key: randomBytes(32).fill(255) })),
    )
    expect(worker.install(many.response, many.sig)).toHaveLength(10_000)
  })

  it('that is unsigned, signed by another or changed installs nothing, and the reason names who signed', () => {
    const { worker, answer } = exchange()
    const stranger = generateKeyPair()
    const { response, sig } = answer(contracts.map(keyOf))
    const { response: foreign, sig: foreignSig } = answer(contracts.map(keyOf), stranger)
    const changed = response.map((byte, i) => (i === response.length - 1 ? byte ^ 1 : byte))
    const cases: [Uint8Array, Uint8Array | undefined, string][] = [
      [response, undefined, 'not signed'],
      [response, new Uint8Array(65), 'nobody'],
      [response, sig.subarray(1), 'nobody'],
      [foreign, foreignSig, 'not signed by the principal'],
      [foreign, sig, 'not signed by the principal'],
      [changed, sig, 'not signed by the principal'],
    ]
    for (const [bytes, signature, reason] of cases) {
      expect(refusalOf(worker, bytes, signature)?.message, reason).toContain(reason)
    }
    expect(refusalOf(worker, foreign, foreignSig)?.signer).toBe(
      Buffer.from(addressOf(stranger.publicKey)).toString('hex'),
    )
    expect(worker.size).toBe(0)
    expect(refusalOf(worker, response, sig)).toBeUndefined()
  })

  it('to another worker, or to an exchange that was never opened, installs nothing', () => {
    const { answer } = exchange()
    const { worker } = exchange()
    const { response, sig } = answer(contracts.map(keyOf))
    expect(refusalOf(worker, response, sig)?.message).toContain('answers no request')
    expect(worker.size).toBe(0)
  })

  it('must have exactly the contracts that were asked for, where that is known', () => {
    const { worker, answer } = exchange(contracts)
    const keys = contracts.map(keyOf)
    const cases: [StateKey[], string][] = [
      [keys.slice(1), 'lacks 1 of 3'],
      [[], 'lacks 3 of 3'],
      [[keys[0]!, keys[0]!, keys[0]!], 'lacks 2 of 3'],
      [[...keys.slice(1), keyOf(randomBytes(32))], 'lacks 1 of 3'],
      [[...keys, keyOf(randomBytes(32))], 'not asked for'],
      [[...keys, keyOf(contracts[0]!)], 'two keys for'],
    ]
    for (const [some, reason] of cases) {
      const { response, sig } = answer(some)
      expect(refusalOf(worker, response, sig)?.message, reason).toContain(reason)
      expect(worker.size, reason).toBe(0)
    }
    const { response, sig } = answer([...keys.toReversed(), keys[0]!])
    expect(refusalOf(worker, response, sig)).toBeUndefined()
    expect(worker.size).toBe(3)
  })
})

describe('without a principal', () => {
  /** The keys of so many contracts, sent by somebody. */
  function send(worker: StateKeys, keys: readonly StateKey[]): void {
    const { id, publicKey } = decodePttRequest(worker.request().request)
    const { secretKey, publicKey: own } = generateKeyPair()
    const encrypted = encrypt(ecdh(secretKey, publicKey), encodeStateKeys(keys))
    worker.install(encodePttResponse({ id, publicKey: own, encrypted }), undefined)
  }

  const address = (index: number): Uint8Array => {
    const bytes = new Uint8Array(32)
    new DataView(bytes.buffer).setUint32(0, index)
    return bytes
  }

  it('so many keys are held, and those that were not used for longest give way', () => {
    const worker = new StateKeys(generateKeyPair().secretKey, undefined)
    const batch = (from: number) => Array.from({ length: 10_000 }, (_, index) => keyOf(address(from + index)))
    for (let from = 0; from < 100_000; from += 10_000) send(worker, batch(from))
    expect(worker.size).toBe(100_000)
    expect(worker.get(address(7))).toBeDefined()
    send(worker, batch(200_000).slice(0, 9))
    expect(worker.size).toBe(100_000)
    const held = [0, 6, 7, 8, 9, 10, 200_000].map((index) => worker.get(address(index)) !== undefined)
    expect(held).toEqual([false, false, true, false, false, true, true])
  })
})
