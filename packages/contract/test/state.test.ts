import { type JsonValue, parseJson } from '@bletchley/state'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { compileText, encodeValues, Running, reasonOf } from './support/contracts.ts'
import { arbitraryOf, sourceType } from './support/values.ts'

const types = [
  ...['uint32', 'uint64', 'int32', 'int64', 'uint256', 'bool', 'address', 'bytes', 'string', 'bytes1', 'bytes32'],
  ...['uint64[]', 'uint256[]', 'string[]', 'bytes[]', 'bytes20[]', 'bool[]', 'int32[][]'],
]
const keyTypes = ['uint32', 'uint64', 'int32', 'int64', 'uint256', 'bool', 'address', 'bytes', 'string', 'bytes7']

const source = `
import { Address, Bytes, Bytes1, Bytes7, Bytes20, Bytes32, StateList, StateMap, StateValue, U256 } from '@bletchley/contract/assembly'
@contract
export class Store {
${types
  .map(
    (type, index) => `  value${index}: StateValue<${sourceType(type)}>
  set${index}(value: ${sourceType(type)}): void { this.value${index}.set(value) }
  get${index}(): ${sourceType(type)} { return this.value${index}.get() }`,
  )
  .join('\n')}
${keyTypes
  .map(
    (type, index) => `  map${index}: StateMap<${sourceType(type)}, string>
  put${index}(key: ${sourceType(type)}, value: string): void { this.map${index}.set(key, value) }
  look${index}(key: ${sourceType(type)}): string { return this.map${index}.get(key) }`,
  )
  .join('\n')}
  grants: StateMap<Address, StateMap<string, StateMap<u32, bool>>>
  grant(owner: Address, name: string, number: u32): void { this.grants.get(owner).get(name).set(number, true) }
  granted(owner: Address, name: string, number: u32): bool { return this.grants.get(owner).get(name).getOr(number, false) }

  logs: StateMap<string, StateList<string>>
  note(name: string, text: string): void { this.logs.get(name).push(text) }
  notes(name: string): u32 { return this.logs.get(name).length }

  list: StateList<U256>
  push(value: U256): void { this.list.push(value) }
  pop(): U256 { return this.list.pop() }
  at(index: u32): U256 { return this.list.get(index) }
  change(index: u32, value: U256): void { this.list.set(index, value) }
  length(): u32 { return this.list.length }

  other: StateValue<u64> = new StateValue<u64>('another name')
  setOther(value: u64): void { this.other.set(value) }
  otherOr(value: u64): u64 { return this.other.getOr(value) }
  hasOther(): bool { return this.other.exists() }
  removeOther(): void { this.other.remove() }

  present(key: string): bool { return this.map8.has(key) }
  drop(key: string): void { this.map8.remove(key) }
  lookOr(key: string): string { return this.map8.getOr(key, 'none') }

  made(name: string, key: u32, value: u64): u64 {
    const map = new StateMap<u32, u64>('made ' + name)
    const before = map.getOr(key, 0)
    map.set(key, value)
    new StateValue<u64>('one ' + name).set(value)
    new StateList<u64>('row ' + name).push(value)
    return before
  }

  loneValue(): void { this.value8.set('a' + String.fromCharCode(0xd800)) }
  loneKey(): void { this.map8.set(String.fromCharCode(0xdfff) + 'a', '') }
  loneName(): void { new StateValue<u32>('x' + String.fromCharCode(0xd800)).set(1) }
  loneResult(): string { return String.fromCharCode(0xdc00) + String.fromCharCode(0xd800) }
}`

let wasm: Uint8Array
let store: Running

beforeAll(async () => {
  ;({ wasm } = await compileText(source))
  store = Running.deploy(wasm)
})

/** JSON text of a value, in the shapes of the Rust library. */
function jsonOf(type: string, value: unknown): string {
  if (type.endsWith('[]')) return `[${(value as unknown[]).map((each) => jsonOf(type.slice(0, -2), each)).join()}]`
  if (type === 'string') return canonicalText(value as string)
  if (type === 'uint256') {
    const number = value as bigint
    return `[${[0n, 64n, 128n, 192n].map((at) => BigInt.asUintN(64, number >> at)).join()}]`
  }
  if (type === 'address' || type.startsWith('bytes')) {
    return `[${[...Buffer.from((value as string).slice(2), 'hex')].join()}]`
  }
  return String(value)
}

/** Workers escape what JSON.stringify escapes, and nothing else. */
function canonicalText(text: string): string {
  return JSON.stringify(text)
}

/** The part of a key that stands for a key of a map. */
function keyOf(type: string, value: unknown): string {
  if (type === 'address' || type.startsWith('bytes')) return (value as string).slice(2).toLowerCase()
  return String(value)
}

