import { isDynamic, putWord, word } from './abi'
import { Bytes, utf8 } from './bytes'
import { present } from './elements'
import { Address, Bytes32 } from './fixedBytes'
import { keccak256, keccakAt } from './keccak'
import { keep, openMemory, reserve } from './memory'
import { revert } from './revert'
import { U256 } from './u256'

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
  /** Where the type of the next member stands in the text; -1 behind the last one. */
  private cursor: i32

  /**
   * @param type  `Name(type name,type name)`
   * @param count how many members it has; neither more nor fewer may be added
   */
  constructor(
    private type: string,
    count: i32,
  ) {
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
    const first = type.indexOf('(') + 1
    if (first < 2) malformed()
    this.cursor = first < type.length && unitAt(type, first) == closing ? -1 : first
  }

  /**
   * @param value what the text says of the next member, of a type of the ABI; of a struct within the message, the `hash()`
   *   of its own typed data
   */
  add<T>(value: T): void {
    const at = this.next
    if (at == this.end) miscounted()
    const type = this.nextType()
    if (!fits<T>(value, type, this.type)) {
      revert('typed data: the text says ' + type + ', and this ' + nameof<T>() + ' is none')
    }
    putMember<T>(at, value)
    this.next = at + word
  }

  /** The hash of the message alone. */
  hash(): Bytes32 {
    if (this.next != this.end) miscounted()
    if (this.cursor != -1) revert('typed data: its text has more members than were added')
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

  /** The type of the next member; moves the cursor to the one behind. */
  private nextType(): string {
    const text = this.type
    const start = this.cursor
    if (start == -1) revert('typed data: its text has fewer members than were added')
    const length = text.length
    let space = start
    for (let at = start; at < length; at++) {
      const code = unitAt(text, at)
      if (code == blank) {
        if (space != start || at == start) malformed()
        space = at
      } else if (code == comma || code == closing) {
        if (space == start || at == space + 1) malformed()
        this.cursor = code == comma ? at + 1 : -1
        break
      }
    }
    if (this.cursor == start) malformed()
    return text.substring(start, space)
  }
}

/** Of UTF-16. @param at less than the length */
@inline
function unitAt(text: string, at: i32): u16 {
  return load<u16>(changetype<usize>(text) + ((<usize>at) << 1))
}

const blank: u16 = 0x20
const opening: u16 = 0x28
const closing: u16 = 0x29
const comma: u16 = 0x2c

