// State values, as the worker keeps them: compact JSON. The shapes are those of the Rust library (runtime rules, 6.4), so
// that contracts of both can read each other's state: a U256 is four limbs, bytes are an array of numbers, a class with
// `@tuple` is an object by the names of its fields, as a struct is. The compiler gives such a class two methods,
// `__putJson` and `__readJson`, which are made of the functions that are exported here.
import { Bytes } from './bytes'
import { present } from './elements'
import { putUtf8, putUtf16, utf8Size, utf16Size } from './textEncoding'
import { FixedBytes } from './fixedBytes'
import { copyWords, keepObject, openObject, reserve } from './memory'
import { revert, utf16At } from './revert'
import { putDecimal, utf8At } from './text'
import { U256 } from './u256'

/** Room for the longest number, and for what it takes to write it. */
const numberRoom: usize = 64

/** Writes a value to open memory; returns where it ends. */
export function putJson<T>(to: usize, value: T): usize {
  if (isBoolean<T>()) {
    reserve(to, 8)
    // "true" or "fals" and "e", as they lie in memory.
    store<u32>(to, value ? 0x65757274 : 0x736c6166)
    if (value) return to + 4
    store<u8>(to, 101, 4)
    return to + 5
  }
  if (isInteger<T>()) {
    reserve(to, numberRoom)
    if (isSigned<T>() && value < <T>0) {
      store<u8>(to, 45)
      return putDecimal(to + 1, 0 - <u64>value)
    }
    return putDecimal(to, <u64>value)
  }
  if (isString<T>()) {
    return putQuoted(to, value)
  }
  if (isArray<T>()) {
    const length: i32 = value.length
    reserve(to, 2)
    store<u8>(to++, 91)
    for (let i = 0; i < length; i++) {
      if (i > 0) store<u8>(to++, 44)
      to = putJson<valueof<T>>(to, present<valueof<T>>(unchecked(value[i])))
    }
    // Each value leaves room for what follows.
    store<u8>(to, 93)
    return to + 1
  }
  if (isReference<T>()) {
    if (idof<T>() == idof<U256>()) return putLimbs(to, changetype<U256>(value))
    if (idof<T>() == idof<Bytes>()) return putOctets(to, changetype<usize>(value), changetype<Bytes>(value).length)
    if (value instanceof FixedBytes) return putOctets(to, changetype<usize>(value), offsetof<T>())
    if (isDefined(value.__putJson)) return value.__putJson(to)
  }
  return ERROR('not a type of state values')
}

/** Writes text that stands for itself, as UTF-8. */
export function putPlain(to: usize, from: usize, size: usize): usize {
  reserve(to, size)
  copyWords(to, from, size)
  return to + size
}

function putLimbs(to: usize, value: U256): usize {
  reserve(to, 4 * numberRoom)
  store<u8>(to, 91)
  to = putDecimal(to + 1, value.a)
  store<u8>(to, 44)
  to = putDecimal(to + 1, value.b)
  store<u8>(to, 44)
  to = putDecimal(to + 1, value.c)
  store<u8>(to, 44)
  to = putDecimal(to + 1, value.d)
  store<u8>(to, 93)
  return to + 1
}

function putOctets(to: usize, from: usize, size: usize): usize {
  reserve(to, 4 * size + 2)
  store<u8>(to++, 91)
  const end = from + size
  while (from < end) {
    let value = <u32>load<u8>(from++)
    if (value > 9) {
      if (value > 99) {
        const hundreds: u32 = value > 199 ? 2 : 1
        store<u8>(to++, 48 + hundreds)
        value -= 100 * hundreds
      }
      // For numbers below 100, 103 / 1024 is a tenth.
      const tens = (value * 103) >> 10
      store<u8>(to++, 48 + tens)
      value -= 10 * tens
    }
    store<u8>(to++, 48 + value)
    if (from < end) store<u8>(to++, 44)
  }
  store<u8>(to, 93)
  return to + 1
}

/** Most of the characters that stand for themselves in one byte and need no closer look. */
@inline
function isPlain(code: u32): bool {
  return code - 35 < 93 && code != 92
}

function putQuoted(to: usize, text: string): usize {
  let at = changetype<usize>(text)
  const end = at + (<usize>text.length << 1)
  reserve(to, 6 * <usize>text.length + 2)
  store<u8>(to++, 34)
  while (at < end) {
    const unit = <u32>load<u16>(at)
    if (isPlain(unit)) {
      store<u8>(to++, unit)
      at += 2
      continue
    }
    const code = utf16At(at, end)
    at += utf16Size(code)
    if (code < 32) {
      store<u32>(to, 0x3030755c) // \u00
      store<u8>(to, 48 + (code >> 4), 4)
      store<u8>(to, (code & 15) + ((code & 15) < 10 ? 48 : 87), 5)
      to += 6
    } else {
      if (code == 34 || code == 92) store<u8>(to++, 92)
      to = putUtf8(to, code)
    }
  }
  store<u8>(to, 34)
  return to + 1
}

/** Where the value that is read goes on. A zero byte stands behind the text, which no value contains. */
let at: usize = 0
let end: usize = 0

