import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '@bletchley/bytes'
import { describeModule } from '@bletchley/sandbox'
import { beforeAll, describe, expect, it } from 'vitest'
import { compileContract, toJsonAbi } from '../src/index.ts'
import { compileText, encodeValues, Running, reasonOf } from './support/contracts.ts'

const library =
  "import { Address, Bytes, log, require, revert, StateList, StateMap, StateValue, U256 } from '@bletchley/contract/assembly'"

const features = `${library}
import { bytesOf, Height, Person, sum, Ratio } from './lib/helpers'
import { concatBytes, decrypt, encrypt, equalBytes, fixedBytes, generateKey, hexOf, randomBelow, randomBytes, randomNumber, sliceBytes, textOf, utf8, Bytes4, Bytes32 } from '@bletchley/contract/assembly'

const answers: Array<u32> = [42, 43]
let started: u32 = answers[1]
type Amounts = Array<U256>

interface Named { name(): string }

class Node { value: u32 = 7 }
function nobody(): Node | null { return answers.length > 2 ? new Node() : null }
function made(a: u32): Error { return new Error('made ' + a.toString()) }
class Refusal extends Error { constructor(a: u32, text: string) { super('refused (' + a.toString() + '): ' + text) } }

@contract
export class Größe implements Named {
  static readonly unit: U256 = U256.from(1000)
  private count: StateValue<u64>
  protected names: StateMap<string, u32>

  constructor(start: u64) {
    this.count.set(start)
    if (start == 13) revert('no such luck')
  }

  private hidden(): void {}
  protected alsoHidden(): void {}
  static notMine(): void {}
  get size(): u64 { return this.count.get() }
  set size(value: u64) { this.count.set(value) }

  next(): u64 { this.size = this.size + 1; return this.size }
  name(): string { return 'größe' }
  delete(): string { return 'a name that is a keyword' }
  toString(): string { return 'toString' }
  größer(a: Height, b: Height): Height { return a > b ? a : b }
  person(): Person { return new Person('Ada', 36, [Größe.unit]) }
  total(values: Amounts): U256 { return sum(values) }
  globals(): u32 { return started + answers[0] }

  collections(words: Array<string>): Array<string> {
    const counts = new Map<string, u32>()
    for (let i = 0; i < words.length; i++) counts.set(words[i], counts.has(words[i]) ? counts.get(words[i]) + 1 : 1)
    const seen = new Set<string>()
    for (let i = 0; i < words.length; i++) seen.add(words[i].toUpperCase())
    const keys = counts.keys().sort((a, b) => a < b ? -1 : a > b ? 1 : 0)
    const result = keys.map<string>((key) => key.padStart(5, '.'))
    result.push(seen.size.toString() + '/' + words.slice(1).join('-'))
    return result
  }
  numbers(text: string): Array<i64> {
    const whole = I64.parseInt(text)
    return [whole, <i64>parseInt(text), <i64>Math.floor(Math.sqrt(Math.abs(<f64>whole))), <i64>(parseFloat('2.5') * 2), whole.toString().length, <i64>Math.pow(2, 10)]
  }
  bytes(data: Bytes): Bytes {
    const typed = new Uint8Array(4)
    typed[1] = 7
    return concatBytes(sliceBytes(data, 1, 2), bytesOf(typed))
  }
  texts(): Array<string> {
    return [hexOf(utf8('aé')), textOf(utf8('€')), \`\${1 + 1} \${true}\`, new Address().toString(), fixedBytes<Bytes4>(utf8('abcd')).toString(), U256.max.toString()]
  }
  equal(a: Bytes4, b: Bytes4, c: Bytes, d: Bytes): Array<bool> {
    return [a == b, a != b, equalBytes(c, d), a.isZero(), equalBytes(a.toBytes(), c), a === b, a !== b]
  }
  overload(a: f64Alias): u32 { return a }

  throws(): void { throw new Error('thrown') }
  throwsNothing(): void { throw new Error() }
  throwsKept(a: u32): u32 { const error = new RangeError('kept ' + a.toString()); if (a > 0) throw error; return a }
  throwsMade(a: u32): u32 { if (a > 0) throw made(a); return a }
  throwsOwn(a: u32): u32 { if (a > 0) throw new Refusal(a, 'reason'); return a }
  throwsEither(a: u32): u32 { throw a > 0 ? new Error('one') : new TypeError('other') }
  throwsWithin(a: u32[]): void { a.forEach((each) => { if (each > 1) throw (new Error('within')) }) }
  abortsWith(): void { abort('on purpose') }
  abortsOnly(): void { abort() }
  isNull(): u32 { const none: Node | null = nobody(); return none!.value }
  casts(): u32 { const any: Object = changetype<Object>(new Refusal(1, '')); return (any as Node).value }
  asserts(a: u32): u32 { assert(a > 1, 'asserted'); return a }
  assertsOnly(): void { assert(false) }
  requires(a: u32): void { require(a > 1, 'required') }
  reverts(text: string): void { this.size = 99; revert(text) }
  outside(): u32 { const list: Array<u32> = [1]; return list[this.index()] }
  slices(): Bytes { return sliceBytes(utf8('abc'), 2, 2) }
  fits(): Bytes4 { return fixedBytes<Bytes4>(utf8('abc')) }
  divides(a: i32, b: i32): i32 { return a / b }
  recurses(a: u32): u32 { return this.recurses(a + 1) + 1 }
  long(): void { revert('ä'.repeat(2000)) }
  halves(): void { revert('a' + String.fromCharCode(0xd800)) }
  hungry(): u32 { const all = new Array<StaticArray<u8>>(); for (let i = 0; i < 100; i++) all.push(new StaticArray<u8>(100_000)); return all.length }
  greedy(): u32 { return new StaticArray<u8>(1 << 29).length }
  endless(text: string): string { return text.repeat(10_000_000) }
  says(text: string): void { log('first'); log(text); log('x' + String.fromCharCode(0xd800)) }

  seals(message: Bytes): Bytes { const key = generateKey(); return decrypt(key, encrypt(key, message)) }
  opens(key: Bytes32, sealed: Bytes): Bytes { return decrypt(key, sealed) }
  closes(key: Bytes32, message: Bytes): Bytes { return encrypt(key, message) }
  random(count: u32): Bytes { return randomBytes(count) }
  dice(bound: u64): u64 { return randomBelow(bound) }
  anything(): Array<u64> { return [randomNumber<u64>(), randomNumber<u32>(), <u64>randomNumber<i32>(), randomNumber<bool>() ? 1 : 0, randomNumber<U256>().d] }
  negative(): Bytes { return randomBytes(-1) }

  private index(): i32 { return <i32>this.size }
}
type f64Alias = u32
new Ratio()
`
const helpers = `import { Bytes, StateValue, U256 } from '@bletchley/contract/assembly'
export type Height = u64
@tuple
export class Person {
  static count: u32 = 0
  constructor(public name: string, public age: u32, public accounts: Array<U256>) {}
}
export function sum(values: Array<U256>): U256 {
  let total = U256.zero
  for (let i = 0; i < values.length; i++) total = total + values[i]
  return total
}
export function bytesOf(typed: Uint8Array): Bytes {
  const bytes = new StaticArray<u8>(typed.length)
  for (let i = 0; i < typed.length; i++) bytes[i] = typed[i]
  return bytes
}
export class Ratio {}
`.replaceAll('\n', '\r\n')

