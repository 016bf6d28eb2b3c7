import { hexlify } from 'ethers'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { signatureOf } from '../src/index.ts'
import { compileText, decodeValues, encodeValues, Running, reasonOf } from './support/contracts.ts'
import { arbitraryOf, sourceType } from './support/values.ts'

const elements = ['uint32', 'uint64', 'int32', 'int64', 'uint256', 'bool', 'address', 'bytes', 'string']
const fixed = Array.from({ length: 32 }, (_, index) => `bytes${index + 1}`)
const single = [
  ...[...elements, 'bytes5', 'bytes32'].flatMap((type) => [type, `${type}[]`]),
  ...fixed.filter((type) => type !== 'bytes5' && type !== 'bytes32'),
  ...['uint256[][]', 'string[][]', 'bytes5[][]', 'bytes[][][]', 'bool[][][]', 'int32[][]'],
]

/** Functions that take several values and give them back as a tuple. */
const several = [
  ['uint32', 'string', 'bytes[]', 'address', 'bytes', 'bytes31', 'int64'],
  ['string[][]', 'bool', 'uint256[]', 'bytes4'],
  ['bytes', 'bytes'],
  ['int32[]', 'uint64[][]', 'string'],
  ['bool', 'bool'],
]

const signatures = [...single.map((type) => [type]), ...several]

const source = `
import { Address, Bytes, U256, ${fixed.map(sourceType).join(', ')} } from '@bletchley/contract/assembly'
${several
  .map(
    (types, index) => `@tuple
    class Values${index} { constructor(${types.map((type, at) => `public v${at}: ${sourceType(type)}`).join(', ')}) {} }`,
  )
  .join('\n')}
@contract
export class Echo {
  ${single.map((type, index) => `f${index}(a: ${sourceType(type)}): ${sourceType(type)} { return a }`).join('\n')}
  ${several
    .map((types, index) => {
      const parameters = types.map((type, at) => `a${at}: ${sourceType(type)}`).join(', ')
      const values = types.map((_, at) => `a${at}`).join(', ')
      return `f${single.length + index}(${parameters}): Values${index} { return new Values${index}(${values}) }`
    })
    .join('\n')}
  nothing(): void {}
}`

const runs = Number(process.env.BLETCHLEY_ABI_RUNS ?? 12)

let echo: Running
let abi: Awaited<ReturnType<typeof compileText>>['abi']

beforeAll(async () => {
  const compiled = await compileText(source)
  abi = compiled.abi
  echo = Running.deploy(compiled.wasm)
})

it('describes itself with the types of the ABI', () => {
  const types = (list: readonly { type: string }[]) => list.map(({ type }) => type)
  expect(abi.functions.map(({ inputs }) => types(inputs))).toEqual([...signatures, []])
  expect(abi.functions.map(({ outputs }) => types(outputs))).toEqual([...signatures, []])
  const { name, inputs } = abi.functions[single.length]!
  expect(signatureOf(name, inputs)).toBe(`f${single.length}(uint32,string,bytes[],address,bytes,bytes31,int64)`)
})

describe.each(signatures.map((types, index) => ({ types, name: `f${index}` })))('($types)', ({ types, name }) => {
  const values = fc.tuple(...types.map(arbitraryOf))

  it('goes from the encoder through the contract and back', () => {
    const property = fc.property(values, (list) => {
      const args = encodeValues(types, list)
      const outcome = echo.call(name, args)
      expect(reasonOf(outcome)).toBe('success')
      if (outcome.kind === 'failure') return
      expect(hexlify(outcome.output)).toBe(hexlify(args))
      expect(decodeValues(types, outcome.output)).toEqual(list)
    })
    fc.assert(property, { numRuns: runs })
  })

  it('is refused with the reason if it is not exactly what the encoder makes', () => {
    const property = fc.property(
      values.chain((list) => mutations(encodeValues(types, list))),
      (args) => {
        requireExactness(types, name, args)
      },
    )
    fc.assert(property, { numRuns: 2 * runs })
  })
})

/** Whether the independent code takes bytes for what it would encode itself. */
function isCanonical(types: readonly string[], bytes: Uint8Array): boolean {
  try {
    return hexlify(encodeValues(types, decodeValues(types, bytes))) === hexlify(bytes)
  } catch {
    return false
  }
}

/** A contract takes exactly what is canonical, gives it back unchanged, and tells what is wrong with anything else. */
function requireExactness(types: readonly string[], name: string, args: Uint8Array): void {
  const outcome = echo.call(name, args)
  const shown = `${types}: ${hexlify(args)}`
  expect(outcome.usedGas < BigInt(20_000 + 60 * args.length), `gas of ${shown}`).toBe(true)
  if (isCanonical(types, args)) {
    expect(outcome.kind === 'success' && hexlify(outcome.output), shown).toBe(hexlify(args))
  } else {
    expect(reasonOf(outcome), shown).toMatch(
      /^(arguments: (too short|too long|padding is not zero|unexpected offset|a number is out of range)|text is not UTF-8)$/,
    )
  }
}

