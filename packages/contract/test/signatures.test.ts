import { hexToBytes } from '@bletchley/bytes'
import {
  concat,
  dataLength,
  hexlify,
  keccak256,
  recoverAddress,
  Signature,
  SigningKey,
  TypedDataEncoder,
  toBeHex,
} from 'ethers'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { compileText, Running } from './support/contracts.ts'
import { edgedBigInt } from './support/values.ts'

// Against the independent keccak256, ECDSA and typed data of ethers.

const letterType = {
  Letter: [
    { name: 'subject', type: 'string' },
    { name: 'body', type: 'bytes' },
    { name: 'copies', type: 'address[]' },
    { name: 'notes', type: 'string[]' },
    { name: 'table', type: 'uint256[][]' },
    { name: 'parts', type: 'bytes4[]' },
  ],
}
const typeText = TypedDataEncoder.from(letterType).encodeType('Letter')

const source = `
import {
  Address, Bytes, Bytes32, Bytes4, keccak256, recoverAddress, require, textOf, TypedData, typedDataDomain, U256, utf8
} from '@bletchley/contract/assembly'
@contract
export class Signatures {
  hash(message: Bytes): Bytes32 { return keccak256(message) }
  recover(digest: Bytes32, signature: Bytes): Address { return recoverAddress(digest, signature) }
  digest(name: string, salt: Bytes32, to: Address, amount: U256, isFinal: bool, day: i32): Bytes32 {
    const mail = new TypedData('Payment(address to,uint256 amount,bool isFinal,int32 day)', 4)
    mail.add(to)
    mail.add(amount)
    mail.add(isFinal)
    mail.add(day)
    return mail.digest(typedDataDomain(name, salt))
  }
  letter(subject: string, body: Bytes, copies: Address[], notes: string[], table: U256[][], parts: Bytes4[]): Bytes32 {
    const letter = new TypedData(letterType, 6)
    const kept = utf8('kept')
    letter.add(subject)
    letter.add(body)
    letter.add(copies)
    letter.add(notes)
    letter.add(table)
    letter.add(parts)
    require(textOf(kept) == 'kept', 'another object was changed')
    return letter.hash()
  }
  nested(to: Address, day: i32): Bytes32 {
    const person = new TypedData('Person(address to)', 1)
    person.add(to)
    const visit = new TypedData('Visit(Person host,int32 day)Person(address to)', 2)
    visit.add(person.hash())
    visit.add(day)
    return visit.hash()
  }
  checked(text: string, count: i32): void { const message = new TypedData(text, count) }
  miscounted(count: i32, added: i32): Bytes32 {
    const message = new TypedData('Any(uint256 a,uint256 b)', count)
    for (let i = 0; i < added; i++) message.add(U256.from(7))
    return message.hash()
  }
}
const letterType = '${typeText}'`

const fewer = 'its text has more members than were added'
const malformed = 'the text of a type is Name(type name,type name)'

/** Types with members that no wallet signs. */
const memberTests: [name: string, type: string, members: string[], message: string][] = [
  ['fewer', 'V(uint256 a,bool b)', ['U256.from(1)'], fewer],
  ['none', 'V(uint256 a)', [], fewer],
  ['more', 'V(bool a)', ['true', 'true'], 'its text has fewer members than were added'],
  ['oneOfNone', 'V()', ['true'], 'its text has fewer members than were added'],
  ['text', 'V(uint256 a)', ["'text'"], 'the text says uint256, and this String is none'],
  ['swapped', 'V(uint256 a,bool b)', ['true', 'U256.from(1)'], 'the text says uint256, and this bool is none'],
  ['negative', 'V(uint256 a)', ['<i64>-1'], 'the text says uint256, and this i64 is none'],
  ['large', 'V(uint8 a)', ['<u32>256'], 'the text says uint8, and this u32 is none'],
  ['largeSigned', 'V(int8 a)', ['<u32>128'], 'the text says int8, and this u32 is none'],
  ['small', 'V(int8 a)', ['-129'], 'the text says int8, and this i32 is none'],
  ['wide', 'V(uint64 a)', ['U256.max'], 'the text says uint64, and this U256 is none'],
  ['shorter', 'V(bytes32 a)', ['new Bytes4()'], 'the text says bytes32, and this Bytes4 is none'],
  ['longer', 'V(bytes4 a)', ['new Bytes32()'], 'the text says bytes4, and this Bytes32 is none'],
  ['addressAsText', 'V(string a)', ['new Address()'], 'the text says string, and this Address is none'],
  ['list', 'V(uint256 a)', ['[U256.zero]'], 'the text says uint256, and this Array<'],
  ['element', 'V(bool[] a)', ['[U256.zero]'], 'the text says bool[], and this Array<'],
  ['sized', 'V(bool[3] a)', ['[true, false]'], 'the text says bool[3], and this Array<'],
]

