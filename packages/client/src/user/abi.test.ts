import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeOutput, decodeResult, encodeArguments, parseArguments, parseCallable } from './index.ts'

const invalid = expect.objectContaining({ code: 'invalid_arguments' })
const undecodable = expect.objectContaining({ code: 'undecodable' })
const word = (hex: string) => hex.padStart(64, '0')
const left = (hex: string) => hex.padEnd(64, '0')

describe('parseCallable', () => {
  it.each([
    ['construct()', { name: 'construct', types: [] }],
    ['addition(uint256,uint256)', { name: 'addition', types: ['uint256', 'uint256'] }],
    [' vote( bytes32[], uint ) ', { name: 'vote', types: ['bytes32[]', 'uint'] }],
    ['_a1(string)', { name: '_a1', types: ['string'] }],
    ['$pay(uint64)', { name: '$pay', types: ['uint64'] }],
    ['größe$2()', { name: 'größe$2', types: [] }],
  ])('reads %j', (text, expected) => {
    expect(parseCallable(text)).toEqual(expected)
  })

  it.each([
    '',
    'construct',
    'f (uint256)',
    '()',
    ')(',
    'f(uint256',
    'f)uint256(',
    'f(uint7)',
    'f(uint0)',
    'f(uint264)',
    'f(bytes33)',
    'f(bytes0)',
    'f(float)',
    'f(uint256,)',
    'f(,)',
    'f((uint256,bool))',
    'f(uint256[)',
    'f(uint256])',
    'f(uint08)',
    '1f()',
    'f()()',
    'f(uint256[-1])',
    'f(uint256[0])',
    'f(uint256[0][])',
    'f(uint256[02])',
  ])('refuses %j', (text) => {
    expect(() => parseCallable(text)).toThrow(invalid)
  })
})

