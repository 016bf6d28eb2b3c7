import { utf8ToBytes } from '@bletchley/bytes'
import { encrypt } from '@bletchley/crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { findUtf8Flaw, InputError, openInputs } from './taskInputs.ts'

const key = new Uint8Array(32).fill(7)
const none = new Uint8Array()
const seal = (text: string | Uint8Array) => encrypt(key, typeof text === 'string' ? utf8ToBytes(text) : text)

function refusal(encryptedFn: Uint8Array, encryptedArgs: Uint8Array): string {
  try {
    openInputs(key, encryptedFn, encryptedArgs)
  } catch (error) {
    if (error instanceof InputError) return error.message
    throw error
  }
  return 'accepted'
}

describe('openInputs', () => {
  it('takes the name before the parenthesis, and takes no bytes at all for no arguments', () => {
    const args = Uint8Array.of(1, 2, 3)
    expect(openInputs(key, seal('add(uint256,uint256)'), seal(args))).toEqual({ functionName: 'add', args })
    expect(openInputs(key, seal('construct()'), none)).toEqual({ functionName: 'construct', args: none })
    expect(openInputs(key, seal(' odd name (x)'), none).functionName).toBe(' odd name ')
  })

  // The texts are facts of spec/crypto.md, section 7, and spec/wire.md, section 4, rows 28 to 33.
  const cases: [string, Uint8Array, Uint8Array, string][] = [
    ['no function', none, none, 'Input Error: Input Error: called function representation is empty'],
    ['a tampered function', seal('f()').fill(0, 0, 3), none, 'Input Error: Cryptography Error: DecryptionError'],
    ['a function of 12 bytes', new Uint8Array(12), none, 'Input Error: Cryptography Error: DecryptionError'],
    ['a function of 27 bytes', new Uint8Array(27), none, 'Input Error: Cryptography Error: DecryptionError'],
    ['a function of 1 byte', new Uint8Array(1), none, 'Input Error: Cryptography Error: ImproperEncryption'],
    ['a function of 11 bytes', new Uint8Array(11), none, 'Input Error: Cryptography Error: ImproperEncryption'],
    ['arguments of 11 bytes', seal('f()'), new Uint8Array(11), 'Input Error: Cryptography Error: ImproperEncryption'],
    ['arguments of 28 bytes', seal('f()'), new Uint8Array(28), 'Input Error: Cryptography Error: DecryptionError'],
    ['no parenthesis', seal('f'), none, "Input Error: Input Error: 'callable' signature is illegal"],
    ['no closing parenthesis', seal('f('), none, "Input Error: Input Error: 'callable' signature is illegal"],
    ['parentheses the wrong way round', seal(')('), none, "Input Error: Input Error: 'callable' signature is illegal"],
    ['an empty text', seal(''), none, "Input Error: Input Error: 'callable' signature is illegal"],
    [
      'a function that is not UTF-8',
      seal(Uint8Array.of(0x66, 0xff, 0x28, 0x29)),
      none,
      'Input Error: Input Error: Utf8Error { valid_up_to: 1, error_len: Some(1) }',
    ],
    [
      'a function that ends inside a character',
      seal(Uint8Array.of(0x28, 0x29, 0xe2, 0x82)),
      none,
      'Input Error: Input Error: Utf8Error { valid_up_to: 2, error_len: None }',
    ],
  ]
  for (const [name, fn, args, text] of cases) {
    it(`refuses ${name}`, () => expect(refusal(fn, args)).toBe(text))
  }
})

describe('findUtf8Flaw', () => {
  it('agrees with the platform on what is UTF-8', () => {
    const decoder = new TextDecoder('utf-8', { fatal: true })
    const accepts = (bytes: Uint8Array): boolean => {
      try {
        decoder.decode(bytes)
        return true
      } catch {
        return false
      }
    }
    // Bytes near the borders of the encoding, so that sequences of every length and flaw come up.
    const byte = fc.constantFrom(
      0x00,
      0x41,
      0x7f,
      0x80,
      0x8f,
      0x90,
      0x9f,
      0xa0,
      0xbf,
      0xc1,
      0xc2,
      0xdf,
      0xe0,
      0xed,
      0xef,
      0xf0,
      0xf4,
      0xf5,
      0xff,
    )
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 6 }), (array) => {
        const bytes = Uint8Array.from(array)
        const flaw = findUtf8Flaw(bytes)
        expect(flaw === undefined).toBe(accepts(bytes))
        if (flaw !== undefined) expect(accepts(bytes.subarray(0, flaw.at))).toBe(true)
      }),
      { numRuns: 5000 },
    )
  })

  it('finds a flaw where the platform puts one replacement character, as long as that', () => {
    const text = (bytes: Uint8Array): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
    const byte = fc.constantFrom(
      ...[0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef],
      ...[0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff],
    )
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 6 }), (array) => {
        const bytes = Uint8Array.from(array)
        const flaw = findUtf8Flaw(bytes)
        if (flaw === undefined) return
        const end = flaw.length === undefined ? bytes.length : flaw.at + flaw.length
        const parts = [text(bytes.subarray(0, flaw.at)), '\ufffd', text(bytes.subarray(end))]
        expect(text(bytes)).toBe(parts.join(''))
        expect(text(bytes.subarray(flaw.at, end))).toBe('\ufffd')
        // A text that ends too early could go on well.
        const goesOn = [
          [0x80],
          [0x80, 0x80],
          [0xa0],
          [0xa0, 0x80],
          [0x90],
          [0x90, 0x80],
          [0x90, 0x80, 0x80],
          [0x80, 0x80, 0x80],
        ]
        const isWhole = (rest: number[]) => findUtf8Flaw(Uint8Array.from([...array, ...rest])) === undefined
        expect(goesOn.some(isWhole)).toBe(flaw.length === undefined)
      }),
      { numRuns: 5000 },
    )
  })
})
