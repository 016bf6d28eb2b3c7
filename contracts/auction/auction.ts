// A sealed-bid auction for one thing. Who bids most gets it, and pays what the second bid (Vickrey): then the best bid is
// what the thing is worth to the bidder. Sealed means: until the end nobody knows a bid, and after it nobody knows more
// than the winner and the price.
//
// Who knows what. A bidder makes up a ticket, 32 random bytes, and whoever has the ticket may change the bid. The seller
// has a key likewise. Neither the seller nor other bidders can ask for a bid or for how many there are.
//
// Rules. A bid counts if it reaches the reserve; the price is at least that. Of equal bids the one whose ticket came first
// wins, at its own bid. A bid of 0 withdraws. Without a bid that counts, the winner is the zero address and the price 0.
//
// Time. A contract has no clock. So the seller ends the auction, and bidders have to trust that it is not ended early or
// late; he gains nothing but the bids that are there, and cannot see them before. To end by time, let the result go to a
// contract on Ethereum that refuses results before a block, as `ballot` does: then an early end is void.
//
// What leaks, and what was done about it.
//   * Amounts and bidders: neither in lengths nor in gas. A bid is a text of one length.
//   * Whether a bid leads: `bid` does not look at the others. `close` looks at all, the same way at each.
//   * A raised bid, a lowered and a withdrawn one look the same, as does one that changes nothing (`conceal`). A first bid
//     does not: its delta is larger. So everybody sees how many tickets there are.
//   * The gas of `close` grows with the number of tickets, so there are at most 200 (3.3 million gas).
//
// Limits. A bid binds nobody: the contract holds no money, and does not ask the bidder whether the bid is his. Whoever makes
// up 200 tickets leaves none to others. Where that matters, hand tickets out: let the constructor take their hashes, as
// `ballot` does with papers, against a deposit on Ethereum that pays for the winner's bid.
import {
  Address,
  both,
  Bytes32,
  bytesFromHex,
  conceal,
  fixedBytes,
  hexOf,
  require,
  reveal,
  select,
  StateList,
  StateMap,
  StateValue,
  U256,
} from '@bletchley/contract/assembly'

const maxTickets: u32 = 200

@tuple
export class Result {
  constructor(
    public winner: Address,
    public price: U256,
  ) {}
}

@contract
export class Auction {
  sellerKey: StateValue<Bytes32>
  reserve: StateValue<U256>
  /** Which bid is a ticket's. */
  tickets: StateMap<Bytes32, u32>
  /** The amount, concealed, and behind it the bidder. */
  bids: StateList<string>
  winner: StateValue<Address>
  price: StateValue<U256>

  constructor(sellerKey: Bytes32, reserve: U256) {
    require(!reserve.isZero(), 'the reserve is at least 1')
    this.sellerKey.set(sellerKey)
    this.reserve.set(reserve)
  }

  reservePrice(): U256 {
    return this.reserve.get()
  }

  /** Bids, or changes the bid of a ticket; 0 withdraws it. */
  bid(ticket: Bytes32, bidder: Address, amount: U256): void {
    this.requireOpen()
    const bid = conceal(amount) + hexOf(bidder.toBytes())
    const count = this.bids.length
    const index = this.tickets.getOr(ticket, count)
    if (index < count) this.bids.set(index, bid)
    else {
      require(count < maxTickets, 'there are no tickets left')
      this.tickets.set(ticket, count)
      this.bids.push(bid)
    }
  }

  /** The amount of a ticket's bid, for who has it. */
  bidOf(ticket: Bytes32): U256 {
    require(this.tickets.has(ticket), 'there is no such ticket')
    return reveal(this.bids.get(this.tickets.get(ticket)))
  }

  /** Ends the auction. */
  close(sellerKey: Bytes32): Result {
    require(sellerKey == this.sellerKey.get(), 'not the seller’s key')
    this.requireOpen()
    const reserve = this.reserve.get()
    const count = this.bids.length
    let best = U256.zero
    let second = reserve
    let winner = count
    for (let i: u32 = 0; i < count; i++) {
      const amount = reveal(this.bids.get(i))
      const leads = both(amount > best, amount >= reserve)
      // The one of the two that does not lead from now on.
      const other = select(leads, best, amount)
      second = select(other > second, other, second)
      best = select(leads, amount, best)
      winner = leads ? i : winner
    }
    this.winner.set(winner == count ? new Address() : this.bidderOf(winner))
    this.price.set(winner == count ? U256.zero : second)
    return this.result()
  }

  result(): Result {
    require(this.winner.exists(), 'the auction goes on')
    return new Result(this.winner.get(), this.price.get())
  }

  private requireOpen(): void {
    require(!this.winner.exists(), 'the auction is over')
  }

  private bidderOf(index: u32): Address {
    return fixedBytes<Address>(bytesFromHex(this.bids.get(index).slice(80)))
  }
}
