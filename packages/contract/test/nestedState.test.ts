import { describe, expect, it } from 'vitest'
import { CompileError } from '../src/index.ts'
import { compileText, Running } from './support/contracts.ts'

const library = "import { Address, Bytes, StateList, StateMap, StateValue, U256 } from '@bletchley/contract/assembly'"

async function run(source: string): Promise<Running> {
  return Running.deploy((await compileText(`${library}\n${source}`)).wasm)
}

const lists = run(`@contract export class C {
  notes: StateMap<string, StateList<u64>>
  rights: StateMap<Address, StateMap<u32, StateList<string>>>
  single: StateMap<string, StateValue<u32>>
  row: StateList<u64>
  push(name: string, note: u64): u32 { this.notes.get(name).push(note); return this.notes.get(name).length }
  pop(name: string): u64 { return this.notes.get(name).pop() }
  note(name: string, index: u32): u64 { return this.notes.get(name).get(index) }
  change(name: string, index: u32): void { this.notes.get(name).set(index, 1) }
  has(name: string): bool { return this.notes.has(name) }
  forget(name: string): void { this.notes.remove(name) }
  clear(name: string): void { this.notes.get(name).clear() }
  grant(who: Address, right: u32, text: string): void { this.rights.get(who).get(right).push(text) }
  granted(who: Address, right: u32): bool { return this.rights.get(who).has(right) }
  revoke(who: Address, right: u32): void { this.rights.get(who).remove(right) }
  setSingle(name: string): void { this.single.get(name).set(12) }
  hasSingle(name: string): bool { return this.single.has(name) }
  forgetSingle(name: string): void { this.single.remove(name) }
  rowPush(value: u64): void { this.row.push(value) }
  rowGet(index: u32): u64 { return this.row.get(index) }
  rowSet(index: u32): void { this.row.set(index, 1) }
  rowClear(): u32 { this.row.clear(); return this.row.length }
  shorten(): void { new StateValue<u32>('row').set(1) }
}`)

describe('a map of lists', () => {
  it('removes the elements with the list, and no others', async () => {
    const contract = (await lists).on(new Map())
    for (const [name, note] of [
      ['a', 7n],
      ['a', 8n],
      ['b', 9n],
    ]) {
      contract.ask('push(string,uint64)', name, note)
    }
    contract.ask('forget(string)', 'a')
    expect([...contract.state.keys()].sort()).toEqual(['notes:b', 'notes:b:0'])
    expect(contract.ask('push(string,uint64)(uint32)', 'a', 5n)).toEqual([1n])
    expect(contract.ask('note(string,uint32)(uint64)', 'a', 0)).toEqual([5n])
    expect(() => contract.ask('note(string,uint32)(uint64)', 'a', 1)).toThrow('notes:a: index out of range')
    expect(() => contract.ask('change(string,uint32)', 'a', 1)).toThrow('notes:a: index out of range')
    contract.ask('clear(string)', 'b')
    contract.ask('clear(string)', 'never there')
    contract.ask('forget(string)', 'never there')
    expect([...contract.state.keys()].sort()).toEqual(['notes:a', 'notes:a:0'])
  })

  it('has a list that has elements', async () => {
    const contract = (await lists).on(new Map())
    const has = (name: string) => contract.ask('has(string)(bool)', name)[0]
    expect(has('a')).toBe(false)
    contract.ask('push(string,uint64)', 'a', 7n)
    expect([has('a'), has('b')]).toEqual([true, false])
    contract.ask('pop(string)(uint64)', 'a')
    expect(has('a')).toBe(false)
  })

  it('takes no key for an element of another list', async () => {
    const contract = (await lists).on(new Map())
    contract.ask('push(string,uint64)', 'a', 7n)
    for (const call of ['has(string)(bool)', 'forget(string)']) {
      expect(() => contract.ask(call, 'a:0'), call).toThrow('a key of a map of maps has a colon')
    }
  })

  it('inside of another map is removed in the same way', async () => {
    const contract = (await lists).on(new Map())
    const who = `0x${'11'.repeat(20)}`
    contract.ask('grant(address,uint32,string)', who, 1, 'read')
    contract.ask('grant(address,uint32,string)', who, 2, 'write')
    contract.ask('revoke(address,uint32)', who, 1)
    expect(contract.ask('granted(address,uint32)(bool)', who, 1)).toEqual([false])
    expect(contract.ask('granted(address,uint32)(bool)', who, 2)).toEqual([true])
    expect(contract.state.size).toBe(2)
  })
})