const unknown = 'is no type of typed data, which are written as uint256, and no struct defined behind'
const unordered = 'structs within stand behind in the order of their names, each once'

/** Texts that no wallet makes of types, and why. */
const noTypes: [text: string, reason: string][] = [
  ...[
    [
      '',
      'A',
      '(bool b)',
      '1A(bool b)',
      'A-(bool b)',
      'A(bool)',
      'A(bool b',
      'A(bool b,',
      'A(bool b,)',
      'A(,bool b)',
      'A(',
      'A)',
    ],
    [
      'A(bool b, bool c)',
      'A (bool b)',
      'A( bool b)',
      'A(bool  b)',
      'A(bool b )',
      'A(bool b) ',
      ' A(bool b)',
      'A(bool b);',
    ],
    [
      'A(B b) B(bool c)',
      'A(B b)B(bool  c)',
      'A(B b)B(bool c) ',
      'A(B b)B(bool c',
      'A(B b)B',
      'A(B b)(bool c)',
      'A(B b)B(bool c))',
    ],
    ['A(bool[ b)', 'A(bool] b)', 'A(bool[x] b)', 'A(bool[-1] b)', 'A([] b)', 'A(bool[][ b)', 'A(bool[][', 'A(bool[2'],
    [
      'A(bool 1b)',
      'A(bool b-)',
      'A(bool b[])',
      'A(b\u00e9b b)',
      'A(bool b\u0161)',
      'A(bool \ud83d\ude00)',
      'A(bool b@)',
      'A(bool b`)',
    ],
  ].flatMap((texts) => texts.map((text): [string, string] => [text, malformed])),
  ...[
    'uint',
    'int',
    'uint12',
    'int4',
    'uint0',
    'uint08',
    'uint264',
    'uint255',
    'uint4294967304',
    'int8x',
    'uint256_',
  ].map((type): [string, string] => [`A(${type} b)`, `${type} ${unknown}`]),
  ...['bytes0', 'bytes01', 'bytes33', 'bytes100', 'bytes3x', 'byte', 'boolean', 'Bool', 'U256', 'B', 'A1'].map(
    (type): [string, string] => [`A(${type}[2][] b)`, `${type} ${unknown}`],
  ),
  ['Mail(Person to)Person(Wallet w)', `Wallet ${unknown}`],
  ['A(B b)B(uint c)', `uint ${unknown}`],
  ['Mail(Zoo z)Zoo(string s)Animal(string n)', unordered],
  ['Mail(Zoo z,Animal a)Zoo(string s)Animal(string n)', unordered],
  ['A(B b,Ba c)Ba(bool x)B(bool x)', unordered],
  ['A(B b)B(bool x)B(bool x)', unordered],
  ['A(A[] a)A(bool x)', unordered],
  ['B(A a,bool c)A(bool x)B(bool c)', unordered],
  ['A(bool b)B(bool c)', 'B is no struct that the type is made of'],
  ['A(bool b)B(C[] c)C(B[] b)', 'B is no struct that the type is made of'],
  ['A(B b)B(bool c)C(B b)', 'C is no struct that the type is made of'],
  ['A(uint8 b)uint8(bool c)', 'uint8 is no struct that the type is made of'],
  ['bytes4(bool b)', 'bytes4 is no struct that the type is made of'],
  ['A(bool b,string b)', 'two members of A have one name'],
  ['A(B b,B c)B(bool x,bool y,bool x)', 'two members of B have one name'],
]

