import { describe, expect, it } from 'vitest'
import { CompileError } from '../src/index.ts'
import { compileText, Running } from './support/contracts.ts'

const head = `import { Address, Bytes, Bytes4, fixedBytes, StateList, StateMap, StateValue, U256, utf8 } from '@bletchley/contract/assembly'
import { Blob, Row } from './names'
type Own = Bytes
type Pair = Bytes[]
@tuple class Person { constructor(public name: string, private data: Bytes, public accounts: U256[] = [], public next: Person | null = null) {} }
@tuple class Box<T> { constructor(public content: T) {} }
@tuple class Version { constructor(public major: u32, public minor: u32) {}
  @operator('==') isAs(other: Version): bool { return this.major == other.major } }
@tuple class Empty {}
namespace shop { @tuple export class Item { constructor(public data: Bytes) {} }
  export namespace back { @tuple export class Shelf { constructor(public items: Item[]) {} } } }
@tuple class Offer { constructor(public sum: U256 | null, public by: Address | null, public rest: Array<U256 | null> = []) {} }
class Node { constructor(public data: Bytes) {} }
class List extends Array<u32> {}
class Holder<T> { constructor(public held: T) {}
  holds(other: T): bool { return this.held == other } }
function same<T>(a: T, b: T): bool { return a === b }
function differ<T>(a: T, b: T): bool { return a !== b }
function find<T>(list: T[], one: T): i32 { for (let i = 0; i < list.length; i++) if (list[i] == one) return i; return -1 }
function mapOf(key: string, value: Bytes): Map<string, Bytes> { const map = new Map<string, Bytes>(); map.set(key, value); return map }
function setOf(values: u64[]): Set<u64> { const set = new Set<u64>(); for (let i = 0; i < values.length; i++) set.add(values[i]); return set }
function bufferOf(bytes: Bytes): ArrayBuffer { return typedOf(bytes).buffer }
function typedOf(bytes: Bytes): Uint8Array { const typed = new Uint8Array(bytes.length); for (let i = 0; i < bytes.length; i++) typed[i] = bytes[i]; return typed }
function staticOf(one: Bytes, other: Bytes): StaticArray<Bytes> { const list = new StaticArray<Bytes>(2); list[0] = one; list[1] = other; return list }
function or(bytes: Bytes, isNull: bool): Bytes | null { return isNull ? null : bytes }
`
const names = `export { Bytes as Blob } from '@bletchley/contract/assembly'
export type Row = StaticArray<StaticArray<u8>>`

/** Each is true if `a` and `b` hold the same bytes, and false otherwise. */
const expressions = [
  ...['a == b', 'a === b', '!(a != b)', '!(a !== b)', 'a.slice() == b.slice()'],
  ...['<Own>a == b', 'changetype<Blob>(a) == changetype<Blob>(b)', 'same(a, b)', '!differ(a, b)'],
  ...['or(a, false) == b', 'a == or(b, false)', 'or(a, false) == or(b, false)', 'new Holder<Bytes>(a).holds(b)'],
  ...['[a].includes(b)', '[a].indexOf(b) == 0', '[b].lastIndexOf(a) == 0', 'find([utf8("x"), a], b) == 1'],
  ...['staticOf(a, a).includes(b)', 'staticOf(a, a).indexOf(b) == 0', 'staticOf(a, a).lastIndexOf(b) == 1'],
  ...['[a, a] == [a, b]', '[[a]] == [[b]]', '[a] === [b]', 'same<Pair>([a], [b])', 'staticOf(a, a) == staticOf(b, a)'],
  ...['[[a], [b]].includes([b, b].slice(1)) && a == b', 'changetype<Row>(staticOf(a, b)) == staticOf(b, b)'],
  ...['typedOf(a) == typedOf(b)', 'bufferOf(a) == bufferOf(b)', '!(bufferOf(a) != bufferOf(b))'],
  ...['mapOf("k", a) == mapOf("k", b)', '[mapOf("k", a)] == [mapOf("k", b)]'],
  'new shop.Item(a) == new shop.Item(b)',
  'new shop.back.Shelf([new shop.Item(a)]) == new shop.back.Shelf([new shop.Item(b)])',
  ...['new Person("x", a) == new Person("x", b)', '[new Person("x", a)].includes(new Person("x", b))'],
  ...['new Person("x", a, [], new Person("y", a)) == new Person("x", a, [], new Person("y", b))'],
  ...[
    'new Box<Bytes>(a) == new Box<Bytes>(b)',
    'new Box<Person>(new Person("x", a)) == new Box<Person>(new Person("x", b))',
  ],
]

