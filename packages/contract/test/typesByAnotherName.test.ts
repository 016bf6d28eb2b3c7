import { describe, expect, it } from 'vitest'
import { CompileError } from '../src/index.ts'
import { compileText, Running } from './support/contracts.ts'

const names = `export { Address as Account, Bytes as Blob } from '@bletchley/contract/assembly'
import { Address } from '@bletchley/contract/assembly'
export type Id = Address
export class Known extends Map<Address, u32> {}
export class Table<K> { entries: Map<K, u32> = new Map<K, u32>() }
export function mapBy<K>(key: K): Map<K, u32> { const map = new Map<K, u32>(); map.set(key, 1); return map }
`

/** A contract whose function has a body, on line 4. */
const contract = (head: string, body: string) => `import { Address, Bytes, U256 } from '@bletchley/contract/assembly'
${head}
@contract export class C {
f(a: Address): void { ${body} }
}`

describe('keys of a Map or Set in memory that would be compared as objects', () => {
  it.each<[string, string, string, string]>([
    [
      'an import by another name',
      "import { Address as A } from '@bletchley/contract/assembly'",
      'new Map<A, u32>()',
      'contract.ts:4:31: A cannot be the key',
    ],
    [
      "another file's name",
      "import { Account } from './names'",
      'new Set<Account>()',
      'contract.ts:4:31: Account cannot be the key of a Map or Set, which would compare objects; make it a text (Account is Address)',
    ],
    ['a name of bytes', "import { Blob } from './names'", 'new Set<Blob>()', 'contract.ts:4:31: Blob cannot be'],
    [
      'a namespace',
      "import * as lib from '@bletchley/contract/assembly'",
      'new Set<lib.U256>()',
      'contract.ts:4:31: lib.U256 cannot be',
    ],
    ['an imported alias', "import { Id } from './names'", 'new Set<Id>()', 'contract.ts:4:31: Id cannot be'],
    ['a subclass', "import { Known } from './names'", 'new Known()', 'names.ts:4:32: Address cannot be'],
    [
      'a subclass with parameters',
      'class Book<K> extends Map<K, u32> {}',
      'new Book<Address>()',
      'contract.ts:2:27: K cannot be the key of a Map or Set, which would compare objects; make it a text (K is Address)',
    ],
    [
      'a field of a generic class',
      "import { Table } from './names'",
      'new Table<Address>()',
      'names.ts:5:38: K cannot be',
    ],
    ['an inferred type parameter', "import { mapBy } from './names'", 'mapBy(a)', 'names.ts:6:39: K cannot be'],
    ['a type that is not written', '', 'let m: Map<Address, u32> = new Map()', 'contract.ts:4:34: Address cannot be'],
    [
      'a type of a field',
      'class Box { m: Set<Address> | null = null }',
      'new Box()',
      'contract.ts:2:20: Address cannot be',
    ],
    ['a global', 'const all = new Set<Bytes>()', 'all.clear()', 'contract.ts:2:21: Bytes cannot be'],
    ['a key that may be null', '', 'new Set<Address | null>()', 'contract.ts:4:31: Address | null cannot be'],
    ['arrays', '', 'new Set<u32[]>()', 'contract.ts:4:31: u32[] cannot be'],
    ['tuples', '@tuple class T { a: u32 = 0 }', 'new Map<T, u32>()', 'contract.ts:4:31: T cannot be'],
    [
      'a class that says what equality is',
      "class T { a: u32 = 0; @operator('==') same(other: T): bool { return true } }",
      'new Map<T, u32>()',
      'contract.ts:4:31: T cannot be',
    ],
  ])('%s: refused', async (_, head, body, message) => {
    const error = await compileText(contract(head, body), { 'names.ts': names }).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CompileError)
    expect((error as Error).message).toContain(message)
    expect((error as Error).message).not.toContain('~lib/')
  })

  it('leaves the others alone', async () => {
    const source = `${contract('class Node {}', '')}
export function unused(): void {}`.replace(
      'f(a: Address): void {  }',
      `f(): Array<bool> {
      const texts = new Map<string, u32>(); texts.set('a', 1)
      const nodes = new Set<Node>(); const node = new Node(); nodes.add(node)
      const numbers = new Set<u64>(); numbers.add(7)
      return [texts.has('a'), texts.has('b'), nodes.has(node), nodes.has(new Node()), numbers.has(7), numbers.has(8)]
    }`,
    )
    const running = Running.deploy((await compileText(source)).wasm)
    expect(running.ask('f()(bool[])')).toEqual([[true, false, true, false, true, false]])
  })
})