/** Types of the wallets' own making, with structs within structs. */
const nestedTypes: Record<string, { name: string; type: string }[]>[] = [
  { $_a1Z: [] },
  {
    Mail: [{ name: 'to', type: 'Person' }],
    Person: [{ name: 'w', type: 'Wallet[2][]' }],
    Wallet: [{ name: 'x', type: 'bytes' }],
  },
  {
    A: [
      { name: 'z', type: 'Zoo' },
      { name: 'b', type: 'B' },
      { name: '$x_9', type: 'bytes32[][]' },
    ],
    B: [
      { name: 'a', type: 'Ba[]' },
      { name: 'b', type: 'bytes1' },
      { name: 'c', type: 'uint8' },
      { name: 'd', type: 'bool' },
    ],
    Ba: [
      { name: 'b', type: 'address' },
      { name: 'B', type: 'int256' },
      { name: 'c', type: 'bytes32' },
    ],
    Zoo: [{ name: 'z', type: 'string' }],
  },
]

/** Types with members that wallets sign. */
const honestTests: [name: string, type: string, members: string[], values: unknown[]][] = [
  ['numbers', 'V(uint256 a,int256 b,uint8 c,int8 d)', ['1', '<i64>-1', '<u32>255', '-128'], [1, -1, 255, -128]],
  ['wideNumbers', 'V(uint64 a,int256 b)', ['U256.from(7)', 'U256.max'], [7, -1]],
  ['nested', 'V(bool[2][] a,string[] b)', ['[[true, false]]', "['x']"], [[[true, false]], ['x']]],
  ['emptyList', 'V(string[] a)', ['new Array<string>()'], [[]]],
  [
    'hashes',
    'V(P a,P[] b,bytes c)P(bool x)',
    ['p', '[p, p]', 'keccak256(utf8("z"))'],
    [{ x: true }, [{ x: true }, { x: true }], '0x7a'],
  ],
]

const mistakenSource = `
import { Address, Bytes32, Bytes4, keccak256, TypedData, U256, utf8 } from '@bletchley/contract/assembly'
@contract
export class Mistaken {
${[...memberTests, ...honestTests]
  .map(
    ([name, , members]) => `  ${name}(): Bytes32 {
    const person = new TypedData('P(bool x)', 1)
    person.add(true)
    const p = person.hash()
    const message = new TypedData(${name}Text, ${members.length})
    ${members.map((member) => `message.add(${member})`).join('\n    ')}
    return message.hash()
  }`,
  )
  .join('\n')}
}
${[...memberTests, ...honestTests].map(([name, type]) => `let ${name}Text = '${type}'`).join('\n')}`

const order = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n
const generatorX = 0x79be_667e_f9dc_bbac_55a0_6295_ce87_0b07_029b_fcdb_2dce_28d9_59f2_815b_16f8_1798n
const most = 2n ** 256n - 1n
const numRuns = Number(process.env.BLETCHLEY_SIGNATURE_RUNS ?? 25)

let contract: Running
let mistaken: Running

beforeAll(async () => {
  contract = Running.deploy((await compileText(source)).wasm)
  mistaken = Running.deploy((await compileText(mistakenSource)).wasm)
})

const word = (value: bigint) => toBeHex(value, 32)
const bytesOf = (r: bigint, s: bigint, v: number) => concat([word(r), word(s), toBeHex(v, 1)])
const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => hexlify(bytes))

/** The signer according to the contract, or undefined if it says that the signature is not valid. */
function signer(digest: string, signature: string): unknown {
  try {
    return contract.ask('recover(bytes32,bytes)(address)', digest, signature)[0]
  } catch (error) {
    if (/unreachable: signature is not valid$/.test((error as Error).message)) return undefined
    throw error
  }
}

/** The signer according to ethers, which takes s up to 2^255. */
function expected(digest: string, r: bigint, s: bigint, v: number): string | undefined {
  if (s > order / 2n) return undefined
  try {
    return recoverAddress(digest, Signature.from({ r: word(r), s: word(s), v: v as 27 | 28 }))
  } catch {
    return undefined
  }
}

function inverse(value: bigint): bigint {
  let [a, b, x, y] = [value % order, order, 1n, 0n]
  while (a > 1n) [a, b, x, y] = [b % a, a, y - (b / a) * x, x]
  return ((x % order) + order) % order
}