/**
 * Reads a value from text that the worker has made: compact, escaped in one way only. Whatever does not fit the type
 * reverts.
 *
 * @param text with room for one byte more
 */
export function parseJson<T>(text: usize, size: usize): T {
  at = text
  end = text + size
  store<u8>(end, 0)
  const value = readValue<T>()
  if (at != end) wrongType()
  return value
}

function wrongType(): void {
  revert('state: a value of another type')
}

export function readValue<T>(): T {
  if (isBoolean<T>()) {
    const isTrue = load<u32>(at) == 0x65757274
    if (!isTrue && (load<u32>(at) != 0x736c6166 || load<u8>(at, 4) != 101)) wrongType()
    at += isTrue ? 4 : 5
    return <T>isTrue
  }
  if (isInteger<T>()) {
    if (!isSigned<T>()) return <T>readNumber(u64.MAX_VALUE >> (64 - 8 * sizeof<T>()))
    const bits = 8 * sizeof<T>() - 1
    const limit = (<u64>1) << bits
    if (load<u8>(at) != 45) return <T>readNumber(limit - 1)
    at++
    return <T>(0 - readNumber(limit))
  }
  if (isString<T>()) {
    return readQuoted()
  }
  if (isArray<T>()) {
    const values = instantiate<T>()
    expect(91)
    while (load<u8>(at) != 93) {
      if (values.length > 0) expect(44)
      values.push(readValue<valueof<T>>())
    }
    at++
    return values
  }
  if (isReference<T>()) {
    if (idof<T>() == idof<U256>()) return changetype<T>(readLimbs())
    if (idof<T>() == idof<Bytes>()) return changetype<T>(readOctets())
    if (isDefined(changetype<T>(0).__readJson)) {
      // The constructor is left out: each field is read.
      const value = changetype<T>(__new(offsetof<T>(), idof<T>()))
      value.__readJson()
      return value
    }
    const value = instantiate<T>()
    if (value instanceof FixedBytes) {
      expect(91)
      for (let i: usize = 0; i < offsetof<T>(); i++) {
        if (i > 0) expect(44)
        store<u8>(changetype<usize>(value) + i, readNumber(255))
      }
      expect(93)
      return value
    }
  }
  return ERROR('not a type of state values')
}

/** Reads a field of an object, also one that is readonly. */
@inline
export function readField<Owner, T>(object: Owner, offset: usize): void {
  store<T>(changetype<usize>(object) + offset, readValue<T>())
}

/** Reads what `putPlain` writes. The zero behind the text ends the comparison before it leaves the text. */
export function expectPlain(text: usize, size: usize): void {
  for (let i: usize = 0; i < size; i++) expect(load<u8>(text + i))
}

function expect(character: u32): void {
  if (<u32>load<u8>(at++) != character) wrongType()
}

function readNumber(limit: u64): u64 {
  const start = at
  let value: u64 = 0
  while (true) {
    // A byte below '0' wraps to a huge digit.
    const digit = <u64>load<u8>(at) - 48
    if (digit > 9) break
    // 19 digits always fit.
    if (at - start >= 19 && value > (u64.MAX_VALUE - digit) / 10) outOfRange()
    value = value * 10 + digit
    at++
  }
  if (at == start) wrongType()
  if (value > limit) outOfRange()
  return value
}

function outOfRange(): void {
  revert('state: a number is out of range')
}

function readLimbs(): U256 {
  expect(91)
  const a = readNumber(u64.MAX_VALUE)
  expect(44)
  const b = readNumber(u64.MAX_VALUE)
  expect(44)
  const c = readNumber(u64.MAX_VALUE)
  expect(44)
  const d = readNumber(u64.MAX_VALUE)
  expect(93)
  return new U256(a, b, c, d)
}

function readOctets(): Bytes {
  const start = openObject()
  reserve(start, end - at)
  let to = start
  expect(91)
  while (load<u8>(at) != 93) {
    if (to > start) expect(44)
    store<u8>(to++, readNumber(255))
  }
  at++
  return changetype<Bytes>(keepObject(to, idof<Bytes>()))
}

function readQuoted(): string {
  expect(34)
  let to = openObject()
  reserve(to, 2 * (end - at))
  while (true) {
    const byte = <u32>load<u8>(at)
    if (isPlain(byte)) {
      store<u16>(to, byte)
      to += 2
      at++
      continue
    }
    let code = utf8At(at, end)
    if (code == 34) break
    // The zero behind the text, if it is no text at all.
    if (code == 0) wrongType()
    at += utf8Size(code)
    if (code == 92) code = readEscape()
    to = putUtf16(to, code)
  }
  at++
  return changetype<string>(keepObject(to, idof<string>()))
}

/** What stands behind a backslash. */
function readEscape(): u32 {
  const letter = <u32>load<u8>(at++)
  if (letter == 98) return 8
  if (letter == 116) return 9
  if (letter == 110) return 10
  if (letter == 102) return 12
  if (letter == 114) return 13
  if (letter != 117) return letter
  // Only for control characters: \u00 and two digits.
  const high = <u32>load<u8>(at, 2) - 48
  const low = <u32>load<u8>(at, 3)
  at += 4
  return 16 * high + (low > 57 ? low - 87 : low - 48)
}