describe.each(types.map((type, index) => ({ type, index })))('a value of $type', ({ type, index }) => {
  it('is JSON in the state, and comes back', () => {
    const property = fc.property(arbitraryOf(type), (value) => {
      store.ask(`set${index}(${type})`, value)
      expect(store.stored(`value${index}`)).toBe(jsonOf(type, value))
      expect(store.ask(`get${index}()(${type})`)).toEqual([value])
    })
    fc.assert(property, { numRuns: 10 })
  })
})

const shape = /^(success|state: a value of another type|state: a number is out of range|value\d+: there is no value)$/

describe('values that others left', () => {
  it('are read if they are of the type, and refused with the reason if not', () => {
    const json = fc.oneof(
      fc.json({ noUnicodeString: false }),
      fc.constantFrom('18446744073709551616', '-9223372036854775809', '1.5', '-1', '1e30', '[1,2', 'null', '""', '[]'),
      fc.constantFrom('[0,0,0]', '[0,0,0,0,0]', '[0,0,0,-1]', '[256]', '[1.0]', '[[1],[2,[]]]', '[null]', 'true'),
      ...types.map((type) => arbitraryOf(type).map((value) => jsonOf(type, value))),
    )
    const property = fc.property(json, fc.nat({ max: types.length - 1 }), (text, index) => {
      const value = parsed(text)
      if (value === undefined) return
      store.state.set(`value${index}`, value)
      const outcome = store.call(`get${index}`)
      expect(reasonOf(outcome), `${types[index]} of ${text}`).toMatch(shape)
      if (outcome.kind === 'failure') return
      // What was read is what was there: written again, it is the same text.
      const before = store.stored(`value${index}`)
      const again = store.call(`set${index}`, outcome.output)
      expect(again.kind).toBe('success')
      expect(store.stored(`value${index}`), `${types[index]} of ${text}`).toBe(before)
    })
    fc.assert(property, { numRuns: Number(process.env.BLETCHLEY_STATE_RUNS ?? 200) })
  })

  it.each<[string, string, string]>([
    ['uint32', '4294967296', 'state: a number is out of range'],
    ['uint32', '-1', 'state: a value of another type'],
    ['uint64', '1.0', 'state: a value of another type'],
    ['int32', '2147483648', 'state: a number is out of range'],
    ['int32', '-2147483649', 'state: a number is out of range'],
    ['int32', '-2147483648', 'success'],
    ['int64', '9223372036854775808', 'state: a number is out of range'],
    ['int64', '-9223372036854775808', 'success'],
    ['uint64', '18446744073709551615', 'success'],
    ['bool', '"true"', 'state: a value of another type'],
    ['bool', '0', 'state: a value of another type'],
    ['string', '7', 'state: a value of another type'],
    ['string', '["a"]', 'state: a value of another type'],
    ['uint256', '[1,0,0]', 'state: a value of another type'],
    ['uint256', '7', 'state: a value of another type'],
    ['bytes1', '[]', 'state: a value of another type'],
    ['bytes1', '[1,2]', 'state: a value of another type'],
    ['bytes', '[256]', 'state: a number is out of range'],
    ['bytes', '{"a":1}', 'state: a value of another type'],
    ['address', 'false', 'state: a value of another type'],
  ])('%s of %s: %s', (type, json, reason) => {
    const index = types.indexOf(type)
    store.state.set(`value${index}`, parsed(json)!)
    expect(reasonOf(store.call(`get${index}`))).toBe(reason)
  })

  it('are absent if they are null', () => {
    store.state.set('another name', null)
    expect(store.ask('hasOther()(bool)')).toEqual([false])
    expect(store.ask('otherOr(uint64)(uint64)', 5n)).toEqual([5n])
    store.state.delete('another name')
  })
})

function parsed(text: string): JsonValue | undefined {
  try {
    return parseJson(new TextEncoder().encode(text))
  } catch {
    return undefined
  }
}

describe.each(keyTypes.map((type, index) => ({ type, index })))('a map by $type', ({ type, index }) => {
  it('has a key of the state for each entry', () => {
    const property = fc.property(arbitraryOf(type), fc.string({ maxLength: 5 }), (key, value) => {
      store.ask(`put${index}(${type},string)`, key, value)
      expect(store.stored(`map${index}:${keyOf(type, key)}`)).toBe(canonicalText(value))
      expect(store.ask(`look${index}(${type})(string)`, key)).toEqual([value])
    })
    fc.assert(property, { numRuns: 10 })
  })
})

