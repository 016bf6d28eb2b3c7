import { describe, expect, it } from 'vitest'
import * as crypto from './index.ts'

const { secretKey, publicKey } = crypto.keyPairFromSecret(new Uint8Array(32).fill(7))
const hash = new Uint8Array(32)
const id = new Uint8Array(12)
const gas = { gasLimit: 1n, usedGas: 1n }
const ethereum = { payload: new Uint8Array(), address: new Uint8Array(20) }
const inputs = { encryptedFn: hash, encryptedArgs: hash, userKey: publicKey }

/** Whatever takes bytes, called with something else there. `never` is what lets the compiler accept the mistake. */
const doors: Record<string, (value: never) => unknown> = {
  keccak256: (value) => crypto.keccak256(value),
  sha256: (value) => crypto.sha256(value),
  lengthPrefixed: (value) => crypto.lengthPrefixed([value]),
  SecretKey: (value) => new crypto.SecretKey(value),
  keyPairFromSecret: (value) => crypto.keyPairFromSecret(value),
  parsePublicKey: (value) => crypto.parsePublicKey(value),
  addressOf: (value) => crypto.addressOf(value),
  ecdh: (value) => crypto.ecdh(secretKey, value),
  sign: (value) => crypto.sign(secretKey, value),
  signItems: (value) => crypto.signItems(secretKey, [value]),
  'recoverAddress message': (value) => crypto.recoverAddress(value, new Uint8Array(65)),
  'recoverAddress signature': (value) => crypto.recoverAddress(hash, value),
  'encrypt key': (value) => crypto.encrypt(value, hash),
  'encrypt plaintext': (value) => crypto.encrypt(hash, value),
  'decrypt key': (value) => crypto.decrypt(value, hash),
  'decrypt blob': (value) => crypto.decrypt(hash, value),
  MsgPackReader: (value) => new crypto.MsgPackReader(value),
  'MsgPackWriter.byteArray': (value) => new crypto.MsgPackWriter().byteArray(value),
  deployInputsHash: (value) => crypto.deployInputsHash({ ...inputs, preCodeHash: value }),
  'deployInputsHash encryptedFn': (value) =>
    crypto.deployInputsHash({ ...inputs, preCodeHash: hash, encryptedFn: value }),
  computeInputsHash: (value) => crypto.computeInputsHash({ ...inputs, contractAddress: value }),
  'computeInputsHash userKey': (value) =>
    crypto.computeInputsHash({ ...inputs, contractAddress: hash, userKey: value }),
  deploySuccessItems: (value) =>
    crypto.deploySuccessItems({ ...gas, ethereum, inputsHash: hash, exeCodeHash: hash, deltaHash: value }),
  'deploySuccessItems ethereum': (value) =>
    crypto.deploySuccessItems({
      ...gas,
      inputsHash: hash,
      exeCodeHash: hash,
      deltaHash: hash,
      ethereum: { ...ethereum, address: value },
    }),
  deployFailureItems: (value) => crypto.deployFailureItems({ ...gas, inputsHash: value }),
  computeFailureItems: (value) => crypto.computeFailureItems({ ...gas, inputsHash: hash, exeCodeHash: value }),
  userMessageItems: (value) => crypto.userMessageItems(value),
  'encodePttRequest id': (value) => crypto.encodePttRequest({ id: value, publicKey }),
  'encodePttRequest publicKey': (value) => crypto.encodePttRequest({ id, publicKey: value }),
  pttRequestItems: (value) => crypto.pttRequestItems({ id: value, publicKey }),
  encodePttResponse: (value) => crypto.encodePttResponse({ id, publicKey, encrypted: value }),
  encodeStateKeys: (value) => crypto.encodeStateKeys([{ address: hash, key: value }]),
  decodePttRequest: (value) => crypto.decodePttRequest(value),
  decodePttResponse: (value) => crypto.decodePttResponse(value),
  decodeStateKeys: (value) => crypto.decodeStateKeys(value),
  createSimulatedQuote: (value) => crypto.createSimulatedQuote({ signingAddress: value }),
  parseQuote: (value) => crypto.parseQuote(value),
}

const wrong: [string, unknown][] = [
  ['undefined', undefined],
  ['null', null],
  ['a number', 32],
  ['hex text', '00'.repeat(32)],
  ['an array', Array(32).fill(0)],
  ['an object with a length', { length: 32 }],
  ['an ArrayBuffer', new ArrayBuffer(32)],
  ['a Uint16Array', new Uint16Array(32)],
  ['a Uint8ClampedArray', new Uint8ClampedArray(32)],
  ['a function', () => hash],
]

describe.each(Object.entries(doors))('%s', (_, call) => {
  it.each(wrong)('refuses %s with a TypeError', (_name, value) => {
    expect(() => call(value as never)).toThrow(TypeError)
  })
})

describe('lengths and ranges', () => {
  it.each(['preCodeHash', 'userKey'])('of deployInputsHash.%s are checked', (name) => {
    const good = { ...inputs, preCodeHash: hash }
    expect(() => crypto.deployInputsHash({ ...good, [name]: new Uint8Array(20) })).toThrow(RangeError)
  })

  it.each(['exeCodeHash', 'inputsHash', 'previousDeltaHash', 'newDeltaHash', 'outputHash'])(
    'of computeSuccessItems.%s are checked',
    (name) => {
      const good = {
        exeCodeHash: hash,
        inputsHash: hash,
        previousDeltaHash: hash,
        newDeltaHash: hash,
        outputHash: hash,
      }
      const result = { ...good, ...gas, ethereum }
      expect(crypto.computeSuccessItems(result)).toHaveLength(10)
      expect(() => crypto.computeSuccessItems({ ...result, [name]: new Uint8Array(31) })).toThrow(RangeError)
    },
  )

  it.each([-1n, 2n ** 64n])('of gas are checked: %d', (gasLimit) => {
    expect(() => crypto.deployFailureItems({ inputsHash: hash, gasLimit, usedGas: 0n })).toThrow(RangeError)
  })

  it('of random bytes are checked', () => {
    for (const length of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => crypto.randomBytes(length), `${length}`).toThrow(RangeError)
    }
  })
})
