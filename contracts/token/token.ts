// A private token: how much an account holds, and who pays whom, is nobody else's business.
//
// Who knows what. An account is an Ethereum address. Its balance, allowances and payments are known to its owner, who
// proves the right to them:
//   * to spend, by a signature of the account's key, of what a wallet shows as typed data (EIP-712). A secret contract is
//     not told who calls it; whoever has the signature may send the task.
//   * to read, by a viewing key that the owner has set by such a signature. A recovery of a signer costs 3 million gas, so
//     reads do without, and the viewing key can be given to an accountant who shall not spend.
// The total supply is for everybody.
//
// What leaks, and what was done about it.
//   * Amounts: neither in lengths nor in gas. Balances are texts of one length (`conceal`); comparing, adding and
//     subtracting cost the same whatever the numbers are.
//   * Whether a payment was covered: an uncovered one is no failed task, which everybody would see, but returns false. It
//     writes the same keys, with the same numbers, which look new.
//   * Which function was called, by its gas; and whether an account or an allowance was there before, by the delta's size.
//   * A wrong signature, nonce or viewing key is a failed task. It says nothing about accounts: it happens before any of
//     them is looked at.
//
// Nonces only have to grow, so the time in milliseconds will do, and nobody has to ask for the last one.
//
// Limits.
//   * What was signed has no end: whoever holds it back may send it later, as long as no higher nonce of the account was
//     used. Any later signature of the account, that of a new viewing key too, makes it void.
//   * An allowance is changed from what its owner believes it to be. Else a spender who sees the change coming could take
//     the old allowance first, and then the new one.
//   * A spender learns from an answer whether the owner's balance covers what he may take.
import {
  Address,
  both,
  Bytes,
  Bytes32,
  conceal,
  generateKey,
  recoverAddress,
  require,
  reveal,
  select,
  StateMap,
  StateValue,
  TypedData,
  typedDataDomain,
  U256,
} from '@bletchley/contract/assembly'

@tuple
export class Domain {
  constructor(
    public name: string,
    public salt: Bytes32,
  ) {}
}

@contract
export class Token {
  name: StateValue<string>
  salt: StateValue<Bytes32>
  supply: StateValue<U256>
  balances: StateMap<Address, string>
  allowances: StateMap<Address, StateMap<Address, string>>
  nonces: StateMap<Address, string>
  viewingKeys: StateMap<Address, Bytes32>

  constructor(name: string, owner: Address, supply: U256) {
    this.name.set(name)
    this.salt.set(generateKey())
    this.supply.set(supply)
    this.balances.set(owner, conceal(supply))
  }

  /** What wallets need to sign for this token and no other: the domain's name and salt. */
  domain(): Domain {
    return new Domain(this.name.get(), this.salt.get())
  }

  totalSupply(): U256 {
    return this.supply.get()
  }

  balanceOf(account: Address, viewingKey: Bytes32): U256 {
    this.requireViewer(account, viewingKey)
    return reveal(this.balances.getOr(account, ''))
  }

  /** What the spender may still take; both may know. */
  allowance(owner: Address, spender: Address, viewer: Address, viewingKey: Bytes32): U256 {
    require(viewer == owner || viewer == spender, 'not the viewer’s allowance')
    this.requireViewer(viewer, viewingKey)
    return reveal(this.allowances.get(owner).getOr(spender, ''))
  }

  setViewingKey(owner: Address, key: Bytes32, nonce: U256, signature: Bytes): void {
    const message = new TypedData('SetViewingKey(address owner,bytes32 key,uint256 nonce)', 3)
    message.add(owner)
    message.add(key)
    message.add(nonce)
    this.requireSigner(owner, message, nonce, signature)
    this.viewingKeys.set(owner, key)
  }

  /** False, and nothing is moved, if the balance is too low. */
  transfer(from: Address, to: Address, amount: U256, nonce: U256, signature: Bytes): bool {
    const message = new TypedData('Transfer(address from,address to,uint256 amount,uint256 nonce)', 4)
    message.add(from)
    message.add(to)
    message.add(amount)
    message.add(nonce)
    this.requireSigner(from, message, nonce, signature)
    return this.move(from, to, amount, this.covers(from, amount))
  }

  /**
   * False, and nothing is changed, if the allowance is another one than before: the spender may have taken of it.
   *
   * @param before what the allowance is now, 0 if there was none
   */
  approve(owner: Address, spender: Address, before: U256, amount: U256, nonce: U256, signature: Bytes): bool {
    const message = new TypedData(
      'Approve(address owner,address spender,uint256 before,uint256 amount,uint256 nonce)',
      5,
    )
    message.add(owner)
    message.add(spender)
    message.add(before)
    message.add(amount)
    message.add(nonce)
    this.requireSigner(owner, message, nonce, signature)
    const allowances = this.allowances.get(owner)
    const allowance = reveal(allowances.getOr(spender, ''))
    const isExpected = allowance == before
    allowances.set(spender, conceal(select(isExpected, amount, allowance)))
    return isExpected
  }

  /** False, and nothing is moved, if the balance or the allowance is too low. */
  transferFrom(spender: Address, from: Address, to: Address, amount: U256, nonce: U256, signature: Bytes): bool {
    const message = new TypedData(
      'TransferFrom(address spender,address from,address to,uint256 amount,uint256 nonce)',
      5,
    )
    message.add(spender)
    message.add(from)
    message.add(to)
    message.add(amount)
    message.add(nonce)
    this.requireSigner(spender, message, nonce, signature)
    const allowances = this.allowances.get(from)
    const allowance = reveal(allowances.getOr(spender, ''))
    const isCovered = both(this.covers(from, amount), allowance >= amount)
    allowances.set(spender, conceal(allowance - select(isCovered, amount, U256.zero)))
    return this.move(from, to, amount, isCovered)
  }

  private covers(account: Address, amount: U256): bool {
    return reveal(this.balances.getOr(account, '')) >= amount
  }

  /** Moves the amount or nothing; from outside both look the same. */
  private move(from: Address, to: Address, amount: U256, isCovered: bool): bool {
    const moved = select(isCovered, amount, U256.zero)
    this.balances.set(from, conceal(reveal(this.balances.getOr(from, '')) - moved))
    this.balances.set(to, conceal(reveal(this.balances.getOr(to, '')) + moved))
    return isCovered
  }

  private requireSigner(account: Address, message: TypedData, nonce: U256, signature: Bytes): void {
    const domain = typedDataDomain(this.name.get(), this.salt.get())
    require(recoverAddress(message.digest(domain), signature) == account, 'signed by somebody else')
    require(nonce > reveal(this.nonces.getOr(account, '')), 'the nonce was used')
    this.nonces.set(account, conceal(nonce))
  }

  private requireViewer(account: Address, viewingKey: Bytes32): void {
    const key = this.viewingKeys.getOr(account, new Bytes32())
    require(!key.isZero() && key == viewingKey, 'the viewing key is another one')
  }
}
