import { copyWords, openMemory, openObject, reserve } from './memory'
import { revert } from './revert'
import { asciiText } from './text'

/**
 * An unsigned number of 256 bits, Solidity's `uint256`. Values never change; arithmetic that leaves the range reverts.
 * Sums, differences and comparisons cost the same gas whatever the numbers are.
 */
@final
export class U256 {
  /** Limbs of 64 bits, the least significant first. */
  constructor(
    readonly a: u64 = 0,
    readonly b: u64 = 0,
    readonly c: u64 = 0,
    readonly d: u64 = 0,
  ) {}

  static get zero(): U256 {
    return new U256()
  }

  static get max(): U256 {
    return new U256(-1, -1, -1, -1)
  }

  /** The compiler calls `fromSigned` instead where a number has a sign. */
  static from(value: u64): U256 {
    return new U256(value)
  }

  /** Reverts if the number is negative. */
  static fromSigned(value: i64): U256 {
    if (value < 0) revert('U256: a negative number')
    return new U256(value)
  }

  isZero(): bool {
    return (this.a | this.b | this.c | this.d) == 0
  }

  /** The value as a u64; reverts if it does not fit. */
  toU64(): u64 {
    if ((this.b | this.c | this.d) != 0) revert('U256: does not fit into 64 bits')
    return this.a
  }

  @operator('==')
  equals(other: U256): bool {
    return ((this.a ^ other.a) | (this.b ^ other.b) | (this.c ^ other.c) | (this.d ^ other.d)) == 0
  }

  @operator('!=')
  differs(other: U256): bool {
    return !this.equals(other)
  }

  @operator('<')
  isLess(other: U256): bool {
    let borrow = <u64>(this.a < other.a)
    borrow = <u64>(this.b < other.b) | (<u64>(this.b == other.b) & borrow)
    borrow = <u64>(this.c < other.c) | (<u64>(this.c == other.c) & borrow)
    borrow = <u64>(this.d < other.d) | (<u64>(this.d == other.d) & borrow)
    return borrow != 0
  }

  @operator('>')
  isGreater(other: U256): bool {
    return other.isLess(this)
  }

  @operator('<=')
  isAtMost(other: U256): bool {
    return !other.isLess(this)
  }

  @operator('>=')
  isAtLeast(other: U256): bool {
    return !this.isLess(other)
  }

  @operator('+')
  plus(other: U256): U256 {
    const a = this.a + other.a
    let carry = <u64>(a < this.a)
    const b0 = this.b + other.b
    const b = b0 + carry
    carry = <u64>(b0 < this.b) | <u64>(b < b0)
    const c0 = this.c + other.c
    const c = c0 + carry
    carry = <u64>(c0 < this.c) | <u64>(c < c0)
    const d0 = this.d + other.d
    const d = d0 + carry
    if (d0 < this.d || d < d0) revert('U256: sum is too large')
    return new U256(a, b, c, d)
  }

  @operator('-')
  minus(other: U256): U256 {
    if (this.isLess(other)) revert('U256: difference is negative')
    const a = this.a - other.a
    let borrow = <u64>(this.a < other.a)
    const b = this.b - other.b - borrow
    borrow = <u64>(this.b < other.b) | (<u64>(this.b == other.b) & borrow)
    const c = this.c - other.c - borrow
    borrow = <u64>(this.c < other.c) | (<u64>(this.c == other.c) & borrow)
    return new U256(a, b, c, this.d - other.d - borrow)
  }

  @operator('*')
  times(other: U256): U256 {
    const x = openMemory()
    reserve(x, 4 * 32)
    const y = x + 32
    const product = y + 32
    putDigits(x, this)
    putDigits(y, other)
    clear(product)
    clear(product + 32)
    const length = digitCount(x)
    const otherLength = digitCount(y)
    for (let i = 0; i < length; i++) {
      const factor = digit(x, i)
      let carry: u64 = 0
      for (let j = 0; j < otherLength; j++) {
        const sum = factor * digit(y, j) + digit(product, i + j) + carry
        setDigit(product, i + j, sum)
        carry = sum >> 32
      }
      setDigit(product, i + otherLength, carry)
    }
    if (digitCount(product + 32) > 0) revert('U256: product is too large')
    return takeDigits(product)
  }

  @operator('/')
  dividedBy(other: U256): U256 {
    return divide(this, other, false)
  }

  @operator('%')
  modulo(other: U256): U256 {
    return divide(this, other, true)
  }

  /** Bits that leave the range at the top are lost. */
  @operator('<<')
  shiftedLeft(bits: i32): U256 {
    let value: U256 = this
    if (<u32>bits >= 256) return beyond(bits)
    for (; bits >= 64; bits -= 64) value = new U256(0, value.a, value.b, value.c)
    if (bits == 0) return value
    const up = <u64>bits
    const down = 64 - up
    return new U256(
      value.a << up,
      (value.b << up) | (value.a >> down),
      (value.c << up) | (value.b >> down),
      (value.d << up) | (value.c >> down),
    )
  }

  @operator('>>')
  shiftedRight(bits: i32): U256 {
    let value: U256 = this
    if (<u32>bits >= 256) return beyond(bits)
    for (; bits >= 64; bits -= 64) value = new U256(value.b, value.c, value.d, 0)
    if (bits == 0) return value
    const down = <u64>bits
    const up = 64 - down
    return new U256(
      (value.a >> down) | (value.b << up),
      (value.b >> down) | (value.c << up),
      (value.c >> down) | (value.d << up),
      value.d >> down,
    )
  }

  /** Decimal digits. */
  toString(): string {
    const at = openObject() + maxDecimalDigits
    return asciiText(at, putDecimalU256(at, this))
  }
}

