import { beforeAll, describe, expect, it } from 'vitest'
import { compileText, Running } from './support/contracts.ts'

const source = `
import { Address, Bytes, Bytes32, EthereumContract, StateList, StateMap, StateValue, TypedData, U256 } from '@bletchley/contract/assembly'

@tuple
export class Payment {
  to!: Address
  constructor(public parts: U256[]) {}
}

class Board extends EthereumContract {
  pay(to: Address[]): void {
    const args = this.beginCall(1)
    args.write<Address[]>(to)
    this.sendCall(1, args)
  }
}

@contract
export class Holes {
  numbers: StateValue<U256[]>
  texts: StateValue<string[]>
  nested: StateValue<U256[][]>
  payment: StateValue<Payment>
  payments: StateValue<Payment[]>
  list: StateList<Address[]>
  map: StateMap<string, Bytes32[]>

  resultOfNumbers(n: u32): U256[] { return new Array<U256>(n) }
  resultOfAddresses(n: u32): Address[] { return new Array<Address>(n) }
  resultOfHashes(n: u32): Bytes32[] { return new Array<Bytes32>(n) }
  resultOfTexts(n: u32): string[] { return new Array<string>(n) }
  resultOfBytes(n: u32): Bytes[] { return new Array<Bytes>(n) }
  resultOfLists(n: u32): u32[][] { return new Array<u32[]>(n) }
  resultOfListsWithHoles(n: u32): U256[][] { return [new Array<U256>(n)] }
  resultOfTuple(n: u32): Payment { const payment = new Payment(new Array<U256>(n)); payment.to = new Address(); return payment }
  grown(n: u32): U256[] { const list: U256[] = [U256.from(1)]; list.length = n; return list }
  skipped(n: u32): U256[] { const list: U256[] = [U256.from(1)]; list[n] = U256.from(2); return list }
  copied(n: u32): U256[] { return new Array<U256>(n).slice(1).concat([U256.from(1)]) }
  storedNumbers(n: u32): void { this.numbers.set(new Array<U256>(n)) }
  storedTexts(n: u32): void { this.texts.set(new Array<string>(n)) }
  storedNested(n: u32): void { this.nested.set([new Array<U256>(n)]) }
  storedTuple(n: u32): void { const payment = new Payment(new Array<U256>(n)); payment.to = new Address(); this.payment.set(payment) }
  storedTuples(n: u32): void { this.payments.set(new Array<Payment>(n)) }
  pushed(n: u32): void { this.list.push(new Array<Address>(n)) }
  mapped(n: u32): void { this.map.set('a', new Array<Bytes32>(n)) }
  paid(n: u32): void { new Board(new Address()).pay(new Array<Address>(n)) }
  signed(n: u32): Bytes32 { const list = new TypedData('L(address[] to)', 1); list.add(new Array<Address>(n)); return list.hash() }
  popped(n: u32): Address { return new Array<Address>(n).pop() }
  shifted(n: u32): Address { return new Array<Address>(n).shift() }
  eachOne(n: u32): void { new Array<U256>(n).forEach((each) => { sum += each.toU64() }) }
  mappedTo(n: u32): bool[] { return new Array<U256>(n).map<bool>((each) => each.isZero()) }
  reduced(n: u32): U256 { return new Array<U256>(n).reduce<U256>((total, each) => total + each, U256.from(1)) }
  reducedRight(n: u32): U256 { return new Array<U256>(n).reduceRight<U256>((total, each) => total + each, U256.from(1)) }
  filtered(n: u32): U256[] { return new Array<U256>(n).filter((each) => each.isZero()) }
  some(n: u32): bool { return new Array<U256>(n).some((each) => each.isZero()) }
  every(n: u32): bool { return new Array<U256>(n).every((each) => each.isZero()) }
  found(n: u32): i32 { return new Array<U256>(n).findIndex((each) => each.isZero()) }
  foundLast(n: u32): i32 { return new Array<U256>(n).findLastIndex((each) => each.isZero()) }
  includesZero(n: u32): bool { return new Array<U256>(n).includes(U256.zero) }
  indexOfAddress(n: u32): i32 { return new Array<Address>(n).indexOf(new Address()) }
  lastIndexOfBytes(n: u32): i32 { return new Array<Bytes>(n).lastIndexOf(new StaticArray<u8>(0)) }
  fixedIncludesZero(n: u32): bool { return new StaticArray<U256>(n).includes(U256.zero) }
  sorted(n: u32): u32 { return new Array<U256>(n).sort((a, b) => a < b ? -1 : 1).length }
  sortedTexts(n: u32): i32 { return new Array<string>(n).sort().length }
  fixedSorted(n: u32): i32 { return new StaticArray<Address>(n).sort((a, b) => a == b ? 0 : 1).length }
  joined(n: u32): string { return new Array<Bytes32>(n).join() }
  joinedTexts(n: u32): string { return new Array<string>(n).join('-') }
  joinedLists(n: u32): string { return [new Array<string>(n)].join() }
  fixedJoined(n: u32): string { return new StaticArray<string>(n).join() }
  asText(n: u32): string { return new Array<string>(n).toString() }
  joinedWhole(n: u32): string { return ['a', 'b'].join('-') + [n, 4].join() + [U256.from(7), U256.from(8)].join('') + new StaticArray<u8>(2).toString() + [[n, n], [n]].join('|') }
  sortedNumbers(n: u32): u32[] { return new Array<u32>(n).sort() }
  flattened(n: u32): u32[] { const lists = new Array<u32[]>(n); lists[1] = [5]; return lists.flat() }
  flattenedNumbers(n: u32): U256[] { return [new Array<U256>(n), [U256.from(3)]].flat() }
  flattenedWhole(n: u32): u32[] { return [[n], [], [4, n]].flat() }
  fixed(n: u32): bool[] { return new StaticArray<U256>(n).map<bool>((each) => each.isZero()) }

  read(n: u32): U256 { return new Array<U256>(n)[0] }
  unset(n: u32): Payment { return new Payment([]) }
  storedUnset(n: u32): void { this.payment.set(new Payment([])) }

  plain(n: u32): u32[] { return new Array<u32>(n) }
  nullable(n: u32): u32 { new Array<string | null>(n).forEach((each) => { if (each === null) count++ }); return new Array<string | null>(n).sort().includes(null) ? count : 0 }
  nullableFlattened(n: u32): u32 { return [new Array<string | null>(n), ['a']].flat().length }
  nullableJoined(n: u32): string { return new Array<string | null>(n).join() }
}
let sum: u64 = 0
let count: u32 = 0
`