// The encodings stand in the Solidity ABI specification, "Examples", or follow from its rules by hand.
describe('encoding', () => {
  it('gives the bytes of the examples of the ABI specification', () => {
    expect(bytesToHex(encodeArguments(['uint32', 'bool'], [69, true]))).toBe(word('45') + word('1'))
    expect(bytesToHex(encodeArguments(['bytes3[2]'], [['0x616263', '0x646566']]))).toBe(left('616263') + left('646566'))
    const dave = encodeArguments(['bytes', 'bool', 'uint256[]'], ['0x64617665', true, [1, 2, 3]])
    expect(bytesToHex(dave)).toBe(
      [word('60'), word('1'), word('a0'), word('4'), left('64617665'), word('3'), word('1'), word('2'), word('3')].join(
        '',
      ),
    )
    const f = encodeArguments(
      ['uint256', 'uint32[]', 'bytes10', 'bytes'],
      [0x123, [0x456, 0x789], '0x31323334353637383930', new TextEncoder().encode('Hello, world!')],
    )
    expect(bytesToHex(f)).toBe(
      [
        word('123'),
        word('80'),
        left('31323334353637383930'),
        word('e0'),
        word('2'),
        word('456'),
        word('789'),
        word('d'),
        left('48656c6c6f2c20776f726c6421'),
      ].join(''),
    )
  })

  it('encodes arrays of dynamic elements with offsets from the first element', () => {
    expect(bytesToHex(encodeArguments(['string[]'], [['one', 'two', 'three']]))).toBe(
      [
        word('20'),
        word('3'),
        word('60'),
        word('a0'),
        word('e0'),
        word('3'),
        left('6f6e65'),
        word('3'),
        left('74776f'),
        word('5'),
        left('7468726565'),
      ].join(''),
    )
  })

  it('extends the sign of integers and aligns addresses', () => {
    expect(bytesToHex(encodeArguments(['int32', 'int64'], [-1, -(2n ** 63n)]))).toBe(
      `${'f'.repeat(64)}${'f'.repeat(48)}8000000000000000`,
    )
    const address = '565bb98965acd6dd393e0327646b9e998b1b43e0'
    expect(bytesToHex(encodeArguments(['address'], [`0x${address.toUpperCase()}`]))).toBe(word(address))
  })

  it.each<[string, unknown]>([
    ['uint8', 256],
    ['uint32', -1],
    ['uint64', 2n ** 64n],
    ['uint256', 2n ** 256n],
    ['int32', 2 ** 31],
    ['int32', -(2 ** 31) - 1],
    ['uint256', 1.5],
    ['uint256', 2 ** 53],
    ['uint256', Number.NaN],
    ['uint256', ''],
    ['uint256', '1e3'],
    ['uint256', '1_000'],
    ['uint256', true],
    ['uint256', null],
    ['uint256', undefined],
    ['bool', 1],
    ['bool', 'yes'],
    ['string', 5],
    ['address', '0x1234'],
    ['address', 'zz'.repeat(20)],
    ['bytes32', '0x00'],
    ['bytes4', new Uint8Array(5)],
    ['bytes', '0x123'],
    ['bytes', [1, 2]],
    ['uint256[]', 5],
    ['uint256[]', ['5', 'x']],
    ['uint256[2]', [1, 2, 3]],
    ['uint256[][]', [1]],
  ])('refuses for %s the value %s', (type, value) => {
    expect(() => encodeArguments([type], [value])).toThrow(invalid)
  })

  it.each<[string, bigint, bigint]>([
    ['uint8', 0n, 255n],
    ['uint64', 0n, 2n ** 64n - 1n],
    ['uint', 0n, 2n ** 256n - 1n],
    ['uint256', 0n, 2n ** 256n - 1n],
    ['int8', -128n, 127n],
    ['int64', -(2n ** 63n), 2n ** 63n - 1n],
    ['int', -(2n ** 255n), 2n ** 255n - 1n],
    ['int256', -(2n ** 255n), 2n ** 255n - 1n],
  ])('takes for %s the integers from %s to %s, and no other', (type, least, most) => {
    for (const value of [least, most]) {
      const encoded = BigInt.asUintN(256, value).toString(16).padStart(64, '0')
      expect(bytesToHex(encodeArguments([type], [value]))).toBe(encoded)
      expect(decodeOutput([type], hexToBytes(encoded))).toEqual([value])
    }
    for (const value of [least - 1n, most + 1n]) {
      expect(() => encodeArguments([type], [value])).toThrow(`Argument 1 is no ${type}`)
      const encoded = BigInt.asUintN(256, value).toString(16).padStart(64, '0')
      // All 256 bits are some value of the widest types.
      if (!/^u?int(256)?$/.test(type)) expect(() => decodeOutput([type], hexToBytes(encoded))).toThrow(undecodable)
    }
  })

  it.each([1, 31, 32])('takes bytes%i of that length alone', (length) => {
    const value = 'ab'.repeat(length)
    expect(bytesToHex(encodeArguments([`bytes${length}`], [value]))).toBe(left(value))
    for (const other of [value.slice(2), `${value}ab`]) {
      expect(() => encodeArguments([`bytes${length}`], [other])).toThrow(`Argument 1 is no bytes${length}`)
    }
  })

  it('refuses another number of values', () => {
    expect(() => encodeArguments(['uint256'], [])).toThrow('The call takes 1 arguments, got 0')
    expect(() => encodeArguments([], [1])).toThrow('The call takes 0 arguments, got 1')
    expect(() => parseArguments(['bool'], ['true', 'true'])).toThrow('The call takes 1 arguments, got 2')
  })

  it('names the argument that it refuses, and says what is to be done with large numbers', () => {
    const refusal = (type: string, value: unknown) => () => encodeArguments(['bool', type], [true, value])
    expect(refusal('uint64', 2 ** 53)).toThrow(/^Argument 2 is no uint64: above 2\^53, it stands in quotes$/)
    expect(refusal('uint64', [2 ** 53])).toThrow(/^Argument 2 is no uint64$/)
    for (const value of [1.5, -1, '9007199254740992x', 2n ** 64n]) {
      expect(refusal('uint64', value)).toThrow(/^Argument 2 is no uint64$/)
    }
    expect(refusal('uint64[2]', [1, 2, 3])).toThrow(/^Argument 2 is no uint64\[2\]$/)
    expect(refusal('uint64[2]', [1])).toThrow(/^Argument 2 is no uint64\[2\]$/)
    expect(() => parseArguments(['bool', 'bool[]'], ['true', '[true'])).toThrow(
      /^Argument 2 is no bool\[\]: an array is written as JSON$/,
    )
  })

  it('names an unknown type, and of a long one the beginning', () => {
    expect(() => parseCallable('f(float)')).toThrow(/^There is no type "float"$/)
    const name = 'x'.repeat(40)
    expect(() => parseCallable(`f(${name})`)).toThrow(new RegExp(`^There is no type "${name}"$`))
    expect(() => parseCallable(`f(${name}y)`)).toThrow(new RegExp(`^There is no type "${name}…"$`))
    expect(() => parseCallable('f')).toThrow(/^A call has the form name\(type,…\)$/)
  })

  it('never tells the value in the error', () => {
    expect(() => encodeArguments(['uint8'], [987_654_321])).toThrow(/^Argument 1 is no uint8$/)
    expect(() => encodeArguments(['bool', 'bytes4'], [true, '0xdeadbeefdeadbeef'])).toThrow(/^(?!.*dead)/)
  })
})