const hugeWords = [
  2n ** 256n - 1n,
  2n ** 255n,
  2n ** 64n,
  2n ** 64n - 1n,
  2n ** 63n,
  2n ** 32n,
  2n ** 32n - 1n,
  2n ** 31n,
  2n ** 31n - 1n,
  2n ** 32n - 32n,
  1n,
  2n,
  31n,
  33n,
  0n,
]

/** Canonical bytes with something done to them. */
function mutations(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const words = Math.max(1, bytes.length / 32)
  const index = fc.nat({ max: words - 1 })
  const changed = (change: (copy: Uint8Array) => void): Uint8Array => {
    const copy = bytes.slice()
    change(copy)
    return copy
  }
  return fc.oneof(
    fc.tuple(fc.nat({ max: bytes.length - 1 }), fc.integer({ min: 1, max: 255 })).map(([at, by]) =>
      changed((copy) => {
        copy[at]! ^= by
      }),
    ),
    fc.nat({ max: bytes.length - 1 }).map((length) => bytes.slice(0, length)),
    fc.uint8Array({ minLength: 1, maxLength: 70 }).map((more) => Uint8Array.of(...bytes, ...more)),
    fc.constantFrom(1, 31, 32, 64).map((more) => Uint8Array.of(...bytes, ...new Uint8Array(more))),
    fc.tuple(index, index).map(([a, b]) =>
      changed((copy) => {
        copy.set(bytes.subarray(32 * a, 32 * a + 32), 32 * b)
        copy.set(bytes.subarray(32 * b, 32 * b + 32), 32 * a)
      }),
    ),
    fc
      .tuple(index, fc.constantFrom(...hugeWords))
      .map(([at, value]) => changed((copy) => copy.set(encodeValues(['uint256'], [value]), 32 * at))),
    fc.tuple(index, fc.constantFrom(-64n, -32n, -1n, 1n, 32n, 64n)).map(([at, by]) =>
      changed((copy) => {
        const old = BigInt(hexlify(bytes.subarray(32 * at, 32 * at + 32)))
        copy.set(encodeValues(['uint256'], [(old + by) & (2n ** 256n - 1n)]), 32 * at)
      }),
    ),
    fc
      .tuple(index, index)
      .map(([from, count]) =>
        Uint8Array.of(...bytes.subarray(0, 32 * from), ...bytes.subarray(32 * Math.min(words, from + count + 1))),
      ),
  )
}