let holes: Running

beforeAll(async () => {
  holes = Running.deploy((await compileText(source)).wasm)
})

describe('an element that was never set', () => {
  const outcomeOf = (name: string): string => {
    try {
      holes.ask(`${name}(uint32)`, 3)
      return 'done'
    } catch (error) {
      return (error as Error).message
    }
  }

  it.each(
    `resultOfNumbers resultOfAddresses resultOfHashes resultOfTexts resultOfBytes resultOfLists resultOfListsWithHoles
    resultOfTuple grown skipped copied storedNumbers storedTexts storedNested storedTuple storedTuples pushed mapped paid
    signed popped shifted eachOne mappedTo reduced reducedRight filtered some every found foundLast fixed
    includesZero indexOfAddress lastIndexOfBytes fixedIncludesZero
    sorted sortedTexts fixedSorted joined joinedTexts joinedLists fixedJoined asText
    flattened flattenedNumbers`.split(/\s+/),
  )('does not leave the contract: %s', (name) => {
    expect(outcomeOf(name)).toMatch(/: an element of an array was never set$/)
  })

  it('is told where the contract reads it, and so is a field that was never set', () => {
    expect(outcomeOf('read')).toMatch(/unreachable: Element type must be nullable/)
    expect(outcomeOf('unset')).toMatch(/unreachable: Unexpected 'null'/)
    expect(outcomeOf('storedUnset')).toMatch(/unreachable: Unexpected 'null'/)
  })

  it('is 0 of numbers, and null where that is allowed', () => {
    expect(holes.ask('plain(uint32)(uint32[])', 3)).toEqual([[0n, 0n, 0n]])
    expect(holes.ask('sortedNumbers(uint32)(uint32[])', 3)).toEqual([[0n, 0n, 0n]])
    expect(holes.ask('nullable(uint32)(uint32)', 3)).toEqual([3n])
    expect(holes.ask('nullableFlattened(uint32)(uint32)', 3)).toEqual([4n])
    expect(holes.ask('nullableJoined(uint32)(string)', 3)).toEqual([',,'])
    expect(holes.ask('flattenedWhole(uint32)(uint32[])', 3)).toEqual([[3n, 4n, 3n]])
    expect(holes.ask('joinedWhole(uint32)(string)', 3)).toEqual(['a-b3,4780,03,3|3'])
  })
})
