import { Address, require, StateMap, StateValue, U256 } from '@bletchley/contract/assembly'

/** Amounts that only their owners can look up. */
@contract
export class Token {
  supply: StateValue<U256>
  balances: StateMap<Address, U256>

  constructor(owner: Address, supply: U256) {
    this.supply.set(supply)
    this.balances.set(owner, supply)
  }

  transfer(from: Address, to: Address, amount: U256): void {
    const balance = this.balanceOf(from)
    require(balance >= amount, 'balance is too low')
    this.balances.set(from, balance - amount)
    this.balances.set(to, this.balanceOf(to) + amount)
  }

  balanceOf(account: Address): U256 {
    return this.balances.getOr(account, U256.zero)
  }

  totalSupply(): U256 {
    return this.supply.get()
  }
}
