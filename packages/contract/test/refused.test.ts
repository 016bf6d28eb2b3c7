import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { CompileError, compileContract } from '../src/index.ts'
import { compileText, Running } from './support/contracts.ts'

const library =
  "import { Address, Bytes, log, require, revert, StateList, StateMap, StateValue, U256 } from '@bletchley/contract/assembly'"

/** A contract with a member, all on line 3. */
const withMember = (member: string, before = '') => `${library}\n${before}\n@contract export class C { ${member} }`

describe('what is no contract', () => {
  it.each<[string, string, string | RegExp]>([
    ['no class', 'export class C {}', 'contract.ts:1:1: no class is decorated with @contract'],
    [
      'two',
      '@contract export class A {}\n@contract export class B {}',
      'contract.ts:2:24: a second class with @contract',
    ],
    ['not exported', '@contract class C {}', 'contract.ts:1:17: the class of a contract is exported'],
    ['abstract', '@contract export abstract class C {}', 'contract.ts:1:33: the class of a contract is not abstract'],
    ['generic', '@contract export class C<T> {}', 'contract.ts:1:24: a contract takes no type parameters'],
    [
      'derived',
      'class B { f(): void {} }\n@contract export class C extends B {}',
      'contract.ts:2:34: a contract extends no other class',
    ],
    ['a field that is not kept', withMember('count: u32 = 0'), 'contract.ts:3:35: count would be lost after each task'],
    ['a field without a type', withMember('count = 0'), 'contract.ts:3:28: Type expected'],
    [
      'a static field that changes',
      withMember('static count: u32 = 0'),
      'contract.ts:3:35: count would be lost after each task; static fields are readonly',
    ],
    [
      'a field of the constructor',
      withMember('constructor(public a: u32) {}'),
      'contract.ts:3:47: a parameter of the constructor cannot be a field',
    ],
    [
      'a field that begins otherwise',
      withMember('a: StateValue<u32> = make()'),
      "contract.ts:3:49: a field begins as it is, or as new StateValue('the name of its key')",
    ],
    [
      'two fields with one key',
      withMember("a: StateValue<u32>; b: StateMap<u32, u32> = new StateMap<u32, u32>('a')"),
      'contract.ts:3:48: the keys of b and a could be the same',
    ],
    [
      'a field within another',
      withMember("a: StateMap<u32, u32>; b: StateValue<u32> = new StateValue<u32>('a:1')"),
      'contract.ts:3:51: the keys of b and a could be the same',
    ],
    [
      'a field around another',
      withMember("a: StateValue<u32> = new StateValue<u32>('b:1'); b: StateMap<u32, u32>"),
      'contract.ts:3:77: the keys of b and a could be the same',
    ],
    ...['new StateValue<u32>()', "new StateValue<u32>('x', 'y')", 'new StateValue<u32>(text)', "'x'"].map(
      (initializer): [string, string, string] => [
        `a field that begins as ${initializer}`,
        withMember(`a: StateValue<u32> = ${initializer}`, "const text = 'x'"),
        "contract.ts:3:49: a field begins as it is, or as new StateValue('the name of its key')",
      ],
    ),
    [
      'a field whose key is half of a character',
      withMember(
        "a: StateValue<u32> = new StateValue<u32>('\\ud800'); b: StateValue<u32> = new StateValue<u32>('\\ud801')",
      ),
      'contract.ts:3:69: the name of a key is whole characters; this has half of a pair of UTF-16',
    ],
    [
      'a field whose key ends with half of a character',
      withMember("a: StateValue<u32> = new StateValue<u32>('\\ud83d\\ude00\\udfff')"),
      'contract.ts:3:69: the name of a key is whole characters',
    ],
    [
      'a field of a tuple that is called constructor',
      withMember('', '@tuple class T { constructor(public a: u32, public constructor: u32) {} }'),
      'contract.ts:2:52: no field and no property is called constructor',
    ],
    [
      'a property that is called constructor',
      withMember('', 'class T { get constructor(): u32 { return 1 } }'),
      'contract.ts:2:15: no field and no property is called constructor',
    ],
    ...['__equals', '__putJson', '__readJson'].flatMap((name): [string, string, string][] => [
      [
        `a field of a tuple that is called ${name}`,
        withMember('', `@tuple class T { ${name}: u32 = 1 }`),
        `contract.ts:2:18: ${name} is a name that the compiled contract needs itself; take another one`,
      ],
      [
        `a method of a tuple that is called ${name}`,
        withMember('', `@tuple class T { a: u32 = 1; ${name}(): void {} }`),
        `contract.ts:2:30: ${name} is a name that the compiled contract needs itself; take another one`,
      ],
    ]),
    [
      'the name of the code that compares tuples',
      withMember('', '@tuple class T { a: u32 = 1 } const __equality: u32 = 1'),
      'contract.ts:2:37: __equality is a name that the compiled contract needs itself; take another one',
    ],
    [
      'a name that the code of tuples needs in a namespace',
      withMember('', 'namespace N { const memory: u32 = 1; @tuple export class T { a: u32 = 1 } }'),
      'contract.ts:2:21: memory is a name that the compiled contract needs itself; take another one',
    ],
    [
      'a contract in a namespace',
      withMember('', 'namespace N { @contract export class D {} }'),
      'contract.ts:2:15: @contract does nothing here',
    ],
    [
      'a function that is kept without what a sign means to it',
      withMember('f(x: i64): U256 { const from = U256.from; return from(x) }'),
      'contract.ts:3:59: U256.from is a function to call, not to keep: only its call tells whether a number has a sign; keep one that calls it',
    ],
    [
      'such a function that is passed on',
      withMember('f(x: i64): U256 { return U256.from.call(null, x) }'),
      'contract.ts:3:53: U256.from is a function to call, not to keep',
    ],
    [
      'such a function by another name',
      withMember(
        'f(): void {}',
        "import { randomBelow as below } from '@bletchley/contract/assembly'; const kept = [below]",
      ),
      'contract.ts:2:84: below is a function to call, not to keep',
    ],
    [
      'a constructor that is protected',
      withMember('protected constructor() {}'),
      'contract.ts:3:38: the constructor of a contract is public',
    ],
    [
      'a constructor that is private',
      withMember('private constructor() {}'),
      'contract.ts:3:36: the constructor of a contract is public',
    ],
    [
      'a function of two kinds',
      withMember('f(a: u32): void {} f(a: string): void {}'),
      'contract.ts:3:47: a second f; users call functions by name only',
    ],
    [
      'two constructors',
      withMember('constructor(a: u32) {} constructor(a: string) {}'),
      'contract.ts:3:51: a second constructor; users call functions by name only',
    ],
    [
      'a method called construct',
      withMember('construct(): void {}'),
      'contract.ts:3:28: construct is what the constructor is called',
    ],
    ['type parameters', withMember('f<T>(): void {}'), 'contract.ts:3:28: what users call takes no type parameters'],
    [
      'an optional parameter',
      withMember('f(a: u32 = 1): void {}'),
      'contract.ts:3:30: what users call takes no optional parameters',
    ],
    [
      'rest parameters',
      withMember('f(...a: Array<u32>): void {}'),
      'contract.ts:3:30: what users call takes no optional parameters',
    ],
    [
      'a type that the ABI lacks',
      withMember('f(a: u8): void {}'),
      'contract.ts:3:33: u8 is not a type of the ABI; the ABI has u32',
    ],
    ['a number', withMember('f(): f64 { return 0 }'), 'contract.ts:3:33: f64 is not a type of the ABI'],
    [
      'a type that may be null',
      withMember('f(a: U256 | null): void {}'),
      'contract.ts:3:33: U256 | null is not a type of the ABI',
    ],
    [
      'a list of such',
      withMember('f(a: Array<Map<u32, u32>>): void {}'),
      'contract.ts:3:33: Array<Map<u32, u32>> is not a type of the ABI',
    ],
    ['a function', withMember('f(a: (x: u32) => u32): void {}'), 'is not a type of the ABI'],
    ['Bytes33', withMember('f(a: Bytes33): void {}'), 'contract.ts:3:33: Bytes33 is not a type of the ABI'],
    ['no type of a result', withMember('f() {}'), 'contract.ts:3:31: Type expected'],
    ['no type of a parameter', withMember('f(a): void {}'), 'contract.ts:3:31: a type is missing; the ABI has u32'],
    [
      'a tuple as parameter',
      withMember('f(a: T): void {}', '@tuple class T { constructor(public a: u32) {} }'),
      'contract.ts:3:33: T is a tuple: only a result can be one',
    ],
    [
      'a class as result',
      withMember('f(): T { return new T() }', 'class T {}'),
      'contract.ts:3:33: T is not a type of the ABI',
    ],
    [
      "a class of the author's with a name of the ABI",
      withMember('f(a: Bytes5): void {}', 'class Bytes5 {}'),
      'contract.ts:3:33: Bytes5 is not a type of the ABI',
    ],
    [
      'an empty tuple',
      withMember('f(): T { return new T() }', '@tuple class T {}'),
      'contract.ts:2:14: a tuple has at least one field',
    ],
    [
      'a tuple that hides',
      withMember('f(): T { return new T() }', '@tuple class T { private a: u32 = 1 }'),
      'contract.ts:2:26: the fields of a tuple are public',
    ],
    [
      'a tuple that keeps to itself',
      withMember('f(): T { return new T() }', '@tuple class T { protected a: u32 = 1 }'),
      'contract.ts:2:28: the fields of a tuple are public',
    ],
    [
      'a tuple without types',
      withMember('f(): T { return new T() }', '@tuple class T { a = 1 }'),
      'contract.ts:2:18: Type expected',
    ],
    [
      'a tuple with type parameters',
      withMember('f(): T<u32> { return new T<u32>() }', '@tuple class T<X> { a: u32 = 1 }'),
      'contract.ts:2:14: a tuple takes no type parameters',
    ],
    [
      'an alias with type parameters',
      withMember('f(a: L<u32>): void {}', 'type L<T> = T[]'),
      'contract.ts:3:33: L<u32> is not a type of the ABI; the ABI has u32',
    ],
    [
      'a member of a namespace',
      withMember('f(a: lib.U256): void {}', "import * as lib from '@bletchley/contract/assembly'"),
      'contract.ts:3:33: lib.U256 is not a type of the ABI; the ABI has u32',
    ],
    [
      'a derived tuple',
      withMember('f(): T { return new T() }', 'class S {} @tuple class T extends S { a: u32 = 1 }'),
      'contract.ts:2:35: a tuple extends no other class',
    ],
    [
      'a type that is itself',
      withMember('f(a: T): void {}', 'type T = Array<S>; type S = Array<T>'),
      'contract.ts:3:33: T is not a type of the ABI',
    ],
    [
      'closures',
      withMember('f(a: u32): u32 { return [1, 2].map<u32>((x) => x + a)[0] }'),
      'contract.ts:3:79: Not implemented: Closures',
    ],
    [
      'exceptions that are caught',
      withMember('f(): void { try { throw new Error("") } catch (e) {} }'),
      'contract.ts:3:40: Not implemented: Exceptions',
    ],
    [
      'a name that the code of fields needs',
      withMember('a: StateValue<u32>', 'let memory: u32 = 5'),
      'contract.ts:2:5: memory is a name that the compiled contract needs itself',
    ],
    [
      'a function with such a name',
      withMember('a: StateValue<u32>', 'function changetype(): void {}'),
      'contract.ts:2:10: changetype is a name that the compiled contract needs itself; take another one',
    ],
    [
      'a namespace with such a name',
      withMember('a: StateValue<u32>', "import * as memory from '@bletchley/contract/assembly'"),
      'contract.ts:2:13: memory is a name that the compiled contract needs itself; take another one',
    ],
    [
      'the name of the code that reads tuples',
      withMember('', '@tuple class T { a: u32 = 1 } const __json: u32 = 1'),
      'contract.ts:2:37: __json is a name that the compiled contract needs itself; take another one',
    ],
    [
      'a name that the code of tuples needs',
      withMember(
        'f(): void {}',
        'import { log as offsetof } from "@bletchley/contract/assembly"; @tuple class T { a: u32 = 1 }',
      ),
      'contract.ts:2:17: offsetof is a name that the compiled contract needs itself',
    ],
    [
      'a text that is thrown',
      withMember("f(): void { throw 'low' }"),
      "contract.ts:3:46: what is thrown is an error: throw new Error('low')",
    ],
    [
      'a number that is thrown',
      withMember('f(a: u32): void { throw a }'),
      "contract.ts:3:52: Type 'u32' is not assignable to type '~lib/error/Error'",
    ],
    [
      'an own class called Error that is none',
      withMember('f(): void { throw new Error(5) }', 'class Error { constructor(public code: u32) {} }'),
      "contract.ts:3:46: Type 'contract/Error' is not assignable to type '~lib/error/Error'",
    ],
    [
      'an error of a namespace that is none',
      withMember(
        "f(): void { throw new lib.Error('x') }",
        'namespace lib { export class Error { constructor(public text: string) {} } }',
      ),
      "contract.ts:3:46: Type 'contract/lib.Error' is not assignable to type '~lib/error/Error'",
    ],
    [
      'a wrong type',
      withMember('f(): u32 { return "" }'),
      "contract.ts:3:46: Type '~lib/string/String' is not assignable to type 'u32'",
    ],
    ['a name that is not there', withMember('f(): u32 { return x }'), "contract.ts:3:46: Cannot find name 'x'"],
    [
      'a file that is not there',
      withMember('', "import { a } from './a'; export const b: u32 = a"),
      "contract.ts:2:19: File 'a.ts' not found",
    ],
    ['syntax', '@contract export class C {', 'contract.ts:1:'],
    [
      'a clock',
      withMember('f(): i64 { return Date.now() }'),
      'contract.ts:3:46: there is no Date.now in a worker; a contract has no clock',
    ],
    [
      'a clock of the constructor',
      withMember('constructor() { Date.now() }'),
      'contract.ts:3:44: there is no Date.now in a worker; a contract has no clock',
    ],
    [
      'another clock',
      withMember('f(): void { performance.now() }'),
      'contract.ts:3:40: there is no performance.now in a worker; a contract has no clock',
    ],
    [
      'a console',
      withMember('f(): void { console.log("") }'),
      'contract.ts:3:40: there is no console.log in a worker; log prints for whoever simulates the contract',
    ],
    ['a trace', withMember('f(): void { trace("") }'), 'contract.ts:3:40: there is no trace in a worker; log prints'],
    [
      'randomness of JavaScript',
      withMember('f(): u32 { return <u32>(1000 * Math.random()) }'),
      'contract.ts:3:64: there is no seed in a worker; Math.random needs it; use randomBytes',
    ],
    [
      'a host function of its own',
      withMember('f(): void { g() }', '@external("env", "sleep") declare function g(): void'),
      'contract.ts:2:18: there is no sleep in a worker',
    ],
    [
      'functions of another module',
      withMember('f(): void { g() }', '@external("other", "sleep") declare function g(): void'),
      'contract.ts:2:11: there is no other in a worker; workers have the functions of docs/contracts.md and no others',
    ],
    [
      'a state of other arrays',
      withMember('a: StateValue<StaticArray<u32>>'),
      'contract.ts:3:42: StaticArray<u32> cannot be kept in the state',
    ],
    [
      'a state of tuples with type parameters',
      withMember('a: StateValue<T<u32>>', '@tuple class T<X> { a: u32 = 1 }'),
      'contract.ts:3:42: T<u32> cannot be kept in the state',
    ],
    [
      'a state of maps that is set',
      withMember('a: StateMap<u32, StateMap<u32, u32>>; f(): void { this.a.set(1, this.a.get(1)) }'),
      'contract.ts:3:85: a map of StateMap has no set; get gives the StateMap of a key, which is changed by its own methods',
    ],
    ['a state of classes', withMember('a: StateValue<T>', 'class T {}'), 'contract.ts:3:42: T cannot be kept'],
    [
      'a state of tuples that cannot be kept',
      withMember('a: StateMap<u32, T[]>', '@tuple class T { constructor(public a: U256, public b: Map<u32, u32>) {} }'),
      'contract.ts:3:45: T[] cannot be kept',
    ],
    [
      'a state of derived tuples',
      withMember('a: StateValue<T>', '@tuple class S { a: u32 = 0 } @tuple class T extends S { b: u32 = 0 }'),
      'contract.ts:3:42: T cannot be kept',
    ],
    [
      'a function and a field of one name',
      withMember('f: StateValue<u32>; f(): void {}'),
      /^contract\.ts:3:48: Duplicate identifier 'f'\.$/,
    ],
    ['a list of fractions', withMember('a: StateList<Array<f64>>'), 'contract.ts:3:41: Array<f64> cannot be kept'],
    ['a map by fractions', withMember('a: StateMap<f64, u32>'), 'contract.ts:3:40: f64 cannot be the key of a map'],
    [
      'a map of values of maps',
      withMember('a: StateValue<StateMap<u32, u32>>'),
      'contract.ts:3:42: StateMap<u32, u32> cannot',
    ],
    [
      'a map by lists',
      withMember('a: StateMap<u32, StateMap<L, u32>>', 'type L = Array<u32>'),
      'contract.ts:3:54: L cannot be the key',
    ],
    [
      'a map in memory that would compare objects',
      withMember('f(): void { new Map<U256, u32>() }'),
      'contract.ts:3:48: U256 cannot be the key of a Map or Set, which would compare objects; make it a text',
    ],
    [
      'a set of such, behind a name',
      withMember('f(): void {}', 'type Voter = Address; const voters: Set<Voter> | null = null'),
      'contract.ts:2:41: Voter cannot be the key of a Map or Set',
    ],
    ['a map without values', withMember('a: StateMap<u32>'), 'contract.ts:3:40: Expected 2 type arguments, but got 1'],
    [
      'a state of itself',
      withMember('a: StateValue<T>', 'type T = Array<S>; type S = Array<T>'),
      'contract.ts:2:10: Not implemented: Recursive types',
    ],
    [
      'a list without an order',
      withMember('f(): void { [new T()].sort() }', 'class T {}'),
      'contract.ts:3:50: the elements have no order of their own; sort takes a function that compares two of them',
    ],
  ])('%s is refused where it stands', async (_, source, message) => {
    const error = await compileText(source).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CompileError)
    expect((error as Error).message).toMatch(message)
    expect((error as Error).message).toMatch(/^[^\n]*\.ts:\d+:\d+: /)
  })

  it('a file that is not there is refused', async () => {
    await expect(compileContract('/nonexistent/contract.ts')).rejects.toThrow(
      new CompileError("File 'contract.ts' not found."),
    )
  })

  it('a host function whose name stands nowhere is refused in the first file', async () => {
    const source = withMember('f(): void { g() }', "import { g } from './other'; export { g }")
    const others = { 'other.ts': '@external("env", "a.b") export declare function g(): void' }
    await expect(compileText(source, others)).rejects.toThrow(
      /^contract\.ts: there is no a\.b in a worker; workers have the functions of docs\/contracts\.md and no others$/,
    )
  })

  // The end of the code in front of the place, and the code there.
  it.each([
    ['the language', 'new Map<v128, u32>()', "Feature 'simd' is not enabled.", 'constructor()', ' {'],
    [
      'the library',
      'new Array<N>(1).join()',
      "Property 'toString' does not exist on type 'contract/N'.",
      '.',
      'toString()',
    ],
  ])('what only the code of %s cannot do is told by the place there', async (_, statement, message, before, behind) => {
    const error = await compileText(withMember(`f(): void { ${statement} }`, 'class N {}')).catch(String)
    const [, path = '', line, column] = /^CompileError: ~lib\/(\S+\.ts):(\d+):(\d+): /.exec(error as string) ?? []
    expect(error).toContain(`~lib/${path}:${line}:${column}: ${message}`)
    const own = /^@bletchley\/contract\/(.*)/.exec(path)?.[1]
    const url = own === undefined ? `../../../node_modules/assemblyscript/std/assembly/${path}` : `../${own}`
    const text = (await readFile(new URL(url, import.meta.url), 'utf8')).split('\n')[Number(line) - 1]!
    const at = Number(column) - 1
    expect([text.slice(0, at).endsWith(before), text.slice(at).startsWith(behind)], text).toEqual([true, true])
  })

  it('names that the contract needs are taken where neither fields nor tuples need them', async () => {
    const head = `let memory: u32 = 1, offsetof: u32 = 2; function changetype(): u32 { return 4 } const __json: u32 = 8`
    const { wasm } = await compileText(
      withMember('f(): u32 { return memory + offsetof + changetype() + __json }', head),
    )
    expect(Running.deploy(wasm).ask('f()(uint32)')).toEqual([15n])
  })

  it('a method called sort that is not the one of arrays takes what it says', async () => {
    const head = 'class N {} class Box<T> { sort(): u32 { return 7 } }'
    const { wasm } = await compileText(withMember('f(): u32 { return new Box<N>().sort() }', head))
    expect(Running.deploy(wasm).ask('f()(uint32)')).toEqual([7n])
  })

  it('keys that begin alike are separate', async () => {
    const fields =
      "a: StateMap<u32, u32>; b: StateMap<u32, u32> = new StateMap<u32, u32>('ab'); c: StateValue<u32> = new StateValue<u32>('a-1'); "
    const { wasm } = await compileText(
      withMember(`${fields} f(): void { this.a.set(1, 2); this.b.set(1, 3); this.c.set(4) }`),
    )
    const running = Running.deploy(wasm)
    running.ask('f()')
    expect(['a:1', 'ab:1', 'a-1'].map((key) => running.stored(key))).toEqual(['2', '3', '4'])
  })
})