/** Each is always true. */
const truths = [
  ...[
    'or(a, true) == null',
    'or(a, false) != null',
    '!(or(a, true) == a)',
    'a != or(a, true)',
    'or(a, true) === or(b, true)',
  ],
  ...['[1, 2] == [1, 2]', '[1, 2] != [2, 1]', '[1] != [1, 1]', '["a", "b"] == ["a", "b"]', '[true] != [false]'],
  ...['[U256.from(7)] == [U256.from(7)]', '[U256.from(7)] != [U256.from(8)]', '[new Address()] == [new Address()]'],
  ...[
    '[1.5] == [1.5]',
    '[NaN] != [NaN]',
    'new Float32Array(2) == new Float32Array(2)',
    'new Int64Array(2) != new Int64Array(3)',
  ],
  ...['setOf([1, 2]) == setOf([2, 1])', 'setOf([1]) != setOf([2])', 'setOf([1]) != setOf([1, 2])'],
  ...['mapOf("k", a) != mapOf("l", a)', 'mapOf("k", a) != new Map<string, Bytes>()'],
  ...['new Person("x", a) != new Person("y", a)', 'new Person("x", a, [U256.zero]) != new Person("x", a)'],
  ...['new Version(1, 2) == new Version(1, 3)', 'new Empty() == new Empty()', 'new Box<u32>(1) != new Box<u32>(2)'],
  ...[
    'new Offer(null, null) == new Offer(null, null)',
    'new Offer(U256.from(1), null) == new Offer(U256.from(1), null)',
  ],
  ...[
    'new Offer(U256.from(1), null) != new Offer(null, null)',
    'new Offer(null, null) != new Offer(null, new Address())',
  ],
  ...['new Offer(null, null, [null, U256.from(1)]) == new Offer(null, null, [null, U256.from(1)])'],
  ...['new Offer(null, null, [null, U256.from(1)]) != new Offer(null, null, [U256.from(1), null])'],
  // Objects of other classes stay what they are.
  ...['new Node(a) != new Node(a)', 'new List() == new List()', '(a ? 1 : 0) == 1', 'or(a, true) ? false : true'],
]

describe('== and !=', () => {
  const member = (list: string[]) => `[${list.map((expression) => `(${expression})`).join(', ')}]`
  const contract = compileText(
    `${head}@contract export class C {
      same(a: Bytes, b: Bytes): Array<bool> { return ${member(expressions)} }
      always(a: Bytes, b: Bytes): Array<bool> { return ${member(truths)} }
      chosen(a: Bytes, b: Bytes): string { switch (a) { case utf8('nothing'): return 'nothing'; case b: return 'same'; default: return 'other' } }
      kept(a: Bytes): bool { const all = new StateList<Bytes>('all'); if (all.length == 0) all.push(a); return all.get(0) == a }
    }`,
    { 'names.ts': names },
  ).then(({ wasm }) => Running.deploy(wasm))

  const tell = (list: string[], results: unknown) =>
    list.map((expression, index) => `${expression}: ${(results as boolean[])[index]}`)

  it.each([
    ['0x1234', '0x1234', true],
    ['0x', '0x', true],
    ['0x1234', '0x1235', false],
    ['0x1234', '0x123400', false],
    ['0x112233445566778899', '0x112233445566778899', true],
    ['0x112233445566778899', '0x112233445566778898', false],
  ])('compare %s and %s by their bytes', async (a, b, expected) => {
    const [results] = (await contract).ask('same(bytes,bytes)(bool[])', a, b)
    expect(tell(expressions, results)).toEqual(expressions.map((expression) => `${expression}: ${expected}`))
    expect((await contract).ask('chosen(bytes,bytes)(string)', a, b)).toEqual([expected ? 'same' : 'other'])
  })

  it('compare lengths, orders, nulls and members', async () => {
    const [results] = (await contract).ask('always(bytes,bytes)(bool[])', '0x12', '0x34')
    expect(tell(truths, results)).toEqual(truths.map((expression) => `${expression}: true`))
  })

  it('compare what the state keeps', async () => {
    const running = await contract
    expect(running.ask('kept(bytes)(bool)', '0x1234')).toEqual([true])
    expect(running.ask('kept(bytes)(bool)', '0x1234')).toEqual([true])
    expect(running.ask('kept(bytes)(bool)', '0x1235')).toEqual([false])
  })
})