describe('text', () => {
  it('keeps every character', () => {
    const all = Array.from({ length: 0x180 }, (_, code) => String.fromCharCode(code)).join('')
    for (const text of [all, '"\\/\b\f\n\r\t\u007f', '€\ud7ff\ue000\uffff', '😀\u{10000}\u{10ffff}', '']) {
      store.ask('set8(string)', text)
      expect(store.stored('value8')).toBe(canonicalText(text))
      expect(store.ask('get8()(string)')).toEqual([text])
      store.ask('put8(string,string)', text, text)
      expect(store.stored(`map8:${text}`)).toBe(canonicalText(text))
    }
  })

  it.each(['loneValue', 'loneKey', 'loneName', 'loneResult'])('with half a surrogate pair is refused (%s)', (name) => {
    expect(reasonOf(store.call(name))).toBe('text has half a surrogate pair')
  })
})

describe('maps of maps', () => {
  const [alice, bob] = ['0x00000000000000000000000000000000000000A1', '0x00000000000000000000000000000000000000b0']

  it('have a key of the state for each innermost entry', () => {
    store.ask('grant(address,string,uint32)', alice, 'read', 7)
    expect(store.stored('grants:00000000000000000000000000000000000000a1:read:7')).toBe('true')
    const signature = 'granted(address,string,uint32)(bool)'
    expect(store.ask(signature, alice, 'read', 7)).toEqual([true])
    expect(store.ask(signature, alice, 'read', 8)).toEqual([false])
    expect(store.ask(signature, bob, 'read', 7)).toEqual([false])
  })

  it('refuse keys that could be taken for two', () => {
    const outcome = store.call('grant', encodeValues(['address', 'string', 'uint32'], [alice, 'a:b', 1]))
    expect(reasonOf(outcome)).toBe('a key of a map of maps has a colon')
    store.ask('note(string,string)', 'a', 'first')
    expect(store.stored('logs:a')).toBe('1')
    expect(store.stored('logs:a:0')).toBe('"first"')
    expect(() => store.ask('note(string,string)', 'a:0', 'x')).toThrow('colon')
    expect(store.ask('notes(string)(uint32)', 'b')).toEqual([0n])
  })
})

describe('a list', () => {
  it('has its length and each element under keys of their own', () => {
    expect(store.ask('length()(uint32)')).toEqual([0n])
    for (const value of [1n, 2n ** 64n, 3n]) store.ask('push(uint256)', value)
    expect([...store.state.keys()].filter((key) => key.startsWith('list')).sort()).toEqual([
      'list',
      'list:0',
      'list:1',
      'list:2',
    ])
    expect([store.stored('list'), store.stored('list:1')]).toEqual(['3', '[0,1,0,0]'])
    expect(store.ask('at(uint32)(uint256)', 2)).toEqual([3n])
    store.ask('change(uint32,uint256)', 2, 9n)
    expect(store.ask('pop()(uint256)')).toEqual([9n])
    expect(store.ask('length()(uint32)')).toEqual([2n])
    expect(store.stored('list:2')).toBeUndefined()
  })

  it.each(['at(uint32)(uint256)', 'change(uint32,uint256)'])('ends where it ends: %s', (signature) => {
    for (const index of [2, 3, 2 ** 32 - 1]) {
      const values = signature.startsWith('at') ? [index] : [index, 1n]
      expect(() => store.ask(signature, ...values), `${index}`).toThrow('unreachable: list: index out of range')
    }
  })

  it('gives nothing when it is empty', () => {
    store.ask('pop()(uint256)')
    store.ask('pop()(uint256)')
    expect(() => store.ask('pop()(uint256)')).toThrow('unreachable: list: index out of range')
  })
})

describe('what is not there', () => {
  it('has a fallback, or is refused by name', () => {
    expect(() => store.ask('look8(string)(string)', 'missing')).toThrow('unreachable: map8:missing: there is no value')
    expect(store.ask('lookOr(string)(string)', 'missing')).toEqual(['none'])
    expect(store.ask('present(string)(bool)', 'missing')).toEqual([false])
    const fresh = Running.deploy(wasm)
    expect(() => fresh.ask('get0()(uint32)')).toThrow('unreachable: value0: there is no value')
  })

  it('is not there after it was removed', () => {
    store.ask('put8(string,string)', 'here', 'x')
    expect(store.ask('present(string)(bool)', 'here')).toEqual([true])
    store.ask('drop(string)', 'here')
    expect(store.ask('present(string)(bool)', 'here')).toEqual([false])
    store.ask('setOther(uint64)', 3n)
    expect([store.ask('hasOther()(bool)'), store.stored('another name')]).toEqual([[true], '3'])
    store.ask('removeOther()')
    expect(store.ask('hasOther()(bool)')).toEqual([false])
  })
})

it('takes names that the contract makes', () => {
  expect(store.ask('made(string,uint32,uint64)(uint64)', 'é', 1, 5n)).toEqual([0n])
  expect(store.ask('made(string,uint32,uint64)(uint64)', 'é', 1, 6n)).toEqual([5n])
  expect([store.stored('made é:1'), store.stored('one é'), store.stored('row é'), store.stored('row é:1')]).toEqual([
    '6',
    '6',
    '2',
    '6',
  ])
})
