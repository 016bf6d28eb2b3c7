// What docs/contracts/gas.md measures: each function does one thing besides nothing.
import {
  Address,
  Bytes,
  decrypt,
  encrypt,
  generateKey,
  keccak256,
  randomNumber,
  StateList,
  StateMap,
  StateValue,
  U256,
} from '@bletchley/contract/assembly'

@contract
export class Costs {
  number: StateValue<u64>
  amount: StateValue<U256>
  text: StateValue<string>
  amounts: StateMap<Address, U256>
  list: StateList<u64>

  constructor() {
    this.number.set(7)
    this.amount.set(U256.from(7))
    this.text.set('seven')
    this.list.push(7)
  }

  nothing(): void {}

  takeNumber(value: u64): void {}
  takeText(value: string): void {}
  takeNumbers(values: u64[]): void {}
  takeBytes(value: Bytes): void {}

  returnNumber(): u64 {
    return 7
  }
  returnAmount(): U256 {
    return U256.from(7)
  }

  readNumber(): void {
    this.number.get()
  }
  readAmount(): void {
    this.amount.get()
  }
  readText(): void {
    this.text.get()
  }
  readEntry(account: Address): void {
    this.amounts.getOr(account, U256.zero)
  }

  writeNumber(value: u64): void {
    this.number.set(value)
  }
  writeEntry(account: Address): void {
    this.amounts.set(account, U256.from(7))
  }
  push(value: u64): void {
    this.list.push(value)
  }

  add(a: U256, b: U256): void {
    store<u64>(0, (a + b).a)
  }
  multiply(a: U256, b: U256): void {
    store<u64>(0, (a * b).a)
  }
  divide(a: U256, b: U256): void {
    store<u64>(0, (a / b).a)
  }
  loop(rounds: u64): void {
    let sum: u64 = 0
    for (let i: u64 = 0; i < rounds; i++) sum += load<u8>(<usize>(i & 1023))
    store<u64>(0, sum)
  }

  random(): void {
    randomNumber<u64>()
  }
  hash(message: Bytes): void {
    keccak256(message)
  }
  seal(message: Bytes): void {
    const key = generateKey()
    decrypt(key, encrypt(key, message))
  }
  grow(): void {
    memory.grow(1)
  }
}