describe('keccak256', () => {
  it('is that of Ethereum', () => {
    const sizes = [0, 1, 31, 32, 135, 136, 137, 271, 272, 273]
    const size = fc.oneof(fc.constantFrom(...sizes), fc.nat(600))
    const message = size.chain((length) => fc.uint8Array({ minLength: length, maxLength: length }))
    fc.assert(
      fc.property(message, (bytes) => {
        expect(contract.ask('hash(bytes)(bytes32)', bytes)).toEqual([keccak256(bytes)])
      }),
      { numRuns: 40, examples: sizes.map((length) => [new Uint8Array(length).fill(0xff)]) },
    )
  })
})

describe('recoverAddress', () => {
  it('finds the signer', () => {
    const key = edgedBigInt(1n, order - 1n)
    const digest = fc.oneof(bytes32, edgedBigInt(order - 1n, most).map(word), fc.constantFrom(word(0n), word(1n)))
    fc.assert(
      fc.property(key, digest, (secret, digest) => {
        const signingKey = new SigningKey(word(secret))
        const { serialized } = signingKey.sign(digest)
        expect(signer(digest, serialized)).toBe(recoverAddress(digest, serialized))
      }),
      { numRuns },
    )
  })

  it('agrees on numbers that nobody made a signature of', () => {
    const number = fc.oneof(edgedBigInt(0n, most), edgedBigInt(1n, order / 2n))
    fc.assert(
      fc.property(bytes32, number, number, fc.constantFrom(27, 28), (digest, r, s, v) => {
        expect(signer(digest, bytesOf(r, s, v))).toBe(expected(digest, r, s, v))
      }),
      { numRuns },
    )
  })

  // With the generator as the signature's point, all multiples that are added up are of one point, and some are equal.
  const secrets = [1n, 2n, 15n, 16n, order - 1n, order >> 1n]
  it.each(secrets)('finds signer %i where the points are multiples of one', (secret) => {
    const digests = [0n, 1n, secret, order - secret]
    for (const digest of digests) {
      // k = 1: the point is the generator, whose y is even.
      const s = (digest + generatorX * secret) % order
      const [low, v] = s > order / 2n ? [order - s, 28] : [s, 27]
      const answer = expected(word(digest), generatorX, low, v)
      expect(answer, String(digest)).toBe(addressOf(secret))
      expect(signer(word(digest), bytesOf(generatorX, low, v)), String(digest)).toBe(answer)
    }
  })

  it('refuses a signature whose key is the neutral point', () => {
    // s · R = z · G for R = G and s = z.
    expect(signer(word(5n), bytesOf(generatorX, 5n, 27))).toBeUndefined()
    const k = 12345n
    const { r } = pointOf(k)
    const s = (7n * inverse(k)) % order
    const forms = [27, 28].map((v) => signer(word(7n), bytesOf(r, s > order / 2n ? order - s : s, v)))
    expect(forms.filter((form) => form === undefined)).toHaveLength(1)
  })

  it('takes one form of each signature only', () => {
    const digest = word(1234n)
    const { r, s, v, serialized } = new SigningKey(word(99n)).sign(digest)
    expect(signer(digest, serialized)).toBe(addressOf(99n))
    const malformed = {
      'a large s': bytesOf(BigInt(r), order - BigInt(s), 55 - v),
      'the smallest large s': bytesOf(BigInt(r), order / 2n + 1n, v),
      'r = 0': bytesOf(0n, BigInt(s), v),
      's = 0': bytesOf(BigInt(r), 0n, v),
      'r = order': bytesOf(order, BigInt(s), v),
      's = order': bytesOf(BigInt(r), order, v),
      'the largest r': bytesOf(most, BigInt(s), v),
      'v = 0': bytesOf(BigInt(r), BigInt(s), 0),
      'v = 1': bytesOf(BigInt(r), BigInt(s), 1),
      'v = 26': bytesOf(BigInt(r), BigInt(s), 26),
      'v = 29': bytesOf(BigInt(r), BigInt(s), 29),
      'v = 255': bytesOf(BigInt(r), BigInt(s), 255),
      '64 bytes': serialized.slice(0, -2),
      '66 bytes': `${serialized}00`,
      'no bytes': '0x',
    }
    for (const [what, signature] of Object.entries(malformed)) {
      expect(signer(digest, signature), `${what}, ${dataLength(signature)} bytes`).toBeUndefined()
    }
  })
})

