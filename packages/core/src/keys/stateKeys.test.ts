import {
  addressOf,
  decodePttRequest,
  ecdh,
  encodePttResponse,
  encodeStateKeys,
  encrypt,
  generateKeyPair,
  randomBytes,
  type StateKey,
  sign,
} from '@bletchley/crypto'
import { describe, expect, it } from 'vitest'
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

describe('a response of the principal', () => {
  it('installs its keys once', () => {
    const { worker, answer } = exchange()
    const keys = contracts.map(keyOf)
    const { response, sig } = answer(keys)
    expect(worker.lastPttAt).toBeUndefined()
    expect(refusalOf(worker, response, sig)).toBeUndefined()
    for (const { address, key } of keys) expect(worker.get(address)).toEqual(key)
    expect(worker.lastPttAt).toBeLessThanOrEqual(Date.now())
    expect(refusalOf(worker, response, sig)?.message).toContain('replayed')
  })

  it('of too many keys, or too many bytes, is refused without a long look at it', () => {
    const { worker, answer } = exchange()
    const { response, sig } = answer(new Array<StateKey>(10_001).fill(keyOf(contracts[0]!)))
    expect(() => worker.install(response, sig)).toThrow('keys in a response')
    const large = new Uint8Array(4 * 1024 * 1024 + 1)
    expect(() => worker.install(large, sig)).toThrow('bytes in a response')
    expect(worker.size).toBe(0)
    const most = answer(
      Array.from({ length: 10_000 }, () => ({ address: randomBytes(32), key: randomBytes(32).fill(255) })),
    )
    expect(worker.install(most.response, most.sig)).toHaveLength(10_000)
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
