// A confidential ledger: accounts and balances that only the users of the contract can read.
//
// A secret contract is not told who calls it, so rights lie in what a caller knows. An account is 32 bytes that its
// owner picks at random: who knows them may read the balance and spend it. The issuer's account, given at deployment,
// may also mint. Arguments travel and state rests encrypted, so an account is known only to whom it is told; a payer
// must be told the payee's, hence use one account per payment.
//
// State: `issuer` the issuer's account in hex, `supply` the sum of all balances, `balance:<account in hex>` one
// balance; an empty account has no key.
import { bytes32At, calledFunction, fetchArguments, returnUint64, uint64At } from '../lib/abi'
import { Bytes } from '../lib/bytes'
import { refuse } from '../lib/host'
import { hexEquals, readUint64, remove, writeHex, writeUint64 } from '../lib/state'

/** `construct(bytes32 issuer, uint64 supply)`: runs once, at deployment; the issuer gets the whole supply. */
export function deploy(): void {
  const args = fetchArguments()
  const issuer = bytes32At(args, 0)
  writeHex(issuerKey(), issuer)
  issue(issuer, uint64At(args, 1))
}

export function call(): void {
  const name = calledFunction()
  const args = fetchArguments()
  if (name.equals(Bytes.ofAscii('mint'))) mint(bytes32At(args, 0), uint64At(args, 1))
  else if (name.equals(Bytes.ofAscii('transfer'))) transfer(bytes32At(args, 0), bytes32At(args, 1), uint64At(args, 2))
  else if (name.equals(Bytes.ofAscii('balance_of'))) balanceOf(bytes32At(args, 0))
  else if (name.equals(Bytes.ofAscii('total_supply'))) totalSupply()
  else refuse()
}

/** `mint(bytes32 issuer, uint64 amount)`: fails if that is not the issuer, or if the supply would pass 2^64 - 1. */
function mint(issuer: Bytes, amount: u64): void {
  if (!hexEquals(issuerKey(), issuer)) refuse()
  issue(issuer, amount)
}

/** `transfer(bytes32 from, bytes32 to, uint64 amount)`: fails if `from` has less than `amount`. */
function transfer(from: Bytes, to: Bytes, amount: u64): void {
  const balance = readUint64(balanceKey(from))
  if (balance < amount) refuse()
  setBalance(from, balance - amount)
  // Read only now, so that a transfer to oneself changes nothing. No overflow: the balances add up to the supply.
  setBalance(to, readUint64(balanceKey(to)) + amount)
}

/** `balance_of(bytes32 account)` returns `uint64`: 0 for an account that never received anything. */
function balanceOf(account: Bytes): void {
  returnUint64(readUint64(balanceKey(account)))
}

/** `total_supply()` returns `uint64`. */
function totalSupply(): void {
  returnUint64(readUint64(supplyKey()))
}

/** New units for `account`. */
function issue(account: Bytes, amount: u64): void {
  const supply = readUint64(supplyKey())
  if (supply > u64.MAX_VALUE - amount) refuse()
  writeUint64(supplyKey(), supply + amount)
  setBalance(account, readUint64(balanceKey(account)) + amount)
}

function setBalance(account: Bytes, balance: u64): void {
  const key = balanceKey(account)
  if (balance == 0) remove(key)
  else writeUint64(key, balance)
}

function balanceKey(account: Bytes): Bytes {
  return Bytes.withCapacity(72).ascii('balance:').hex(account)
}

function issuerKey(): Bytes {
  return Bytes.ofAscii('issuer')
}

function supplyKey(): Bytes {
  return Bytes.ofAscii('supply')
}