describe('typed data', () => {
  it('has the digest that wallets sign', () => {
    const types = {
      Payment: [
        { name: 'to', type: 'address' },
        { name: 'amount', type: 'uint256' },
        { name: 'isFinal', type: 'bool' },
        { name: 'day', type: 'int32' },
      ],
    }
    const address = fc.uint8Array({ minLength: 20, maxLength: 20 }).map((bytes) => hexlify(bytes))
    const name = fc.string({ unit: 'grapheme', maxLength: 200 })
    const day = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })
    fc.assert(
      fc.property(name, bytes32, address, edgedBigInt(0n, most), fc.boolean(), day, (name, salt, ...members) => {
        const [to, amount, isFinal, day] = members
        const digest = TypedDataEncoder.hash({ name, salt }, types, { to, amount, isFinal, day })
        const signature = 'digest(string,bytes32,address,uint256,bool,int32)(bytes32)'
        expect(contract.ask(signature, name, salt, ...members)).toEqual([digest])
      }),
      { numRuns: 20 },
    )
  })

  it('takes the hash of what is longer than a word, as wallets do', () => {
    const bytesOfSize = (size: { minLength?: number; maxLength: number }) =>
      fc.uint8Array(size).map((bytes) => hexlify(bytes))
    const text = fc.string({ unit: 'grapheme', maxLength: 60 })
    const list = <T>(value: fc.Arbitrary<T>) => fc.array(value, { maxLength: 4 })
    const members = fc.record({
      subject: text,
      body: bytesOfSize({ maxLength: 200 }),
      copies: list(bytesOfSize({ minLength: 20, maxLength: 20 })),
      notes: list(text),
      table: list(list(edgedBigInt(0n, most))),
      parts: list(bytesOfSize({ minLength: 4, maxLength: 4 })),
    })
    fc.assert(
      fc.property(members, (letter) => {
        const { subject, body, copies, notes, table, parts } = letter
        const signature = 'letter(string,bytes,address[],string[],uint256[][],bytes4[])(bytes32)'
        expect(contract.ask(signature, subject, body, copies, notes, table, parts)).toEqual([
          TypedDataEncoder.hashStruct('Letter', letterType, letter),
        ])
      }),
      { numRuns: 20 },
    )
  })

  it('takes the hash of a struct within', () => {
    const types = {
      Person: [{ name: 'to', type: 'address' }],
      Visit: [
        { name: 'host', type: 'Person' },
        { name: 'day', type: 'int32' },
      ],
    }
    const to = `0x${'5a'.repeat(20)}`
    expect(contract.ask('nested(address,int32)(bytes32)', to, -3)).toEqual([
      TypedDataEncoder.hashStruct('Visit', types, { host: { to }, day: -3 }),
    ])
  })

  it.each([
    [2, 1],
    [2, 3],
    [0, 1],
    [-1, 0],
    [-2, 1],
    [2 ** 31 - 1, 1],
    [2 ** 27 - 1, 1],
  ])('of %i members does not take %i', (count, added) => {
    expect(() => contract.ask('miscounted(int32,int32)(bytes32)', count, added)).toThrow(
      ': typed data: members do not fit its count',
    )
  })

  it.each(memberTests)('does not take what its text does not say: %s', (name, _type, _members, message) => {
    expect(() => mistaken.ask(`${name}()(bytes32)`)).toThrow(`unreachable: typed data: ${message}`)
  })

  it.each(honestTests)('takes what its text says: %s', (name, type, _members, values) => {
    const [, members = ''] = /^V\((.*?)\)/.exec(type)!
    const fields = members.split(',').map((member) => {
      const [kind = '', name = ''] = member.split(' ')
      return { type: kind, name }
    })
    const inner = { P: [{ name: 'x', type: 'bool' }] }
    const types = type.includes('P(') ? { V: fields, ...inner } : { V: fields }
    const message = Object.fromEntries(fields.map(({ name }, index) => [name, values[index]]))
    expect(mistaken.ask(`${name}()(bytes32)`)).toEqual([TypedDataEncoder.hashStruct('V', types, message)])
  })

  const withText = (args: string) => `import { TypedData } from '@bletchley/contract/assembly'
@contract export class C { static readonly text: string = 'A(B b)'; f(): void { const d = new TypedData(${args}); d.hash() } }`

  it.each([
    ["'A(bool b)', 2", '118: of members, the text has 1'],
    ["'A(bool b,bool c)', 1", '125: of members, the text has 2'],
    ["'A()', 1", '112: of members, the text has 0'],
    ["'A(B b)', 1", `105: B ${unknown}`],
    ['C.text, 1', `105: B ${unknown}`],
    ['(text), 1', `105: Wallet ${unknown}`],
    ["'A(B b' + tail, 1", `105: B ${unknown}`],
    ["'A(B ' + ('b)' + 'B()') + ' ', 1", '105: the text of a type is'],
  ])('is not made of %s, which fits no signature', async (args, message) => {
    const constant = "const text = 'Mail(Person to)Person(Wallet w)', tail = ')'"
    await expect(compileText(`${withText(args)}\n${constant}`)).rejects.toThrow(`contract.ts:2:${message}`)
  })

  it.each(noTypes)('is not made of %j, which no wallet makes', async (text, reason) => {
    await expect(compileText(withText(`'${text}', 1`))).rejects.toThrow(`contract.ts:2:105: ${reason}`)
  })

  it.each(noTypes)('is not made of %j at run time', (text, reason) => {
    expect(() => contract.ask('checked(string,int32)', text, 1)).toThrow(`unreachable: typed data: ${reason}`)
  })

  it.each(nestedTypes)('is made of a text of the run time: %#', (types) => {
    const [name = '', members = []] = Object.entries(types)[0]!
    const text = TypedDataEncoder.from(types).encodeType(name)
    contract.ask('checked(string,int32)', text, members.length)
  })

  it.each(nestedTypes)('is made of a text that is written out: %#', async (types) => {
    const [name = '', members = []] = Object.entries(types)[0]!
    const text = TypedDataEncoder.from(types).encodeType(name)
    await expect(compileText(withText(`'${text}', ${members.length}`))).resolves.toBeDefined()
  })

  it('is made of structs within structs', async () => {
    const text = 'A(C[2] c,bytes32[][] d,int256 e)B(A[] a,bytes1 b,uint8 c,bytes d,bool e)C(B b,address d,string e)'
    const source = `import { TypedData } from '@bletchley/contract/assembly'
@contract export class C { f(): void { const d = new TypedData('${text}', 3) } }`
    await expect(compileText(source)).resolves.toBeDefined()
  })

  it.each([
    ['1.5', 'f64 is not a type of the ABI; members of typed data are numbers, '],
    ['null', 'usize is not a type of the ABI; members of typed data are numbers, '],
    ['new Map<string, u64>()', 'Map<String,u64> is not a type of the ABI; members'],
    ['new Pair(1)', 'Pair is not a type of the ABI; of a struct within, add the hash() of its own TypedData'],
    ["[new TypedData('B(bool c)', 1)]", 'Array<TypedData> is not a type of the ABI; members'],
    ["new TypedData('B(bool c)', 1)", 'TypedData is not a type of the ABI; of a struct within, add the hash()'],
    ['number', 'U256 | null is not a type of the ABI; a member of typed data is never null; with ! behind it'],
    ['bytes', 'StaticArray<u8> | null is not a type of the ABI; a member of typed data is never null'],
  ])('does not take %s, and says where', async (member, message) => {
    const source = `import { Bytes, TypedData, U256 } from '@bletchley/contract/assembly'
@tuple class Pair { constructor(public a: u64) {} }
let number: U256 | null = null, bytes: Bytes | null = null
@contract export class C { f(): void { new TypedData('A(bool b)', 1).add(${member}) } }`
    await expect(compileText(source)).rejects.toThrow(`contract.ts:4:70: ${message}`)
  })
})

function addressOf(secret: bigint): string {
  const digest = word(1n)
  return recoverAddress(digest, new SigningKey(word(secret)).sign(digest))
}

/** A multiple of the generator. */
function pointOf(k: bigint): { r: bigint } {
  const key = hexToBytes(new SigningKey(word(k)).compressedPublicKey.slice(4))
  return { r: BigInt(hexlify(key)) }
}