describe('a map of single values', () => {
  it('has and removes the value', async () => {
    const contract = (await lists).on(new Map())
    const has = () => contract.ask('hasSingle(string)(bool)', 'a')[0]
    expect(has()).toBe(false)
    contract.ask('setSingle(string)', 'a')
    expect(has()).toBe(true)
    contract.ask('forgetSingle(string)', 'a')
    expect([has(), contract.state.size]).toEqual([false, 0])
  })
})

describe('a list', () => {
  it('reverts at and beyond its length, whatever lies there', async () => {
    const contract = (await lists).on(new Map())
    contract.ask('rowPush(uint64)', 1n)
    contract.ask('rowPush(uint64)', 2n)
    expect(contract.ask('rowGet(uint32)(uint64)', 1)).toEqual([2n])
    contract.ask('shorten()')
    for (const index of [1, 2, 2 ** 32 - 1]) {
      expect(() => contract.ask('rowGet(uint32)(uint64)', index), `${index}`).toThrow('row: index out of range')
      expect(() => contract.ask('rowSet(uint32)', index), `${index}`).toThrow('row: index out of range')
    }
  })

  it('is empty once it is cleared', async () => {
    const contract = (await lists).on(new Map())
    contract.ask('rowPush(uint64)', 1n)
    contract.ask('rowPush(uint64)', 2n)
    expect(contract.ask('rowClear()(uint32)')).toEqual([0n])
    expect(contract.state.size).toBe(0)
  })
})

describe('what containers of containers cannot do', () => {
  const maps = 'a: StateMap<u32, StateMap<u32, u32>>; b: StateMap<u32, StateList<u32>>; '
  it.each<[string, string, string]>([
    ['has of a map of maps', `${maps}f(): bool { return this.a.has(1) }`, '2:126: a map of StateMap has no has'],
    ['remove of a map of maps', `${maps}f(): void { this.a.remove(1) }`, '2:119: a map of StateMap has no remove'],
    [
      'set of a map of maps',
      `${maps}f(): void { this.a.set(1, this.a.get(2)) }`,
      '2:119: a map of StateMap has no set',
    ],
    [
      'set of a map of lists',
      `${maps}f(): void { this.b.set(1, this.b.get(2)) }`,
      '2:119: a map of StateList has no set',
    ],
    [
      'getOr of a map of lists',
      `${maps}f(): u32 { return this.b.getOr(1, this.b.get(2)).length }`,
      '2:125: a map of StateList has no getOr',
    ],
    [
      'remove by another name',
      `${maps}f(): void { forget(this.a) } }\nfunction forget<V>(map: StateMap<u32, V>): void { map.remove(1) `,
      '3:55: a map of StateMap has no remove',
    ],
    [
      'remove in a class of maps',
      `${maps}f(): void { new Book<StateMap<u32, u32>>(this.a).forget() } }\nclass Book<V> { constructor(public map: StateMap<u32, V>) {} forget(): void { this.map.remove(1) } `,
      '3:88: a map of StateMap has no remove',
    ],
    ['lists of lists', 'a: StateList<StateList<u32>>', '2:41: StateList<u32> cannot be kept'],
    ['lists of maps', 'a: StateList<StateMap<u32, u32>>', '2:41: StateMap<u32, u32> cannot be kept'],
    ['maps of lists of lists', 'a: StateMap<u32, StateList<StateList<u32>>>', '2:55: StateList<u32> cannot be kept'],
    ['values of lists', 'a: StateValue<StateList<u32>>', '2:42: StateList<u32> cannot be kept'],
    ['arrays of lists', 'a: StateValue<StateList<u32>[]>', '2:42: StateList<u32>[] cannot be kept'],
    ['maps by maps', 'a: StateMap<StateMap<u32, u32>, u32>', '2:40: StateMap<u32, u32> cannot be the key of a map'],
    [
      'made in a function',
      "f(): u32 { return new StateList<StateList<u32>>('x').length }",
      '2:60: StateList<u32> cannot be kept',
    ],
    [
      'made of a type parameter',
      "f(): u32 { return make<StateList<u32>>() } }\nfunction make<T>(): u32 { return new StateList<T>('x').length ",
      '3:48: T cannot be kept in the state',
    ],
    ['known by an alias', 'a: StateValue<L> } type L = StateList<u32>; class D { ', '2:42: L cannot be kept'],
  ])('%s are refused where they stand', async (_, members, message) => {
    const error = await compileText(`${library}\n@contract export class C { ${members} }`).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(CompileError)
    expect((error as Error).message).toContain(`contract.ts:${message}`)
    expect((error as Error).message).not.toContain('~lib/')
    expect((error as Error).message.split('\n')).toHaveLength(1)
  })
})
