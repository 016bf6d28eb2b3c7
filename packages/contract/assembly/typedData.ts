import { TupleWriter } from './abi'
import { utf8 } from './bytes'
import { Bytes32 } from './fixedBytes'
import { keccak256, keccakAt } from './keccak'
import { keep, openMemory } from './memory'

/**
 * A message as Ethereum's wallets show it to their users and sign it: typed structured data (EIP-712). The members are
 * added in the order of the type; of a string or of bytes, its hash is.
 */
@final
export class TypedData {
  private members: TupleWriter
  private start: usize
  private end: usize

  /**
   * @param type  `Name(type name,type name)`
   * @param count how many members it has
   */
  constructor(type: string, count: i32) {
    const typeHash = keccak256(utf8(type))
    const members = new TupleWriter(count + 1)
    members.write<Bytes32>(typeHash)
    this.members = members
    this.start = openMemory()
    this.end = members.end
    // Each member is one word, so the place of all of them is known.
    keep(members.end)
  }

  add<T>(value: T): void {
    this.members.write<T>(value)
  }

  /** The hash of the message alone. */
  hash(): Bytes32 {
    return keccakAt(this.start, this.end - this.start)
  }

  /** What is signed. @param domain of `typedDataDomain` */
  digest(domain: Bytes32): Bytes32 {
    const hash = this.hash()
    const bytes = new StaticArray<u8>(66)
    const at = changetype<usize>(bytes)
    store<u16>(at, 0x0119)
    memory.copy(at + 2, domain.pointer, 32)
    memory.copy(at + 34, hash.pointer, 32)
    return keccak256(bytes)
  }
}

/**
 * The domain of messages: those of one contract mean nothing to another.
 *
 * @param name what the wallet shows to the user
 * @param salt of the contract alone, such as a random number of its constructor: it does not know its own address
 */
export function typedDataDomain(name: string, salt: Bytes32): Bytes32 {
  const nameHash = keccak256(utf8(name))
  const domain = new TypedData('EIP712Domain(string name,bytes32 salt)', 2)
  domain.add(nameHash)
  domain.add(salt)
  return domain.hash()
}