/** Of 2^256 - 1, and two more. */
const maxDecimalDigits: usize = 80

/** Writes decimal digits to open memory; returns where they end. */
export function putDecimalU256(to: usize, value: U256): usize {
  reserve(to, 3 * maxDecimalDigits)
  const rest = to + 2 * maxDecimalDigits
  putDigits(rest, value)
  // From the last digit on, nine at a time, behind the room of all of them, and then to their place.
  let at = rest
  let count = digitCount(rest)
  do {
    let group = divideInPlace(rest, count, 1_000_000_000)
    count = digitCount(rest)
    let digits = 0
    do {
      const tenth = group / 10
      store<u8>(--at, 48 + (group - 10 * tenth))
      group = tenth
      digits++
    } while (group > 0 || (count > 0 && digits < 9))
  } while (count > 0)
  copyWords(to, at, rest - at)
  return to + (rest - at)
}

function beyond(bits: i32): U256 {
  if (bits < 0) revert('U256: a negative shift')
  return U256.zero
}

// Long arithmetic is done in open memory, on numbers of eight digits of 32 bits, the least significant first.

@inline
function digit(number: usize, index: i32): u64 {
  return <u64>load<u32>(number + (<usize>index << 2))
}

@inline
function setDigit(number: usize, index: i32, value: u64): void {
  store<u32>(number + (<usize>index << 2), <u32>value)
}

function putDigits(at: usize, value: U256): void {
  store<u64>(at, value.a)
  store<u64>(at, value.b, 8)
  store<u64>(at, value.c, 16)
  store<u64>(at, value.d, 24)
}

function takeDigits(at: usize): U256 {
  return new U256(load<u64>(at), load<u64>(at, 8), load<u64>(at, 16), load<u64>(at, 24))
}

function clear(at: usize): void {
  store<u64>(at, 0)
  store<u64>(at, 0, 8)
  store<u64>(at, 0, 16)
  store<u64>(at, 0, 24)
}

/** How many digits count: the last of them is not zero. */
function digitCount(number: usize): i32 {
  let count = 8
  while (count > 0 && digit(number, count - 1) == 0) count--
  return count
}

/** Long division (Knuth, The Art of Computer Programming 2, 4.3.1, algorithm D). */
function divide(numerator: U256, denominator: U256, wantsRemainder: bool): U256 {
  if (denominator.isZero()) revert('U256: division by zero')
  if (numerator.isLess(denominator)) return wantsRemainder ? numerator : U256.zero
  if ((numerator.b | numerator.c | numerator.d) == 0) {
    return new U256(wantsRemainder ? numerator.a % denominator.a : numerator.a / denominator.a)
  }
  if ((denominator.b | denominator.c | denominator.d | (denominator.a >> 32)) == 0) {
    return divideByDigit(numerator, denominator.a, wantsRemainder)
  }
  // Scaled so that the first digit of the divisor is large, each digit of the quotient is guessed at most two too high.
  const shift = <i32>clz<u64>(denominator.d || denominator.c || denominator.b || denominator.a) & 31
  const scaledNumerator = numerator << shift
  const scaledDenominator = denominator << shift
  const quotient = openMemory()
  const divisor = quotient + 32
  const rest = divisor + 32
  reserve(quotient, 32 + 32 + 40)
  clear(quotient)
  putDigits(divisor, scaledDenominator)
  putDigits(rest, scaledNumerator)
  setDigit(rest, 8, shift == 0 ? 0 : numerator.d >> (64 - shift))
  const n = digitCount(divisor)
  const first = digit(divisor, n - 1)
  const second = digit(divisor, n - 2)
  for (let j = 8 - n; j >= 0; j--) {
    const part = (digit(rest, j + n) << 32) | digit(rest, j + n - 1)
    let guess = part / first
    let left = part - guess * first
    while (guess > 0xffff_ffff || guess * second > ((left << 32) | digit(rest, j + n - 2))) {
      guess--
      left += first
      if (left > 0xffff_ffff) break
    }
    let borrow: u64 = 0
    let carry: u64 = 0
    for (let i = 0; i < n; i++) {
      const product = guess * digit(divisor, i) + carry
      carry = product >> 32
      const difference = digit(rest, i + j) - (product & 0xffff_ffff) - borrow
      setDigit(rest, i + j, difference)
      borrow = difference >> 63
    }
    const last = digit(rest, j + n) - carry - borrow
    setDigit(rest, j + n, last)
    if (<i64>last < 0) {
      guess--
      carry = 0
      for (let i = 0; i < n; i++) {
        const sum = digit(rest, i + j) + digit(divisor, i) + carry
        setDigit(rest, i + j, sum)
        carry = sum >> 32
      }
      setDigit(rest, j + n, digit(rest, j + n) + carry)
    }
    setDigit(quotient, j, guess)
  }
  return wantsRemainder ? takeDigits(rest) >> shift : takeDigits(quotient)
}

function divideByDigit(numerator: U256, divisor: u64, wantsRemainder: bool): U256 {
  const quotient = openMemory()
  reserve(quotient, 32)
  putDigits(quotient, numerator)
  const rest = divideInPlace(quotient, 8, divisor)
  return wantsRemainder ? new U256(rest) : takeDigits(quotient)
}

/** Divides a number of `count` digits by one digit; returns the remainder. */
function divideInPlace(number: usize, count: i32, divisor: u64): u64 {
  let rest: u64 = 0
  for (let i = count - 1; i >= 0; i--) {
    const part = (rest << 32) | digit(number, i)
    const share = part / divisor
    setDigit(number, i, share)
    rest = part - share * divisor
  }
  return rest
}
