import { setImmediate } from 'node:timers/promises'
import { parseJson } from '@bletchley/state'
import fc from 'fast-check'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { compileText, Running, reasonOf } from './support/contracts.ts'
import { arbitraryOf } from './support/values.ts'

const source = `
import { Bytes, StateList, StateMap, StateValue } from '@bletchley/contract/assembly'
import { Club, Person } from './people'
@contract
export class Clubs {
  people: StateMap<string, Person>
  row: StateList<Person>
  club: StateValue<Club>
  put(key: string, name: string, born: i64, accounts: Person_accounts, größe: Bytes): void {
    this.people.set(key, new Person(name, born, accounts, größe))
    this.row.push(this.people.get(key))
  }
  person(key: string): Person { return this.people.get(key) }
  last(): Person { return this.row.pop() }
  join(key: string): void {
    const club = this.club.getOr(new Club())
    club.members.push(this.people.get(key))
    club.left++
    this.club.set(club)
  }
  names(): string[] { return this.club.get().members.map<string>((person) => person.name) }
}
type Person_accounts = U256[]
import { U256 } from '@bletchley/contract/assembly'
`

// As Rust would have `struct Person { name: String, born: i64, accounts: Vec<U256>, größe: Vec<u8> }`.
const people = `import { Bytes, U256 } from '@bletchley/contract/assembly'
type Accounts = Array<U256>
// A name of the language that authors may well give.
export function store(a: u32): u32 { return a + 1 }
@tuple export class Person {
  static count: u32 = 0
  constructor(public name: string, readonly born: i64, public accounts: Accounts, public größe: Bytes) { Person.count++ }
}
@tuple export class Club { open: bool = true; left: u8 = <u8>store(2); members: Person[] = []; parts: Club[] = [] }
`

const signature = 'put(string,string,int64,uint256[],bytes)'
let wasm: Uint8Array
let clubs: Running

afterEach(() => setImmediate())

beforeAll(async () => {
  ;({ wasm } = await compileText(source, { 'people.ts': people }))
})

beforeEach(() => {
  clubs = Running.deploy(wasm)
})

describe('a class with @tuple in the state', () => {
  it('is an object by the names of its fields, and comes back', () => {
    const values = fc.tuple(...['string', 'int64', 'uint256[]', 'bytes'].map(arbitraryOf))
    fc.assert(
      fc.property(values, ([name, born, accounts, größe]) => {
        clubs.ask(signature, 'ada', name, born, accounts, größe)
        const limbs = (accounts as bigint[]).map(
          (number) => `[${[0n, 64n, 128n, 192n].map((at) => BigInt.asUintN(64, number >> at)).join()}]`,
        )
        const octets = [...Buffer.from((größe as string).slice(2), 'hex')]
        expect(clubs.stored('people:ada')).toBe(
          `{"accounts":[${limbs.join()}],"born":${born},"größe":[${octets.join()}],"name":${JSON.stringify(name)}}`,
        )
        const outputs = '(string,int64,uint256[],bytes)'
        expect(clubs.ask(`person(string)${outputs}`, 'ada')).toEqual([name, born, accounts, größe])
        expect(clubs.ask(`last()${outputs}`)).toEqual([name, born, accounts, größe])
      }),
      { numRuns: 20 },
    )
  })

  it('holds numbers that the ABI lacks, other such classes, and lists of them', () => {
    clubs.ask(signature, 'ada', 'Ada', -5n, [1n], '0xff')
    clubs.ask(signature, 'bob', 'Bob', 5n, [], '0x')
    clubs.ask('join(string)', 'bob')
    clubs.ask('join(string)', 'ada')
    expect(clubs.ask('names()(string[])')).toEqual([['Bob', 'Ada']])
    const bob = '{"accounts":[],"born":5,"größe":[],"name":"Bob"}'
    const ada = '{"accounts":[[1,0,0,0]],"born":-5,"größe":[255],"name":"Ada"}'
    expect(clubs.stored('club')).toBe(`{"left":5,"members":[${bob},${ada}],"open":true,"parts":[]}`)
  })
})

describe('an object that another contract left', () => {
  const leave = (json: string) => clubs.state.set('people:x', parseJson(new TextEncoder().encode(json)))

  it('is read in whatever order it was written', () => {
    leave('{ "name": "Ada", "größe": [1, 2], "born": -9223372036854775808, "accounts": [[7, 0, 0, 1]] }')
    expect(clubs.ask('person(string)(string,int64,uint256[],bytes)', 'x')).toEqual([
      'Ada',
      -(2n ** 63n),
      [7n + 2n ** 192n],
      '0x0102',
    ])
  })

  it.each([
    ['a field less', '{"accounts":[],"born":5,"name":"Bob"}'],
    ['the last field less', '{"accounts":[],"born":5,"größe":[]}'],
    ['a field more', '{"accounts":[],"born":5,"größe":[],"name":"Bob","z":1}'],
    ['a field more before', '{"a":1,"accounts":[],"born":5,"größe":[],"name":"Bob"}'],
    ['a field of another name', '{"accounts":[],"born":5,"große":[],"name":"Bob"}'],
    ['a field that is a beginning', '{"accounts":[],"born":5,"größe":[],"nam":"Bob"}'],
    ['no field', '{}'],
    ['null in a field', '{"accounts":[],"born":5,"größe":[],"name":null}'],
    ['another type in a field', '{"accounts":[],"born":"5","größe":[],"name":"Bob"}'],
    ['a list', '[[],5,[],"Bob"]'],
    ['text', '"{"'],
  ])('with %s is refused', (_, json) => {
    leave(json)
    expect(
      reasonOf(
        clubs.call('person', Buffer.from(`${'00'.repeat(31)}20${'00'.repeat(31)}0178${'00'.repeat(31)}`, 'hex')),
      ),
    ).toBe('state: a value of another type')
  })
})

it('a class with @tuple of a namespace is kept too', async () => {
  const { wasm } = await compileText(`import { StateValue } from '@bletchley/contract/assembly'
namespace shop { @tuple export class Item { constructor(public price: u64) {} }
  export namespace back { @tuple export class Shelf { constructor(public items: Item[]) {} } } }
@contract export class C {
  shelf: StateValue<shop.back.Shelf>
  put(price: u64): u64 { this.shelf.set(new shop.back.Shelf([new shop.Item(price)])); return this.shelf.get().items[0].price }
}`)
  const contract = Running.deploy(wasm)
  expect(contract.ask('put(uint64)(uint64)', 7)).toEqual([7n])
  expect(contract.stored('shelf')).toBe('{"items":[{"price":7}]}')
})