describe('a contract that uses what AssemblyScript has', () => {
  let contract: Running
  let compiled: Awaited<ReturnType<typeof compileText>>

  beforeAll(async () => {
    compiled = await compileText(features, { 'lib/helpers.ts': helpers })
    contract = Running.deploy(compiled.wasm, encodeValues(['uint64'], [5n]))
  })

  it('offers its public methods', () => {
    const names = compiled.abi.functions.map(({ name }) => name)
    expect(names.slice(0, 9)).toEqual([
      'next',
      'name',
      'delete',
      'toString',
      'größer',
      'person',
      'total',
      'globals',
      'collections',
    ])
    for (const hidden of ['hidden', 'alsoHidden', 'notMine', 'size', 'index', 'construct', 'constructor']) {
      expect(reasonOf(contract.call(hidden)), hidden).toBe('there is no such function')
    }
    const [first, next] = toJsonAbi(compiled.abi)
    expect(first).toEqual({
      type: 'constructor',
      inputs: [{ name: 'start', type: 'uint64' }],
      stateMutability: 'nonpayable',
    })
    expect(next).toEqual({
      type: 'function',
      name: 'next',
      inputs: [],
      outputs: [{ name: '', type: 'uint64' }],
      stateMutability: 'nonpayable',
    })
  })

  it.each<[string, unknown[], unknown[]]>([
    ['next()(uint64)', [], [6n]],
    ['name()(string)', [], ['größe']],
    ['delete()(string)', [], ['a name that is a keyword']],
    ['toString()(string)', [], ['toString']],
    ['person()(string,uint32,uint256[])', [], ['Ada', 36n, [1000n]]],
    ['total(uint256[])(uint256)', [[1n, 2n]], [3n]],
    ['globals()(uint32)', [], [85n]],
    ['collections(string[])(string[])', [['b', 'a', 'b']], [['....a', '....b', '2/a-b']]],
    ['numbers(string)(int64[])', ['-7'], [[-7n, -7n, 2n, 5n, 2n, 1024n]]],
    ['numbers(string)(int64[])', ['1000000'], [[1000000n, 1000000n, 1000n, 5n, 7n, 1024n]]],
    ['bytes(bytes)(bytes)', ['0x01020304'], ['0x020300070000']],
    [
      'texts()(string[])',
      [],
      [['61c3a9', '€', '2 true', `0x${'0'.repeat(40)}`, '0x61626364', String(2n ** 256n - 1n)]],
    ],
    [
      'equal(bytes4,bytes4,bytes,bytes)(bool[])',
      ['0x01020304', '0x01020304', '0x01020304', '0x010203'],
      [[true, false, false, false, true, true, false]],
    ],
    [
      'equal(bytes4,bytes4,bytes,bytes)(bool[])',
      ['0x00000000', '0x00000001', '0x0102030405060708', '0x0102030405060708'],
      [[false, true, true, true, false, false, true]],
    ],
    [
      'equal(bytes4,bytes4,bytes,bytes)(bool[])',
      ['0x00000000', '0x01000000', '0x010203040506070809', '0x01020304050607080a'],
      [[false, true, false, true, false, false, true]],
    ],
    ['seals(bytes)(bytes)', ['0x010203'], ['0x010203']],
    ['seals(bytes)(bytes)', ['0x'], ['0x']],
    ['random(uint32)(bytes)', [0], ['0x']],
    ['dice(uint64)(uint64)', [1n], [0n]],
  ])('%s works', (signature, values, outputs) => {
    expect(contract.ask(signature, ...values)).toEqual(outputs)
  })

  it('takes names beyond ASCII', () => {
    const outcome = contract.call('größer', encodeValues(['uint64', 'uint64'], [2n, 3n]))
    expect(outcome.kind === 'success' && bytesToHex(outcome.output)).toBe(bytesToHex(encodeValues(['uint64'], [3n])))
  })

  it.each<[string, unknown[], string]>([
    ['throws()', [], 'thrown'],
    ['throwsNothing()', [], 'aborted'],
    ['throwsKept(uint32)', [3], 'kept 3'],
    ['throwsMade(uint32)', [3], 'made 3'],
    ['throwsOwn(uint32)', [3], 'refused (3): reason'],
    ['throwsEither(uint32)', [0], 'other'],
    ['throwsWithin(uint32[])', [[1, 2]], 'within'],
    ['abortsWith()', [], 'on purpose'],
    ['abortsOnly()', [], 'aborted'],
    ['isNull()', [], "Unexpected 'null' (not assigned or failed cast)"],
    ['casts()', [], 'invalid downcast'],
    ['asserts(uint32)', [1], 'asserted'],
    ['assertsOnly()', [], 'aborted'],
    ['requires(uint32)', [1], 'required'],
    ['reverts(string)', ['für 😀'], 'für 😀'],
    ['outside()', [], 'Index out of range'],
    ['slices()', [], 'bytes: out of range'],
    ['fits()', [], 'bytes: wrong length'],
    ['long()', [], 'ä'.repeat(512)],
    ['halves()', [], 'a\ufffd'],
    ['hungry()', [], 'out of memory'],
    ['greedy()', [], 'out of memory'],
    ['endless(string)', ['abc'], 'out of memory'],
    ['opens(bytes32,bytes)', [`0x${'00'.repeat(32)}`, '0x00'], 'decrypt: too short'],
    ['dice(uint64)', [0n], 'random: nothing is below 0'],
    ['negative()', [], 'random: a negative length'],
  ])('%s tells the user why not', (signature, values, reason) => {
    expect(() => contract.ask(signature, ...values)).toThrow(
      new Error(`Error in execution of WASM code: unreachable: ${reason}`),
    )
  })

  it.each<[string, unknown[], string]>([
    ['divides(int32,int32)', [1, 0], 'division by zero'],
    ['divides(int32,int32)', [-(2 ** 31), -1], 'invalid conversion to int'],
    ['opens(bytes32,bytes)', [`0x${'00'.repeat(32)}`, `0x${'00'.repeat(28)}`], 'Cryptography Error: DecryptionError'],
  ])('%s fails by itself', (signature, values, reason) => {
    expect(() => contract.ask(signature, ...values)).toThrow(new Error(`Error in execution of WASM code: ${reason}`))
  })

  it('does not pay for memory that it cannot get', () => {
    const { usedGas } = contract.call('greedy')
    expect(usedGas).toBeLessThan(20_000n)
  })

  it('keeps nothing of a run that reverts', () => {
    const before = contract.stored('count')
    expect(() => contract.ask('reverts(string)', 'x')).toThrow('x')
    expect(contract.stored('count')).toBe(before)
  })

  it('is not deployed if its constructor reverts', () => {
    expect(() => Running.deploy(compiled.wasm, encodeValues(['uint64'], [13n]))).toThrow('unreachable: no such luck')
    expect(() => Running.deploy(compiled.wasm)).toThrow('unreachable: arguments: too short')
    expect(() => Running.deploy(compiled.wasm, encodeValues(['uint64', 'uint64'], [1n, 1n]))).toThrow('too long')
  })

  it('prints for whoever listens', () => {
    contract.ask('says(string)', 'für 😀')
    expect(contract.prints).toEqual(['first', 'für 😀', 'x\ufffd'])
  })

  it('encrypts with the key it is given', () => {
    const key = `0x${'2a'.repeat(32)}`
    const [sealed] = contract.ask('closes(bytes32,bytes)(bytes)', key, '0xabcdef')
    expect(sealed).toHaveLength(2 + 2 * (3 + 28))
    expect(contract.ask('opens(bytes32,bytes)(bytes)', key, sealed)).toEqual(['0xabcdef'])
  })

  it('draws numbers evenly', () => {
    const limit = 3n * 2n ** 62n
    // 2^64 is not a multiple of 3 * 2^62; the first number lies in what is left over, and is drawn again.
    const draws = [limit, 5n]
    const random = (length: number) => {
      const bytes = new Uint8Array(length)
      new DataView(bytes.buffer).setBigUint64(0, draws.shift()!, true)
      return bytes
    }
    const outcome = contract.call('dice', encodeValues(['uint64'], [limit]), random)
    expect(outcome.kind === 'success' && bytesToHex(outcome.output)).toBe(bytesToHex(encodeValues(['uint64'], [5n])))
    const ones = contract.call('anything', new Uint8Array(), (length) => new Uint8Array(length).fill(255))
    const values = [2n ** 64n - 1n, 2n ** 32n - 1n, 2n ** 64n - 1n, 1n, 2n ** 64n - 1n]
    expect(ones.kind === 'success' && bytesToHex(ones.output)).toBe(bytesToHex(encodeValues(['uint64[]'], [values])))
  })
})