describe('arguments typed at a prompt', () => {
  it.each<[string, string, unknown]>([
    ['uint256', '7', 7n],
    ['uint256', '0xff', 255n],
    ['uint256', '115792089237316195423570985008687907853269984665640564039457584007913129639935', 2n ** 256n - 1n],
    ['int64', '-5', -5n],
    ['uint256', ' 7 ', 7n],
    ['uint256', '0XFf', 255n],
    ['int64', '-0x10', -16n],
    ['bool', 'true', true],
    ['bool', 'false', false],
    ['bytes', ' 0xab ', '0xab'],
    ['string', ' kept as is ', ' kept as is '],
    ['string', '', ''],
    ['bytes', '0xABcd', '0xabcd'],
    ['bytes', '', '0x'],
    ['bytes4', '01020304', '0x01020304'],
    ['address', '565BB98965ACD6DD393E0327646B9E998B1B43E0', '0x565bb98965acd6dd393e0327646b9e998b1b43e0'],
    ['uint256[]', '[1, "0x10", "18446744073709551616"]', [1n, 16n, 2n ** 64n]],
    ['string[]', '["a", ""]', ['a', '']],
    ['bool[2]', '[true, false]', [true, false]],
    ['uint64[][]', '[[1],[]]', [[1n], []]],
  ])('%s from %j', (type, text, expected) => expect(parseArguments([type], [text])).toEqual([expected]))

  it('loses no digit of an integer in an array: it must be quoted', () => {
    expect(() => parseArguments(['uint64[]'], ['[18446744073709551615]'])).toThrow(
      'Argument 1 is no uint64: above 2^53, it stands in quotes',
    )
  })

  it.each(['1,2', '[1', '{}', '"1"', ''])('refuses %j for an array', (text) => {
    expect(() => parseArguments(['uint256[]'], [text])).toThrow(invalid)
  })
})