function malformed(): void {
  revert('typed data: the text of a type is Name(type name,type name)')
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

/** Whether a wallet that reads the type signs this value. @param text with the definitions of structs */
function fits<T>(value: T, type: string, text: string): bool {
  if (isArray<T>()) {
    const bracket = type.lastIndexOf('[')
    if (bracket < 1 || !type.endsWith(']')) return false
    const length: i32 = value.length
    const size = type.substring(bracket + 1, type.length - 1)
    if (size.length > 0 && size != length.toString()) return false
    const elementType = type.substring(0, bracket)
    for (let i = 0; i < length; i++) {
      if (!fits<valueof<T>>(present<valueof<T>>(unchecked(value[i])), elementType, text)) return false
    }
    return true
  }
  if (isBoolean<T>()) return type == 'bool'
  if (isString<T>()) return type == 'string'
  if (isInteger<T>()) {
    const bits = bitsOf(type)
    const isNegative = isSigned<T>() && value < 0
    const room = isUnsigned(type) ? bits : bits - 1
    if (bits == 0 || (isNegative && room == bits)) return false
    return above(isNegative ? ~(<u64>value) : <u64>value, room) == 0
  }
  if (idof<T>() == idof<U256>()) {
    const bits = bitsOf(type)
    // Of 256 bits, a contract may count in two's complement.
    if (bits == 0 || bits == 256) return bits != 0
    const room = isUnsigned(type) ? bits : bits - 1
    const number = changetype<U256>(value)
    const high = above(number.b, room - 64) | above(number.c, room - 128) | above(number.d, room - 192)
    return (above(number.a, room) | high) == 0
  }
  if (idof<T>() == idof<Bytes>()) return type == 'bytes'
  if (idof<T>() == idof<Address>()) return type == 'address'
  if (idof<T>() == idof<Bytes32>()) return isWord(type, text)
  return type == 'bytes' + offsetof<T>().toString()
}

/** What a limb has beyond some bits, of which it may have none. */
function above(limb: u64, bits: i32): u64 {
  return bits >= 64 ? 0 : limb >> <u64>max(bits, 0)
}

@inline
function isUnsigned(type: string): bool {
  return unitAt(type, 0) == 0x75
}

/** Of a type of numbers, such as `uint256`; 0 of all other types. */
function bitsOf(type: string): i32 {
  const digits = isUnsigned(type) ? 4 : 3
  if (!type.startsWith(digits == 4 ? 'uint' : 'int')) return 0
  let bits = 0
  for (let at = digits; at < type.length; at++) {
    const digit = <i32>unitAt(type, at) - 0x30
    if (digit < 0 || digit > 9 || bits > 25 || (bits == 0 && digit == 0)) return 0
    bits = 10 * bits + digit
  }
  return bits % 8 == 0 && bits <= 256 ? bits : 0
}

/**
 * The text of a type; reverts unless it is what a wallet makes of its types. The compiler puts it around a text that it
 * does not know. `src/typedText.ts` asks the same of the others.
 */
@global
export function __checkedType(text: string): string {
  const names: string[] = []
  /** Of each struct, those of its members. */
  const types: string[][] = []
  for (let at = 0; at < text.length || at == 0; ) {
    const opened = nameEnd(text, at)
    const name = text.substring(at, opened)
    at = behind(text, opened, opening)
    const members: string[] = []
    const within: string[] = []
    let isLast = at < text.length && unitAt(text, at) == closing
    while (!isLast) {
      const typed = nameEnd(text, at)
      within.push(text.substring(at, typed))
      const named = behind(text, sizesEnd(text, typed), blank)
      const end = nameEnd(text, named)
      const member = text.substring(named, end)
      if (members.includes(member)) revert('typed data: two members of ' + name + ' have one name')
      members.push(member)
      isLast = end < text.length && unitAt(text, end) == closing
      at = isLast ? end : behind(text, end, comma)
    }
    at++
    names.push(name)
    types.push(within)
  }
  requireStructs(names, types)
  return text
}

/** @param types of the members of each */
function requireStructs(names: string[], types: string[][]): void {
  const count = names.length
  for (let i = 1; i < count; i++) {
    if (names[i] == names[0] || (i > 1 && names[i] <= names[i - 1])) {
      revert('typed data: structs within stand behind in the order of their names, each once')
    }
  }
  /** Those that the type is made of, the type first. */
  const used: string[] = [names[0]]
  for (let i = 0; i < used.length; i++) {
    const members = types[names.indexOf(used[i])]
    for (let j = 0; j < members.length; j++) {
      const type = members[j]
      if (isElementary(type) || used.includes(type)) continue
      if (!names.includes(type)) {
        revert('typed data: ' + type + ' is no type of typed data, which are written as uint256, and no struct defined behind')
      }
      used.push(type)
    }
  }
  for (let i = 0; i < count; i++) {
    if (isElementary(names[i]) || !used.includes(names[i])) {
      revert('typed data: ' + names[i] + ' is no struct that the type is made of')
    }
  }
}

/** Behind a name of a struct, a type or a member; reverts if there is none. */
function nameEnd(text: string, start: i32): i32 {
  let at = start
  for (; at < text.length; at++) {
    const code = unitAt(text, at)
    const isLetter = isWithin(code | 0x20, 0x61, 0x7a) || code == 0x5f || code == 0x24
    if (!isLetter && (at == start || !isDigit(code))) break
  }
  if (at == start) malformed()
  return at
}

/** Behind what makes a list of a type: `[2][]`. */
function sizesEnd(text: string, at: i32): i32 {
  while (at < text.length && unitAt(text, at) == 0x5b) {
    at++
    while (at < text.length && isDigit(unitAt(text, at))) at++
    at = behind(text, at, 0x5d)
  }
  return at
}

/** Behind a unit of the text; reverts if another one is there. */
function behind(text: string, at: i32, unit: u16): i32 {
  if (at >= text.length || unitAt(text, at) != unit) malformed()
  return at + 1
}

@inline
function isDigit(code: u16): bool {
  return isWithin(code, 0x30, 0x39)
}

@inline
function isWithin(code: u16, first: u16, last: u16): bool {
  return code >= first && code <= last
}

function isElementary(type: string): bool {
  if (bitsOf(type) != 0 || type == 'bool' || type == 'address' || type == 'string' || type == 'bytes') return true
  if (!type.startsWith('bytes') || type.length > 7 || unitAt(type, 5) == 0x30) return false
  let size: i32 = 0
  for (let at = 5; at < type.length; at++) {
    if (!isDigit(unitAt(type, at))) return false
    size = 10 * size + <i32>unitAt(type, at) - 0x30
  }
  return size <= 32
}

/** Whether all 32 bytes of a member's word are its own: a hash, among others. */
function isWord(type: string, text: string): bool {
  if (type == 'bytes32' || type == 'string' || type == 'bytes' || type.endsWith(']') || bitsOf(type) == 256) return true
  return text.startsWith(type + '(') || text.includes(')' + type + '(')
}

/**
 * The domain of messages: those of one contract mean nothing to another.
 *
 * @param name what the wallet shows to the user
 * @param salt of the contract alone, such as a random number of its constructor: it does not know its own address
 */
export function typedDataDomain(name: string, salt: Bytes32): Bytes32 {
  const words = new StaticArray<u8>(3 * <i32>word)
  const at = changetype<usize>(words)
  putWord<Bytes32>(at, keccak256(utf8('EIP712Domain(string name,bytes32 salt)')))
  putWord<Bytes32>(at + word, keccak256(utf8(name)))
  putWord<Bytes32>(at + 2 * word, salt)
  return keccak256(words)
}