describe('the module', () => {
  const token = `${library}
import { fee } from '../lib/fee'
@contract
export class Token {
  supply: StateValue<U256>
  constructor(supply: U256) { log('only the constructor says this'); this.supply.set(supply - fee) }
  totalSupply(): U256 { return this.supply.get() }
}`
  const fee = "import { U256 } from '@bletchley/contract/assembly'\nexport const fee: U256 = U256.from(1)"

  it('is what workers take, and no more than that', async () => {
    const { wasm } = await compileText(token.replace('../lib', './lib'), { 'lib/fee.ts': fee })
    const description = describeModule(wasm)
    if ('undecodable' in description) throw new Error(description.undecodable)
    expect(description.exports.map(({ name, kind }) => `${kind} ${name}`)).toEqual(['function deploy', 'function call'])
    expect(description.imports.filter(({ module }) => module !== 'env')).toEqual([])
    expect(description.imports.map(({ field }) => field)).not.toContain('abort')
    expect(description.memory?.origin).toBe('own')
    const { deploy } = description
    expect(deploy).toMatchObject({ accepted: true, compute: { accepted: true } })
    // A start function (section 8) would be refused; what it would do runs in both entry points.
    const contract = Running.deploy(wasm, encodeValues(['uint256'], [8n]))
    expect(contract.ask('totalSupply()(uint256)')).toEqual([7n])
    // What only the constructor needs is no part of what is stored: not its host functions, for one.
    expect(new TextDecoder('latin1').decode(wasm)).toContain('write_state')
    expect(new TextDecoder('latin1').decode(contract.exeCode)).not.toContain('write_state')
  })

  it('leaves names in the code where somebody asks for them', async () => {
    const dice = fileURLToPath(new URL('../../../contracts/dice/dice.ts', import.meta.url))
    const codes = await Promise.all(
      [undefined, {}, { names: false }, { names: true }].map((each) => compileContract(dice, each)),
    )
    const inCode = codes.map(({ wasm }) => new TextDecoder('latin1').decode(wasm).includes('dice~entry/call'))
    expect(inCode).toEqual([false, false, false, true])
  })

  it('can be made of what the documentation shows', async () => {
    const text = await readFile(new URL('../../../docs/contracts/library.md', import.meta.url), 'utf8')
    const example = /```ts\n(import[^`]*@contract[^`]*)```/.exec(text)![1]!
    const { wasm, abi } = await compileText(example)
    expect(abi.functions.map(({ name }) => name)).toEqual(['transfer', 'balanceOf'])
    const owner = `0x${'11'.repeat(20)}`
    const running = Running.deploy(wasm, encodeValues(['address', 'uint256'], [owner, 7n]))
    expect(running.ask('balanceOf(address)(uint256)', owner)).toEqual([7n])
  })

  it('is the same wherever it is compiled', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bletchley-contract-'))
    try {
      const [first, second] = [join(folder, 'a'), join(folder, 'somewhere/else, deeper')]
      await mkdir(join(first, 'lib'), { recursive: true })
      await mkdir(join(first, "an author's"))
      await writeFile(join(first, "an author's/own token.ts"), token)
      await writeFile(join(first, 'lib/fee.ts'), fee)
      await cp(first, second, { recursive: true })
      const bytes = []
      // Options that a project has for other programs change nothing.
      await writeFile(join(second, "an author's/asconfig.json"), '{"options":{"memoryBase":65536}}')
      for (const place of [first, second, first])
        bytes.push(bytesToHex((await compileContract(join(place, "an author's/own token.ts"))).wasm))
      expect(new Set(bytes).size).toBe(1)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
})