describe('decoding', () => {
  const values: [string, fc.Arbitrary<unknown>][] = [
    ['uint32', fc.bigInt({ min: 0n, max: 2n ** 32n - 1n })],
    ['uint64', fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })],
    ['int32', fc.bigInt({ min: -(2n ** 31n), max: 2n ** 31n - 1n })],
    ['int64', fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })],
    ['uint256', fc.bigInt({ min: 0n, max: 2n ** 256n - 1n })],
    ['bool', fc.boolean()],
    ['string', fc.string({ unit: 'grapheme' })],
    ['address', fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => `0x${bytesToHex(bytes)}`)],
    ['bytes32', fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => `0x${bytesToHex(bytes)}`)],
    ['bytes7', fc.uint8Array({ minLength: 7, maxLength: 7 }).map((bytes) => `0x${bytesToHex(bytes)}`)],
    ['bytes', fc.uint8Array({ maxLength: 100 }).map((bytes) => `0x${bytesToHex(bytes)}`)],
  ]
  const typed = fc
    .constantFrom(...values)
    .chain(([type, value]) =>
      fc.oneof(
        fc.tuple(fc.constant(type), value),
        fc.tuple(fc.constant(`${type}[]`), fc.array(value, { maxLength: 4 })),
        fc.tuple(
          fc.constant(`${type}[][2]`),
          fc.array(fc.array(value, { maxLength: 3 }), { minLength: 2, maxLength: 2 }),
        ),
      ),
    )

  it('gives back what was encoded, for every type that contracts have', () => {
    fc.assert(
      fc.property(fc.array(typed, { maxLength: 5 }), fc.uint8Array({ maxLength: 40 }), (arguments_, trailing) => {
        const types = arguments_.map(([type]) => type)
        const expected = arguments_.map(([, value]) => value)
        const encoded = encodeArguments(types, expected)
        expect(decodeOutput(types, encoded)).toEqual(expected)
        expect(decodeOutput(types, Uint8Array.from([...encoded, ...trailing]))).toEqual(expected)
      }),
      { numRuns: 200 },
    )
  })

  it('gives a value or a refusal for any bytes, and never quotes them', () => {
    fc.assert(
      fc.property(
        typed,
        fc.array(fc.constantFrom(word('0'), word('1'), word('20'), word('40'), 'f'.repeat(64), left('ff'))),
        ([type], words) => {
          try {
            decodeOutput([type], hexToBytes(words.join('')))
          } catch (error) {
            expect(error).toEqual(undecodable)
          }
        },
      ),
      { numRuns: 300 },
    )
  })

  it.each([
    ['uint32', word('100000000')],
    ['uint64', 'f'.repeat(64)],
    ['int32', word('80000000')],
    ['bool', word('2')],
    ['uint256', ''],
    ['uint256', 'ff'.repeat(31)],
    ['string', word('20') + word('1') + left('ff')],
    ['bytes', word('20') + word('ffffffff')],
    ['uint256[]', word('20') + word('ffffffff')],
    ['uint256[]', 'f'.repeat(128)],
  ])('refuses %s from %s', (type, hex) => {
    expect(() => decodeOutput([type], hexToBytes(hex))).toThrow(undecodable)
    expect(() => decodeOutput([type], hexToBytes(hex))).toThrow(/^(?!.*ffff)/)
  })

  it.each([
    ['uint8', word('0'), word('1ff')],
    ['int8', word('0'), 'f'.repeat(62).padEnd(64, '0')],
    ['bool', word('1'), word('101')],
    ['address', word('ab'.repeat(20)), word(`1${'ab'.repeat(20)}`)],
    ['bytes4', left('abababab'), left('abababab01')],
    ['bytes31', left('ab'.repeat(31)), 'ab'.repeat(32)],
  ])('takes %s from a word that holds no more', (type, clean, dirty) => {
    for (const each of [[type], [`${type}[1]`]]) {
      expect(decodeOutput(each, hexToBytes(clean))).toHaveLength(1)
      expect(() => decodeOutput(each, hexToBytes(dirty))).toThrow(undecodable)
    }
  })

  it('looks at no padding behind text and bytes', () => {
    const padded = word('20') + word('1') + 'ab'.repeat(32)
    expect(decodeOutput(['bytes'], hexToBytes(padded))).toEqual(['0xab'])
  })

  it('says how much it could not decode as what', () => {
    expect(() => decodeOutput(['bool', 'uint64'], new Uint8Array(32))).toThrow(
      'The output of 32 bytes does not encode (bool,uint64)',
    )
    expect(() => decodeOutput(['float'], new Uint8Array(32))).toThrow(invalid)
  })

  it('writes the zeros of an address', () => {
    expect(decodeOutput(['address'], hexToBytes(word('1')))).toEqual([`0x${'1'.padStart(40, '0')}`])
  })

  it('decodes no types from whatever there is', () => {
    expect(decodeOutput([], new Uint8Array())).toEqual([])
    expect(decodeOutput([], Uint8Array.of(1, 2))).toEqual([])
  })
})

describe('decodeResult', () => {
  const output = hexToBytes(word('7') + word('1'))
  const number = { name: 'number', type: 'uint64' }
  const flag = { name: 'flag', type: 'bool' }

  it('gives nothing, the only result, or several by their names', () => {
    expect(decodeResult([], new Uint8Array())).toBeUndefined()
    expect(decodeResult([number], output.slice(0, 32))).toBe(7n)
    expect(decodeResult([number, flag], output)).toEqual({ number: 7n, flag: true })
  })

  it('gives a list where a name is missing', () => {
    expect(decodeResult([number, { name: '', type: 'bool' }], output)).toEqual([7n, true])
  })

  it('refuses what does not decode', () => {
    expect(() => decodeResult([flag], output.slice(0, 32))).toThrow(undecodable)
  })
})