describe('malformed arguments', () => {
  const word = (value: bigint) => encodeValues(['uint256'], [value])
  const words = (...values: (bigint | Uint8Array)[]) =>
    Uint8Array.from(values.flatMap((value) => [...(typeof value === 'bigint' ? word(value) : value)]))
  const text = (bytes: number[]) => Uint8Array.from([...bytes, ...new Uint8Array(32 - bytes.length)])
  const nameOf = (types: string) => `f${signatures.findIndex((each) => each.join() === types)}`

  it.each<[string, string, Uint8Array, string]>([
    ['nothing', 'uint256', words(), 'arguments: too short'],
    ['half a word', 'uint256', words(1n).subarray(0, 16), 'arguments: too short'],
    ['a word more', 'uint256', words(1n, 0n), 'arguments: too long'],
    ['a bool of 2', 'bool', words(2n), 'arguments: a number is out of range'],
    ['a uint32 of 2^32', 'uint32', words(2n ** 32n), 'arguments: a number is out of range'],
    ['a uint64 of 2^64', 'uint64', words(2n ** 64n), 'arguments: a number is out of range'],
    ['an int32 of 2^31', 'int32', words(2n ** 31n), 'arguments: a number is out of range'],
    ['an int32 of -2^31 - 1', 'int32', words(2n ** 256n - 2n ** 31n - 1n), 'arguments: a number is out of range'],
    ['an int32 without all of its sign', 'int32', words(2n ** 64n - 1n), 'arguments: a number is out of range'],
    ['an int64 of 2^63', 'int64', words(2n ** 63n), 'arguments: a number is out of range'],
    ['an address of 21 bytes', 'address', words(2n ** 160n), 'arguments: padding is not zero'],
    ['bytes31 of 32 bytes', 'bytes31', words(1n), 'arguments: padding is not zero'],
    ['an offset of 0', 'string', words(0n, 0n), 'arguments: unexpected offset'],
    ['an offset into nowhere', 'string', words(64n, 0n), 'arguments: unexpected offset'],
    ['an offset of 2^256 - 32', 'bytes', words(2n ** 256n - 32n, 0n), 'arguments: too short'],
    ['two that share their data', 'bytes,bytes', words(64n, 64n, 0n), 'arguments: unexpected offset'],
    ['two in the wrong order', 'bytes,bytes', words(96n, 64n, 0n, 0n), 'arguments: unexpected offset'],
    ['a length of 2^31', 'bytes', words(32n, 2n ** 31n), 'arguments: too short'],
    ['a length of 2^32 - 1', 'bytes', words(32n, 2n ** 32n - 1n), 'arguments: too short'],
    ['a length that is cut', 'bytes', words(32n, 1n, 0n).subarray(0, 95), 'arguments: too short'],
    ['data behind their length', 'bytes', words(32n, 1n, 1n), 'arguments: padding is not zero'],
    ['2^27 elements', 'uint256[]', words(32n, 2n ** 27n), 'arguments: too short'],
    ['2^32 / 32 elements', 'uint256[]', words(32n, 2n ** 27n, 1n), 'arguments: too short'],
    [
      'lists in lists that share their data',
      'uint256[][]',
      words(32n, 2n, 64n, 64n, 0n),
      'arguments: unexpected offset',
    ],
    ['a list that contains itself', 'uint256[][]', words(32n, 1n, 0n), 'arguments: unexpected offset'],
    ['text that ends in a character', 'string', words(32n, 1n, text([0xe2])), 'text is not UTF-8'],
    ['a character in too many bytes', 'string', words(32n, 2n, text([0xc0, 0x80])), 'text is not UTF-8'],
    ['a character in too many bytes, 3', 'string', words(32n, 3n, text([0xe0, 0x9f, 0xbf])), 'text is not UTF-8'],
    ['a character in too many bytes, 4', 'string', words(32n, 4n, text([0xf0, 0x8f, 0xbf, 0xbf])), 'text is not UTF-8'],
    ['half a pair in UTF-8', 'string', words(32n, 3n, text([0xed, 0xa0, 0x80])), 'text is not UTF-8'],
    ['a character beyond the last', 'string', words(32n, 4n, text([0xf4, 0x90, 0x80, 0x80])), 'text is not UTF-8'],
    ['a byte that begins nothing', 'string', words(32n, 1n, text([0xff])), 'text is not UTF-8'],
  ])('%s is refused', (_, types, args, reason) => {
    expect(reasonOf(echo.call(nameOf(types), args))).toBe(reason)
    requireExactness(types.split(','), nameOf(types), args)
  })

  it('are refused where a function takes none', () => {
    expect(echo.call('nothing')).toMatchObject({ kind: 'success', output: new Uint8Array() })
    expect(reasonOf(echo.call('nothing', word(0n)))).toBe('arguments: too long')
    expect(reasonOf(echo.call('nothing', Uint8Array.of(0)))).toBe('arguments: too long')
  })

  it('take memory and gas in proportion to what was sent', () => {
    // The most objects for the fewest bytes: empty lists in lists.
    const empty = Array.from({ length: 40 }, () => Array.from({ length: 40 }, () => []))
    const args = encodeValues(['bytes[][][]'], [empty])
    const outcome = echo.call(nameOf('bytes[][][]'), args)
    expect(outcome).toMatchObject({ kind: 'success' })
    expect(outcome.usedGas).toBeLessThan(BigInt(20 * args.length))
  })

  it('that do not fit into memory are refused too', () => {
    // A list of 90 000 zeros, as the encoder writes it, which takes its time.
    const args = new Uint8Array(32 * (2 + 90_000))
    const view = new DataView(args.buffer)
    view.setUint32(28, 32)
    view.setUint32(60, 90_000)
    expect(reasonOf(echo.call(nameOf('uint256[]'), args))).toBe('out of memory')
    expect(reasonOf(echo.call(nameOf('uint256[]'), new Uint8Array(9_000_000)))).toBe('out of memory')
  })
})

describe('the name of the function', () => {
  it('is compared to its last letter', async () => {
    // Eight bytes at a time.
    const lengths = [1, 7, 8, 9, 15, 16, 17]
    const names = lengths.flatMap((length) => ['x', 'y'].map((last) => `${'a'.repeat(length - 1)}${last}`))
    const { wasm } = await compileText(`@contract export class Names {
      ${names.map((name, index) => `${name}(): u32 { return ${index} }`).join('\n')}
    }`)
    const running = Running.deploy(wasm)
    expect(names.map((name) => running.ask(`${name}()(uint32)`))).toEqual(names.map((_, index) => [BigInt(index)]))
    for (const name of ['z', 'aaaaaaaz', 'aaaaaaaaz', 'aaaaaaa', 'aaaaaaaax\0', 'aaaaaaax\0\0'])
      expect(reasonOf(running.call(name)), JSON.stringify(name)).toBe('there is no such function')
  })

  it.each([
    '',
    'f',
    'f00',
    'f0 ',
    'F0',
    'f0\0',
    'nothin',
    'nothing0',
    'constructor',
    'construct',
    'toString',
    'ä',
    'x'.repeat(500),
  ])('%j is none', (name) => {
    expect(reasonOf(echo.call(name))).toBe('there is no such function')
  })
})
