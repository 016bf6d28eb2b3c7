// The millionaires' problem (Yao): who of us is the richest, without anybody saying how rich he is?
//
// Who knows what. Each of a fixed number of people declares once. When all have, everybody may ask who is the richest, and
// learns nothing else: not how rich, and not who comes second. Of equals it is the one who declared last.
//
// That nobody declares twice or late, and that there is one answer, is what keeps the secret: if one could ask after each
// declaration, one could declare one amount after the other and see when it is the highest. Nobody is asked who he is; a
// stranger who takes a seat only leaves somebody without one, who sees it, and then the answer is worth nothing to anybody.
//
// Limits. Nobody checks who declares, or what he has. Whoever takes all seats but one learns whether the last one is richer
// than an amount of his choice: agree on the people before, and let each see that his seat was free.
//
// What leaks, and what was done about it.
//   * Wealth, and whether somebody is the richest so far: neither in lengths nor in gas. The richest and his wealth are one
//     text of one length, always written, never the same twice (`conceal`), and chosen without a branch (`select`).
//   * How many have declared: everybody sees the tasks.
import {
  Address,
  bytesFromHex,
  conceal,
  fixedBytes,
  hexOf,
  require,
  reveal,
  select,
  StateMap,
  StateValue,
  U256,
} from '@bletchley/contract/assembly'

/** Of the digits that conceal a number. */
const concealedLength = 80

@contract
export class Millionaires {
  missing: StateValue<u32>
  declared: StateMap<Address, bool>
  /** The wealth, concealed, and behind it the person. */
  leader: StateValue<string>

  constructor(people: u32) {
    require(people > 1, 'at least two people')
    this.missing.set(people)
    this.leader.set(conceal(U256.zero) + hexOf(new Address().toBytes()))
  }

  submit(person: Address, wealth: U256): void {
    const missing = this.missing.get()
    require(missing > 0, 'all have declared')
    require(!this.declared.has(person), 'declared already')
    this.missing.set(missing - 1)
    this.declared.set(person, true)
    const leader = this.leader.get()
    const most = reveal(leader)
    const leads = wealth >= most
    // Both are made, whichever is taken.
    const name = hexOf(person.toBytes())
    const nameBefore = leader.slice(concealedLength)
    this.leader.set(conceal(select(leads, wealth, most)) + (leads ? name : nameBefore))
  }

  richest(): Address {
    require(this.missing.get() == 0, 'not all have declared yet')
    return fixedBytes<Address>(bytesFromHex(this.leader.get().slice(concealedLength)))
  }
}