describe('types of a contract that are not what their names are elsewhere', () => {
  const library = "import { Address, Bytes20, StateMap as Real, StateValue } from '@bletchley/contract/assembly'"
  const others = {
    'a.ts': '@tuple export class Result { a: u32 = 0 }\nexport type Amount = u32',
    'b.ts': '@tuple export class Other { b: u64 = 0 }\nexport type Big = u64',
    'c.ts':
      '@tuple export class Wide { a: u64 = 0 }\n@tuple export class Named { b: u32 = 0 }\n' +
      '@tuple export class Long { a: u32 = 0; b: u32 = 0 }\nexport class Plain { a: u32 = 0 }',
    'd.ts': '@tuple export class Result { a: u32 = 0 }\nexport type Amount = u32',
  }
  it.each<[string, string, string, string]>([
    [
      'a parameter',
      "import { Big as Amount } from './b'; import { Result } from './a'",
      'f(a: Amount): void { new Result() }',
      '3:33: Amount is called like another type',
    ],
    [
      'a result',
      "import { Big as Amount } from './b'; import { Result } from './a'",
      'f(): Amount { new Result(); return 1 }',
      'contract.ts:3:33: Amount is called like another type; give it a name of its own (Amount is u64)',
    ],
    [
      'a tuple',
      "import { Other as Result } from './b'; import { Amount } from './a'",
      'f(): Result { const a: Amount = 1; return new Result() }',
      'contract.ts:3:33: Result is called like another type',
    ],
    ...['Wide', 'Named', 'Long', 'Plain'].map((other): [string, string, string, string] => [
      `a tuple that is ${other}`,
      `import { ${other} as Result } from './c'; import { Amount } from './a'`,
      'f(): Result { const a: Amount = 1; return new Result() }',
      `contract.ts:3:33: Result is called like another type; give it a name of its own (Result is ${other})`,
    ]),
    [
      'a tuple of two files',
      "import { Result } from './a'; import { Amount } from './d'",
      'f(): Result { const a: Amount = 1; return new Result() }',
      'contract.ts:3:33: Result is declared in more than one file',
    ],
    [
      'a list of an alias of two files',
      "import { Result } from './a'; import { Amount } from './d'",
      'f(a: u32[], b: Amount[]): void { new Result() }',
      'contract.ts:3:43: Amount is declared in more than one file',
    ],
    [
      'a parameter, beside another mistake',
      "import { Big as Amount } from './b'; import { Result } from './a'",
      'f(a: Amount): void { new Result(); missing() }',
      "contract.ts:3:63: Cannot find name 'missing'.",
    ],
    [
      'a field',
      'class StateMap<K, V> {}',
      'a: StateMap<u32, u32>',
      "3:31: StateMap<u32, u32> is not the library's StateMap",
    ],
    [
      'an address',
      "import { Bytes20 as Address } from '@bletchley/contract/assembly'",
      'f(a: Address): void {}',
      'contract.ts:3:33: Address is called like another type; give it a name of its own (Address is Bytes20)',
    ],
  ])('%s: refused', async (name, head, member, message) => {
    const first = name === 'an address' ? '' : library
    const error = await compileText(`${first}\n${head}\n@contract export class C { ${member} }`, others).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(CompileError)
    expect((error as Error).message).toContain(message)
  })
})
