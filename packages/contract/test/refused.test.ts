import { describe, expect, it } from 'vitest'
import { CompileError, compileContract } from '../src/index.ts'
import { compileText } from './support/contracts.ts'

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
    await expect(compileContract('/nonexistent/contract.ts')).rejects.toThrow(CompileError)
  })
})