describe('a comparison with null', () => {
  it.each([
    ['Bytes', 'utf8("abc")', 'length'],
    ['u32[]', '[1, 2, 3]', 'length'],
    ['Map<string, Bytes>', 'mapOf("k", utf8("v"))', 'size'],
    ['Person', 'new Person("x", utf8("abc"))', 'accounts.length'],
    ['Version', 'new Version(1, 2)', 'minor'],
    ['U256', 'U256.from(3)', 'toString().length'],
    ['Address', 'new Address()', 'toBytes().length'],
    ['StateValue<u32>', 'new StateValue<u32>("v")', 'getOr(3)'],
    ['string', '"abc"', 'length'],
    ['Node', 'new Node(utf8("abc"))', 'data.length'],
  ])('of %s tells whether there is one, and behind it there is', async (type, value, size) => {
    const source = `${head}
function maybe(isThere: bool): ${type} | null { return isThere ? ${value} : null }
@contract export class C { f(isThere: bool): i64[] {
  const a = maybe(isThere)
  const results: i64[] = [a == null ? -1 : a.${size}, a !== null ? a.${size} : -1]
  results.push(null == a ? -1 : a.${size})
  results.push(null !== a ? a.${size} : -1)
  if (a === null) { results.push(-1); return results }
  results.push(a.${size})
  return results
} }`
    const { wasm } = await compileText(source, { 'names.ts': names })
    const running = Running.deploy(wasm)
    const [there] = running.ask('f(bool)(int64[])', true)
    expect(there).not.toContain(-1n)
    expect(running.ask('f(bool)(int64[])', false)).toEqual([[-1n, -1n, -1n, -1n, -1n]])
  })
})

describe('what has no values to compare', () => {
  it.each<[string, string, string, string]>([
    [
      'containers of the state',
      'a: StateMap<u32, u32>; b: StateMap<u32, u32>; f(): bool { return this.a == this.b }',
      '',
      '3:93: ',
    ],
    [
      'lists of a map',
      'a: StateMap<u32, StateList<u32>>; f(): bool { return this.a.get(1) != this.a.get(2) }',
      '',
      '3:81: ',
    ],
    ['views', 'f(): bool { const a = new DataView(new ArrayBuffer(1)); return a == a }', '', '3:91: '],
    [
      'a tuple that extends',
      'f(): bool { return new T() == new T() }',
      'class S {} @tuple class T extends S {}',
      '2:35: a tuple extends no other class',
    ],
    [
      'a tuple with an interface',
      'f(): bool { return new T() == new T() }',
      'interface I { a: u32 } @tuple class T implements I { a: u32 = 0 }',
      '2:50: a tuple implements no interface',
    ],
    [
      'a class that extends a tuple',
      'f(): bool { return new T() == new T() }',
      '@tuple class S {} class T extends S {}',
      '2:35: no class extends a tuple',
    ],
    ['bytes and an address', 'f(a: Address, b: Bytes): bool { return a == b }', '', '3:67: '],
    ['an address and text', "f(a: Address): bool { return a == '0x12' }", '', '3:57: '],
    ['texts and bytes', "f(a: Bytes): bool { return '0x12' == a }", '', '3:55: '],
    ['an address and four bytes', 'f(a: Address): bool { return a == new Bytes4() }', '', '3:57: '],
  ])('%s are refused where they stand', async (_, member, before, message) => {
    const source = `${head.split('\n')[0]}\n${before}\n@contract export class C { ${member} }`
    const error = await compileText(source).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CompileError)
    expect((error as Error).message).toContain(`contract.ts:${message}`)
  })
})
