import {
  Address,
  Bytes,
  EthereumContract,
  encrypt,
  generateKey,
  log,
  randomNumber,
  revert,
  StateList,
  StateMap,
  StateValue,
  U256,
} from '@bletchley/contract/assembly'

let left: u32 = 0
let returned: u32 = 0

/** Recursion whose frames cost the documented limits little, and the engine's stack a lot. */
function descend(): void {
  if (left == 0) return
  left--
  descend()
  returned++
}

@tuple
export class Named {
  constructor(
    public number: U256,
    public text: string,
  ) {}
}

class Bridge extends EthereumContract {
  notify(amount: U256): void {
    const args = this.beginCall(1)
    args.write<U256>(amount)
    this.sendCall(0x01020304, args)
  }
}

/** Does one thing of each kind that the test kit shows. */
@contract
export class Sampler {
  amount: StateValue<U256>
  owner: StateValue<Address>
  ratio: StateValue<string>
  small: StateMap<string, u32>
  items: StateList<u64>

  constructor(owner: Address, amount: U256) {
    if (amount.isZero()) revert('nothing')
    this.owner.set(owner)
    this.amount.set(amount)
  }

  setAmount(amount: U256): void {
    this.amount.set(amount)
  }

  push(value: u64): void {
    this.items.push(value)
  }

  named(): Named {
    return new Named(this.amount.get(), 'hello')
  }

  echo(text: string, list: u32[]): u32[] {
    log(text)
    return list
  }

  dice(): u64 {
    return randomNumber<u64>()
  }

  luckAt(depth: u32): u64 {
    const drawn = randomNumber<u64>()
    this.recurse(depth)
    return drawn
  }

  seal(message: Bytes): Bytes {
    return encrypt(generateKey(), message)
  }

  notify(to: Address, amount: U256): void {
    new Bridge(to).notify(amount)
  }

  recurse(depth: u32): u32 {
    left = depth
    descend()
    return returned
  }
}
