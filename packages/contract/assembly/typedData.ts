import { isDynamic, putWord, word } from './abi'
import { Bytes, utf8 } from './bytes'
import { present } from './elements'
import { Bytes32 } from './fixedBytes'
import { keccak256, keccakAt } from './keccak'
import { keep, openMemory, reserve } from './memory'
import { revert } from './revert'

/** More words than a contract's memory has. */
const maxMembers: u32 = 1 << 18

/**
 * A message as Ethereum's wallets show it to their users and sign it: typed structured data (EIP-712). The members are
 * added in the order of the type, each as one word: of text, bytes and lists, their hash is.
 */
@final
export class TypedData {
  /** Where the words begin: the type's hash, and the members. */
  private start: usize
  /** Where the next member goes. */
  private next: usize
  private end: usize

  /**
   * @param type  `Name(type name,type name)`
   * @param count how many members it has; neither more nor fewer may be added
   */
  constructor(type: string, count: i32) {
    if (<u32>count >= maxMembers) miscounted()
    const typeHash = keccak256(utf8(type))
    const start = openMemory()
    const end = start + word + word * count
    reserve(start, end - start)
    putWord<Bytes32>(start, typeHash)
    keep(end)
    this.start = start
    this.next = start + word
    this.end = end
  }

  /** @param value of a type of the ABI; of a struct within the message, the `hash()` of its own typed data */
  add<T>(value: T): void {
    const at = this.next
    if (at == this.end) miscounted()
    putMember<T>(at, value)
    this.next = at + word
  }

  /** The hash of the message alone. */
  hash(): Bytes32 {
    if (this.next != this.end) miscounted()
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

function miscounted(): void {
  revert('typed data: members do not fit its count')
}

/** Writes a member as EIP-712 encodes it: in one word, which for what has a length of its own is a hash. */
function putMember<T>(at: usize, value: T): void {
  if (!isDynamic<T>()) putWord<T>(at, value)
  else putWord<Bytes32>(at, contentHash<T>(value))
}

function contentHash<T>(value: T): Bytes32 {
  if (isString<T>()) {
    return keccak256(utf8(value))
  }
  if (isArray<T>()) {
    const length: i32 = value.length
    const words = new StaticArray<u8>(length * <i32>word)
    let at = changetype<usize>(words)
    for (let i = 0; i < length; i++) {
      putMember<valueof<T>>(at, present<valueof<T>>(unchecked(value[i])))
      at += word
    }
    return keccak256(words)
  }
  return keccak256(changetype<Bytes>(value))
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
