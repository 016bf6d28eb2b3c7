// What the privacy guide measures: each thing done as it comes to mind, and so that nothing is seen.
import {
  Bytes,
  Bytes32,
  conceal,
  either,
  hexOf,
  require,
  reveal,
  select,
  StateList,
  StateValue,
  U256,
} from '@bletchley/contract/assembly'

@contract
export class Leaks {
  number: StateValue<U256>
  concealed: StateValue<string>
  list: StateValue<Bytes32>
  digits: StateValue<string>
  text: StateValue<string>
  padded: StateValue<string>
  members: StateList<u64>
  balance: StateValue<U256>
  hiddenBalance: StateValue<string>

  constructor() {
    this.number.set(U256.from(1000))
    this.concealed.set(conceal(U256.from(1000)))
    this.balance.set(U256.from(1000))
    this.hiddenBalance.set(conceal(U256.from(1000)))
    for (let i: u64 = 100; i < 120; i++) {
      this.members.push(i)
    }
  }

  /** A number. */
  write(value: U256): void {
    this.number.set(value)
  }

  writeConcealed(value: U256): void {
    this.concealed.set(conceal(value))
  }

  /** The larger of two. */
  raise(value: U256): void {
    if (value > this.number.get()) this.number.set(value)
  }

  raiseConcealed(value: U256): void {
    const best = reveal(this.concealed.get())
    this.concealed.set(conceal(select(value > best, value, best)))
  }

  /** A payment that is covered or not. */
  pay(amount: U256): void {
    require(amount <= this.balance.get(), 'balance is too low')
    this.balance.set(this.balance.get() - amount)
  }

  payConcealed(amount: U256): bool {
    const balance = reveal(this.hiddenBalance.get())
    const isCovered = amount <= balance
    this.hiddenBalance.set(conceal(balance - select(isCovered, amount, U256.zero)))
    return isCovered
  }

  /** Bytes that are as random as a key. */
  keep(bytes: Bytes32): void {
    this.list.set(bytes)
  }

  keepDigits(bytes: Bytes32): void {
    this.digits.set(hexOf(bytes.toBytes()))
  }

  /** A text. */
  note(text: string): void {
    this.text.set(text)
  }

  notePadded(text: Bytes): void {
    require(text.length == 64, 'pad the text to 64 bytes')
    this.padded.set(hexOf(text))
  }

  /** Whether somebody is a member. */
  isMember(name: u64): bool {
    const count = this.members.length
    for (let i: u32 = 0; i < count; i++) if (this.members.get(i) == name) return true
    return false
  }

  isMemberOfAll(name: u64): bool {
    const count = this.members.length
    let found = false
    for (let i: u32 = 0; i < count; i++) found = either(found, this.members.get(i) == name)
    return found
  }
}
