// ECDSA on secp256k1, as Ethereum uses it: who signed? A recovery costs 3.1 million gas on average, nearly all of it for
// the products below.
//
// Nothing here is secret (a signature, a message, a public key), so nothing takes care to cost the same for all of them.
//
// A field element (mod p = 2^256 - 2^32 - 977) is nine limbs of 29 bits, the least significant first, in 72 bytes. Limbs
// are signed and may be somewhat larger, so that sums and differences need no carries. Limbs of a product are between 0
// and 2^29, or a thousandth outside. Limbs of factors may be larger as long as no sum of products reaches 2^63: with limbs
// in units of 2^29, as long as a · b, or a · b + c · d, is at most 3. In the formulas of the group no sum exceeds 2^62.2.
//
// Numbers modulo the order of the group, and what is read and written, are four words of 64 bits.
import { Bytes } from './bytes'
import { Address, Bytes32 } from './fixedBytes'
import { keccak256 } from './keccak'
import { keep, openMemory, reserve } from './memory'
import { revert } from './revert'

@inline
const elementSize: usize = 72

/** A point is three elements X, Y and Z, and stands for (X / Z, Y / Z); the neutral point has Z = 0. */
@inline
const pointSize: usize = 3 * elementSize

@inline
const mask: i64 = (1 << 29) - 1

/** 2^261 is `low` + 2^37 modulo p. */
@inline
const low: i64 = 977 << 5

/** to = the number whose limbs c0 to c16 are too large. */
function reduce(
  to: usize,
  c0: i64, c1: i64, c2: i64, c3: i64, c4: i64, c5: i64, c6: i64, c7: i64, c8: i64,
  c9: i64, c10: i64, c11: i64, c12: i64, c13: i64, c14: i64, c15: i64, c16: i64,
): void {
  const h0 = c9 & mask
  c10 += c9 >> 29
  const h1 = c10 & mask
  c11 += c10 >> 29
  const h2 = c11 & mask
  c12 += c11 >> 29
  const h3 = c12 & mask
  c13 += c12 >> 29
  const h4 = c13 & mask
  c14 += c13 >> 29
  const h5 = c14 & mask
  c15 += c14 >> 29
  const h6 = c15 & mask
  c16 += c15 >> 29
  const h7 = c16 & mask
  const h8 = c16 >> 29
  c0 += h0 * low
  c1 += (c0 >> 29) + h1 * low + (h0 << 8)
  c2 += (c1 >> 29) + h2 * low + (h1 << 8)
  c3 += (c2 >> 29) + h3 * low + (h2 << 8)
  c4 += (c3 >> 29) + h4 * low + (h3 << 8)
  c5 += (c4 >> 29) + h5 * low + (h4 << 8)
  c6 += (c5 >> 29) + h6 * low + (h5 << 8)
  c7 += (c6 >> 29) + h7 * low + (h6 << 8)
  c8 += (c7 >> 29) + h8 * low + (h7 << 8)
  const over = (c8 >> 29) + (h8 << 8)
  c0 = (c0 & mask) + over * low
  c1 = (c1 & mask) + (c0 >> 29) + (over << 8)
  store<i64>(to, c0 & mask)
  store<i64>(to, c1 & mask, 8)
  store<i64>(to, (c2 & mask) + (c1 >> 29), 16)
  store<i64>(to, c3 & mask, 24)
  store<i64>(to, c4 & mask, 32)
  store<i64>(to, c5 & mask, 40)
  store<i64>(to, c6 & mask, 48)
  store<i64>(to, c7 & mask, 56)
  store<i64>(to, c8 & mask, 64)
}

/** to = a · b */
function multiply(to: usize, a: usize, b: usize): void {
  const a0 = load<i64>(a)
  const a1 = load<i64>(a, 8)
  const a2 = load<i64>(a, 16)
  const a3 = load<i64>(a, 24)
  const a4 = load<i64>(a, 32)
  const a5 = load<i64>(a, 40)
  const a6 = load<i64>(a, 48)
  const a7 = load<i64>(a, 56)
  const a8 = load<i64>(a, 64)
  const b0 = load<i64>(b)
  const b1 = load<i64>(b, 8)
  const b2 = load<i64>(b, 16)
  const b3 = load<i64>(b, 24)
  const b4 = load<i64>(b, 32)
  const b5 = load<i64>(b, 40)
  const b6 = load<i64>(b, 48)
  const b7 = load<i64>(b, 56)
  const b8 = load<i64>(b, 64)
  reduce(
    to,
    a0 * b0,
    a0 * b1 + a1 * b0,
    a0 * b2 + a1 * b1 + a2 * b0,
    a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0,
    a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0,
    a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0,
    a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1 + a6 * b0,
    a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1 + a7 * b0,
    a0 * b8 + a1 * b7 + a2 * b6 + a3 * b5 + a4 * b4 + a5 * b3 + a6 * b2 + a7 * b1 + a8 * b0,
    a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3 + a7 * b2 + a8 * b1,
    a2 * b8 + a3 * b7 + a4 * b6 + a5 * b5 + a6 * b4 + a7 * b3 + a8 * b2,
    a3 * b8 + a4 * b7 + a5 * b6 + a6 * b5 + a7 * b4 + a8 * b3,
    a4 * b8 + a5 * b7 + a6 * b6 + a7 * b5 + a8 * b4,
    a5 * b8 + a6 * b7 + a7 * b6 + a8 * b5,
    a6 * b8 + a7 * b7 + a8 * b6,
    a7 * b8 + a8 * b7,
    a8 * b8,
  )
}

/** to = a² */
function square(to: usize, a: usize): void {
  const a0 = load<i64>(a)
  const a1 = load<i64>(a, 8)
  const a2 = load<i64>(a, 16)
  const a3 = load<i64>(a, 24)
  const a4 = load<i64>(a, 32)
  const a5 = load<i64>(a, 40)
  const a6 = load<i64>(a, 48)
  const a7 = load<i64>(a, 56)
  const a8 = load<i64>(a, 64)
  const d0 = 2 * a0
  const d1 = 2 * a1
  const d2 = 2 * a2
  const d3 = 2 * a3
  const d4 = 2 * a4
  const d5 = 2 * a5
  const d6 = 2 * a6
  const d7 = 2 * a7
  reduce(
    to,
    a0 * a0,
    d0 * a1,
    d0 * a2 + a1 * a1,
    d0 * a3 + d1 * a2,
    d0 * a4 + d1 * a3 + a2 * a2,
    d0 * a5 + d1 * a4 + d2 * a3,
    d0 * a6 + d1 * a5 + d2 * a4 + a3 * a3,
    d0 * a7 + d1 * a6 + d2 * a5 + d3 * a4,
    d0 * a8 + d1 * a7 + d2 * a6 + d3 * a5 + a4 * a4,
    d1 * a8 + d2 * a7 + d3 * a6 + d4 * a5,
    d2 * a8 + d3 * a7 + d4 * a6 + a5 * a5,
    d3 * a8 + d4 * a7 + d5 * a6,
    d4 * a8 + d5 * a7 + a6 * a6,
    d5 * a8 + d6 * a7,
    d6 * a8 + a7 * a7,
    d7 * a8,
    a8 * a8,
  )
}

/** to = a · b + c · d */
function multiplyTwice(to: usize, a: usize, b: usize, c: usize, d: usize): void {
  const a0 = load<i64>(a)
  const a1 = load<i64>(a, 8)
  const a2 = load<i64>(a, 16)
  const a3 = load<i64>(a, 24)
  const a4 = load<i64>(a, 32)
  const a5 = load<i64>(a, 40)
  const a6 = load<i64>(a, 48)
  const a7 = load<i64>(a, 56)
  const a8 = load<i64>(a, 64)
  const b0 = load<i64>(b)
  const b1 = load<i64>(b, 8)
  const b2 = load<i64>(b, 16)
  const b3 = load<i64>(b, 24)
  const b4 = load<i64>(b, 32)
  const b5 = load<i64>(b, 40)
  const b6 = load<i64>(b, 48)
  const b7 = load<i64>(b, 56)
  const b8 = load<i64>(b, 64)
  const c0 = load<i64>(c)
  const c1 = load<i64>(c, 8)
  const c2 = load<i64>(c, 16)
  const c3 = load<i64>(c, 24)
  const c4 = load<i64>(c, 32)
  const c5 = load<i64>(c, 40)
  const c6 = load<i64>(c, 48)
  const c7 = load<i64>(c, 56)
  const c8 = load<i64>(c, 64)
  const d0 = load<i64>(d)
  const d1 = load<i64>(d, 8)
  const d2 = load<i64>(d, 16)
  const d3 = load<i64>(d, 24)
  const d4 = load<i64>(d, 32)
  const d5 = load<i64>(d, 40)
  const d6 = load<i64>(d, 48)
  const d7 = load<i64>(d, 56)
  const d8 = load<i64>(d, 64)
  reduce(
    to,
    a0 * b0 + c0 * d0,
    a0 * b1 + a1 * b0 + c0 * d1 + c1 * d0,
    a0 * b2 + a1 * b1 + a2 * b0 + c0 * d2 + c1 * d1 + c2 * d0,
    a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + c0 * d3 + c1 * d2 + c2 * d1 + c3 * d0,
    a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0 + c0 * d4 + c1 * d3 + c2 * d2 + c3 * d1 + c4 * d0,
    a0 * b5 + a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1 + a5 * b0 +
      c0 * d5 + c1 * d4 + c2 * d3 + c3 * d2 + c4 * d1 + c5 * d0,
    a0 * b6 + a1 * b5 + a2 * b4 + a3 * b3 + a4 * b2 + a5 * b1 + a6 * b0 +
      c0 * d6 + c1 * d5 + c2 * d4 + c3 * d3 + c4 * d2 + c5 * d1 + c6 * d0,
    a0 * b7 + a1 * b6 + a2 * b5 + a3 * b4 + a4 * b3 + a5 * b2 + a6 * b1 + a7 * b0 +
      c0 * d7 + c1 * d6 + c2 * d5 + c3 * d4 + c4 * d3 + c5 * d2 + c6 * d1 + c7 * d0,
    a0 * b8 + a1 * b7 + a2 * b6 + a3 * b5 + a4 * b4 + a5 * b3 + a6 * b2 + a7 * b1 + a8 * b0 +
      c0 * d8 + c1 * d7 + c2 * d6 + c3 * d5 + c4 * d4 + c5 * d3 + c6 * d2 + c7 * d1 + c8 * d0,
    a1 * b8 + a2 * b7 + a3 * b6 + a4 * b5 + a5 * b4 + a6 * b3 + a7 * b2 + a8 * b1 +
      c1 * d8 + c2 * d7 + c3 * d6 + c4 * d5 + c5 * d4 + c6 * d3 + c7 * d2 + c8 * d1,
    a2 * b8 + a3 * b7 + a4 * b6 + a5 * b5 + a6 * b4 + a7 * b3 + a8 * b2 +
      c2 * d8 + c3 * d7 + c4 * d6 + c5 * d5 + c6 * d4 + c7 * d3 + c8 * d2,
    a3 * b8 + a4 * b7 + a5 * b6 + a6 * b5 + a7 * b4 + a8 * b3 +
      c3 * d8 + c4 * d7 + c5 * d6 + c6 * d5 + c7 * d4 + c8 * d3,
    a4 * b8 + a5 * b7 + a6 * b6 + a7 * b5 + a8 * b4 + c4 * d8 + c5 * d7 + c6 * d6 + c7 * d5 + c8 * d4,
    a5 * b8 + a6 * b7 + a7 * b6 + a8 * b5 + c5 * d8 + c6 * d7 + c7 * d6 + c8 * d5,
    a6 * b8 + a7 * b7 + a8 * b6 + c6 * d8 + c7 * d7 + c8 * d6,
    a7 * b8 + a8 * b7 + c7 * d8 + c8 * d7,
    a8 * b8 + c8 * d8,
  )
}

/** to = a + factor · b, with limbs as those of a product. */
function addScaled(to: usize, a: usize, b: usize, factor: i64): void {
  let c = load<i64>(a) + factor * load<i64>(b)
  const c0 = c & mask
  c = (c >> 29) + load<i64>(a, 8) + factor * load<i64>(b, 8)
  const c1 = c & mask
  c = (c >> 29) + load<i64>(a, 16) + factor * load<i64>(b, 16)
  store<i64>(to, c & mask, 16)
  c = (c >> 29) + load<i64>(a, 24) + factor * load<i64>(b, 24)
  store<i64>(to, c & mask, 24)
  c = (c >> 29) + load<i64>(a, 32) + factor * load<i64>(b, 32)
  store<i64>(to, c & mask, 32)
  c = (c >> 29) + load<i64>(a, 40) + factor * load<i64>(b, 40)
  store<i64>(to, c & mask, 40)
  c = (c >> 29) + load<i64>(a, 48) + factor * load<i64>(b, 48)
  store<i64>(to, c & mask, 48)
  c = (c >> 29) + load<i64>(a, 56) + factor * load<i64>(b, 56)
  store<i64>(to, c & mask, 56)
  c = (c >> 29) + load<i64>(a, 64) + factor * load<i64>(b, 64)
  store<i64>(to, c & mask, 64)
  c >>= 29
  store<i64>(to, c0 + c * low)
  store<i64>(to, c1 + (c << 8), 8)
}

/** to = -a; limbs may be as large as those of a. */
function negate(to: usize, a: usize): void {
  for (let i: usize = 0; i < elementSize; i += 8) store<i64>(to + i, 0 - load<i64>(a + i))
}

function copyElement(to: usize, a: usize): void {
  for (let i: usize = 0; i < elementSize; i += 8) store<i64>(to + i, load<i64>(a + i))
}

/** to = a^(2^times) */
function squareTimes(to: usize, a: usize, times: i32): void {
  square(to, a)
  for (let i = 1; i < times; i++) square(to, to)
}

/** to = the root of a, if it has one: a^((p + 1) / 4). The exponent is 223 ones, a zero, 22 ones, 4 zeros, 11, 2 zeros. */
function squareRoot(to: usize, a: usize): void {
  const t = elements(5)
  const x2 = t
  const x3 = t + elementSize
  const x22 = t + 2 * elementSize
  const x44 = t + 3 * elementSize
  const x = t + 4 * elementSize
  // x3 is a to the power of three ones, and so on.
  square(x2, a)
  multiply(x2, x2, a)
  square(x3, x2)
  multiply(x3, x3, a)
  squareTimes(x, x3, 3)
  multiply(x, x, x3)
  squareTimes(x, x, 3)
  multiply(x, x, x3)
  squareTimes(x, x, 2)
  multiply(x, x, x2)
  squareTimes(x22, x, 11)
  multiply(x22, x22, x)
  squareTimes(x44, x22, 22)
  multiply(x44, x44, x22)
  squareTimes(x, x44, 44)
  multiply(x, x, x44)
  squareTimes(to, x, 88)
  multiply(x, to, x)
  squareTimes(x, x, 44)
  multiply(x, x, x44)
  squareTimes(x, x, 3)
  multiply(x, x, x3)
  squareTimes(x, x, 23)
  multiply(x, x, x22)
  squareTimes(x, x, 6)
  multiply(x, x, x2)
  squareTimes(to, x, 2)
}

/** Room for field elements. */
function elements(count: usize): usize {
  const at = openMemory()
  reserve(at, count * elementSize)
  keep(at + count * elementSize)
  return at
}

/** to = the element with these four words. */
function elementFromWords(to: usize, words: usize): void {
  for (let i: usize = 0; i < 9; i++) {
    const bit = 29 * i
    const at = words + ((bit >> 6) << 3)
    const shift = <u64>(bit & 63)
    let limb = load<u64>(at) >> shift
    if (shift > 35 && i < 8) limb |= load<u64>(at, 8) << (64 - shift)
    store<i64>(to + (i << 3), <i64>limb & mask)
  }
}

/** to = the four words of an element, less than p. */
function wordsFromElement(to: usize, a: usize): void {
  const t = elements(1)
  copyElement(t, a)
  // What is above 2^256 goes to where 2^32 + 977 is; after three times nothing is.
  for (let i = 0; i < 3; i++) carryTop(t)
  // It may still be p or above: then adding 2^32 + 977 reaches 2^256.
  const u = elements(1)
  copyElement(u, t)
  store<i64>(u, load<i64>(u) + 977)
  store<i64>(u, load<i64>(u, 8) + 8, 8)
  carry(u)
  const top = load<i64>(u, 64)
  if (top >> 24 != 0) {
    store<i64>(u, top & 0xff_ffff, 64)
    copyElement(t, u)
  }
  for (let i: usize = 0; i < 32; i += 8) store<u64>(to + i, 0)
  for (let i: usize = 0; i < 9; i++) {
    const bit = 29 * i
    const at = to + ((bit >> 6) << 3)
    const shift = <u64>(bit & 63)
    const limb = load<u64>(t + (i << 3))
    store<u64>(at, load<u64>(at) | (limb << shift))
    if (shift > 35 && i < 8) store<u64>(at, limb >> (64 - shift), 8)
  }
}

/** Brings all limbs but the last between 0 and 2^29. */
function carry(a: usize): void {
  let c: i64 = 0
  for (let i: usize = 0; i < 64; i += 8) {
    c += load<i64>(a + i)
    store<i64>(a + i, c & mask)
    c >>= 29
  }
  store<i64>(a, load<i64>(a, 64) + c, 64)
}

function carryTop(a: usize): void {
  carry(a)
  const top = load<i64>(a, 64)
  const over = top >> 24
  store<i64>(a, top & 0xff_ffff, 64)
  store<i64>(a, load<i64>(a) + 977 * over)
  store<i64>(a, load<i64>(a, 8) + (over << 3), 8)
}

// The group: the complete formulas for curves with a = 0 and b = 7 (Renes, Costello, Batina, Complete addition formulas
// for prime order elliptic curves, algorithms 7 and 9). They have no special cases that a signature could be made for.

/** to = 2 · a */
function doublePoint(to: usize, a: usize): void {
  const x = a
  const y = a + elementSize
  const z = a + 2 * elementSize
  const t = scratch
  const y2 = t
  const xy = t + elementSize
  const yz = t + 2 * elementSize
  const yy = t + 3 * elementSize
  const zz = t + 4 * elementSize
  const m = t + 5 * elementSize
  const p = t + 6 * elementSize
  for (let i: usize = 0; i < elementSize; i += 8) store<i64>(y2 + i, 2 * load<i64>(y + i))
  multiply(xy, x, y2)
  multiply(yz, z, y2)
  square(yy, y)
  square(zz, z)
  addScaled(m, yy, zz, -63)
  addScaled(p, yy, zz, 21)
  multiply(to, xy, m)
  addScaled(xy, yy, yy, 167)
  multiplyTwice(to + elementSize, m, p, xy, zz)
  addScaled(yy, yy, yy, 3)
  multiply(to + 2 * elementSize, yy, yz)
}

/** to = a + b */
function addPoints(to: usize, a: usize, b: usize): void {
  const x1 = a
  const y1 = a + elementSize
  const z1 = a + 2 * elementSize
  const x2 = b
  const y2 = b + elementSize
  const z2 = b + 2 * elementSize
  const t = scratch
  const xx = t
  const yy = t + elementSize
  const zz = t + 2 * elementSize
  const xy = t + 3 * elementSize
  const yz = t + 4 * elementSize
  const xz = t + 5 * elementSize
  const m = t + 6 * elementSize
  const p = t + 7 * elementSize
  multiply(xx, x1, x2)
  multiply(yy, y1, y2)
  multiply(zz, z1, z2)
  multiplyTwice(xy, x1, y2, x2, y1)
  multiplyTwice(yz, y1, z2, y2, z1)
  multiplyTwice(xz, x1, z2, x2, z1)
  addScaled(m, yy, zz, -21)
  addScaled(p, yy, zz, 21)
  addScaled(xx, xx, xx, 2)
  addScaled(yy, xz, xz, -22)
  addScaled(zz, xz, xz, 20)
  multiplyTwice(to, xy, m, yz, yy)
  multiplyTwice(to + elementSize, m, p, zz, xx)
  multiplyTwice(to + 2 * elementSize, p, yz, xx, xy)
}

// Numbers of 256 bits.

/** to = a + b; returns the carry. */
function addWords(to: usize, a: usize, b: usize): u64 {
  let carry: u64 = 0
  for (let i: usize = 0; i < 32; i += 8) {
    const x = load<u64>(a + i)
    const y = x + load<u64>(b + i)
    const sum = y + carry
    carry = <u64>(y < x) | <u64>(sum < y)
    store<u64>(to + i, sum)
  }
  return carry
}

/** to = a - b; returns the borrow. */
function subtractWords(to: usize, a: usize, b: usize): u64 {
  let borrow: u64 = 0
  for (let i: usize = 0; i < 32; i += 8) {
    const x = load<u64>(a + i)
    const y = load<u64>(b + i)
    const rest = x - y
    store<u64>(to + i, rest - borrow)
    borrow = <u64>(x < y) | <u64>(rest < borrow)
  }
  return borrow
}

function isBelow(a: usize, b: usize): bool {
  for (let i: usize = 24; i != -8; i -= 8) {
    const x = load<u64>(a + i)
    const y = load<u64>(b + i)
    if (x != y) return x < y
  }
  return false
}

function isZero(a: usize): bool {
  return (load<u64>(a) | load<u64>(a, 8) | load<u64>(a, 16) | load<u64>(a, 24)) == 0
}

function copyNumber(to: usize, a: usize): void {
  for (let i: usize = 0; i < 32; i += 8) store<u64>(to + i, load<u64>(a + i))
}

/** to = a · b, eight words. `to` is neither of them. */
function multiplyWords(to: usize, a: usize, b: usize): void {
  for (let i: usize = 0; i < 64; i += 8) store<u64>(to + i, 0)
  for (let i: usize = 0; i < 32; i += 4) {
    const factor = <u64>load<u32>(a + i)
    let carry: u64 = 0
    for (let j: usize = 0; j < 32; j += 4) {
      const at = to + i + j
      carry += factor * <u64>load<u32>(b + j) + <u64>load<u32>(at)
      store<u32>(at, carry)
      carry >>= 32
    }
    store<u32>(to + i, carry, 32)
  }
}

/** Halves a number that is even, or becomes so with the odd modulus. */
function halve(a: usize, modulus: usize): void {
  const top = (load<u64>(a) & 1) == 0 ? 0 : addWords(a, a, modulus)
  shiftRight(a, top)
}

/** Shifts one bit out at the bottom, and one in at the top. */
function shiftRight(a: usize, top: u64): void {
  for (let i: usize = 24; i != -8; i -= 8) {
    const word = load<u64>(a + i)
    store<u64>(a + i, (word >> 1) | (top << 63))
    top = word & 1
  }
}

/** to = 1 / a modulo an odd prime, by Euclid's algorithm in halves; `a` is neither 0 nor the modulus or above. */
function invert(to: usize, a: usize, modulus: usize): void {
  const u = words(4)
  const v = u + 32
  let x = u + 64
  let y = u + 96
  copyNumber(u, a)
  copyNumber(v, modulus)
  for (let i: usize = 0; i < 64; i += 8) store<u64>(x + i, 0)
  store<u64>(x, 1)
  // u is x · a, and v is y · a, modulo the modulus.
  while (true) {
    while ((load<u64>(u) & 1) == 0) {
      shiftRight(u, 0)
      halve(x, modulus)
    }
    while ((load<u64>(v) & 1) == 0) {
      shiftRight(v, 0)
      halve(y, modulus)
    }
    if (isBelow(u, v)) {
      subtractWords(v, v, u)
      if (subtractWords(y, y, x) != 0) addWords(y, y, modulus)
    } else {
      subtractWords(u, u, v)
      if (subtractWords(x, x, y) != 0) addWords(x, x, modulus)
      if (isZero(u)) break
    }
  }
  copyNumber(to, y)
}

/** to = a · b modulo the order. */
function multiplyScalars(to: usize, a: usize, b: usize): void {
  const product = words(4)
  const high = product + 32
  const rest = product + 64
  multiplyWords(product, a, b)
  // What is above 2^256 goes to where 2^256 - order is, until nothing is.
  while (!isZero(high)) {
    multiplyWords(rest, high, complement)
    const carry = addWords(product, product, rest)
    copyNumber(high, rest + 32)
    if (carry != 0) addWords(high, high, one)
  }
  if (!isBelow(product, order)) subtractWords(product, product, order)
  copyNumber(to, product)
}

/** Room for numbers of four words. */
function words(count: usize): usize {
  const at = openMemory()
  reserve(at, 32 * count)
  keep(at + 32 * count)
  return at
}


// a·P + b·R, with both points' multiples by `lambda` for free: (X, Y, Z) times lambda is (beta · X, Y, Z). So each scalar
// becomes two of half the length (Gallant, Lambert, Vanstone), and all four share their doublings.

/** Digits of half a scalar: odd numbers from -15 to 15 with at least four zeros between them. */
@inline
const digitCount: usize = 130

/** Odd multiples of a point from 1 to 15. */
@inline
const tableSize: usize = 8 * pointSize

/** to = a · p + b · q; points are affine, and no scalar is above the order. */
function multiplyPoints(to: usize, a: usize, p: usize, b: usize, q: usize): void {
  const tables = elements(4 * 8 * 3)
  const digits = elements((4 * digitCount) / elementSize + 1)
  for (let i: usize = 0; i < 4 * digitCount; i++) store<i8>(digits + i, 0)
  fillTables(tables, p)
  fillTables(tables + 2 * tableSize, q)
  splitScalar(digits, a)
  splitScalar(digits + 2 * digitCount, b)
  const negative = elements(3)
  // The neutral point.
  for (let i: usize = 0; i < pointSize; i += 8) store<i64>(to + i, 0)
  store<i64>(to + elementSize, 1)
  for (let i = digitCount - 1; i != -1; i--) {
    doublePoint(to, to)
    for (let half: usize = 0; half < 4; half++) {
      const digit = <isize>load<i8>(digits + half * digitCount + i)
      if (digit == 0) continue
      const point = tables + half * tableSize + <usize>(abs(digit) >> 1) * pointSize
      if (digit > 0) addPoints(to, to, point)
      else {
        copyElement(negative, point)
        negate(negative + elementSize, point + elementSize)
        copyElement(negative + 2 * elementSize, point + 2 * elementSize)
        addPoints(to, to, negative)
      }
    }
  }
}

/** Odd multiples of a point, and of `lambda` times the point. */
function fillTables(table: usize, point: usize): void {
  const twice = elements(3)
  const beta = elements(1)
  elementFromWords(beta, betaWords)
  doublePoint(twice, point)
  let from = point
  for (let at = table; at < table + tableSize; at += pointSize) {
    if (at == table) copyPoint(at, point)
    else addPoints(at, at - pointSize, twice)
    multiply(at + tableSize, at, beta)
    copyElement(at + tableSize + elementSize, at + elementSize)
    copyElement(at + tableSize + 2 * elementSize, at + 2 * elementSize)
  }
}

function copyPoint(to: usize, a: usize): void {
  for (let i: usize = 0; i < pointSize; i += 8) store<i64>(to + i, load<i64>(a + i))
}

/** The digits of k1 and k2, less than 2^128, with k1 + k2 · lambda = k. */
function splitScalar(digits: usize, k: usize): void {
  const t = words(6)
  const c1 = t
  const c2 = t + 32
  const part = t + 64
  const product = t + 128
  // The lattice point nearest to (k, 0).
  roundedProduct(c1, k, shortA1Scaled, product)
  roundedProduct(c2, k, shortB1Scaled, product)
  // k1 = k - c1 · a1 - c2 · a2 and k2 = c1 · b1 - c2 · a1; both are small, so what is lost above 2^256 does not count.
  multiplyWords(product, c1, shortA1)
  subtractWords(part, k, product)
  multiplyWords(product, c2, shortA2)
  subtractWords(part, part, product)
  putDigits(digits, part)
  multiplyWords(product, c1, shortB1)
  copyNumber(part, product)
  multiplyWords(product, c2, shortA1)
  subtractWords(part, part, product)
  putDigits(digits + digitCount, part)
}

/** to = a · b / 2^384, rounded. */
function roundedProduct(to: usize, a: usize, b: usize, product: usize): void {
  multiplyWords(product, a, b)
  const half = load<u64>(product, 40) >> 63
  const low = load<u64>(product, 48) + half
  store<u64>(to, low)
  store<u64>(to, load<u64>(product, 56) + <u64>(low < half), 8)
  store<u64>(to, 0, 16)
  store<u64>(to, 0, 24)
}

/** @param k four words, between -2^128 and 2^128 */
function putDigits(digits: usize, k: usize): void {
  const isNegative = <i64>load<u64>(k, 24) < 0
  if (isNegative) subtractWords(k, zero, k)
  let low = load<u64>(k)
  let high = load<u64>(k, 8)
  while ((low | high) != 0) {
    if ((low & 1) != 0) {
      let digit = <i64>(low & 31)
      if (digit > 16) digit -= 32
      const before = low
      low -= <u64>digit
      if (digit < 0) high += <u64>(low < before)
      store<i8>(digits, isNegative ? -digit : digit)
    }
    low = (low >> 1) | (high << 63)
    high >>= 1
    digits++
  }
}

/**
 * The Ethereum address of whoever signed a digest; reverts if the signature is none. 3.1 million gas on average.
 *
 * @param digest    what was signed: a hash that cannot be taken for one of another purpose (see `TypedData`)
 * @param signature r, s and v, 65 bytes; v is 27 or 28. A second form of each signature, with a large s, is not taken
 */
export function recoverAddress(digest: Bytes32, signature: Bytes): Address {
  if (signature.length != 65) notASignature()
  const at = changetype<usize>(signature)
  const numbers = words(4)
  const r = numbers
  const s = numbers + 32
  const z = numbers + 64
  const inverse = numbers + 96
  wordsFromBytes(r, at)
  wordsFromBytes(s, at + 32)
  wordsFromBytes(z, changetype<usize>(digest))
  const v = load<u8>(at, 64) - 27
  if (v > 1 || isZero(r) || !isBelow(r, order) || isZero(s) || isBelow(halfOrder, s)) notASignature()
  if (!isBelow(z, order)) subtractWords(z, z, order)

  // The point R whose x is r, and whose y is as odd as v says.
  const points = elements(9)
  const y = points + elementSize
  const generator = points + pointSize
  const signer = points + 2 * pointSize
  elementFromWords(points, r)
  const cube = signer
  const squared = signer + elementSize
  square(squared, points)
  multiply(cube, squared, points)
  store<i64>(cube, load<i64>(cube) + 7)
  squareRoot(y, cube)
  square(squared, y)
  if (!isSame(squared, cube)) notASignature()
  const word = words(1)
  wordsFromElement(word, y)
  if ((load<u64>(word) & 1) != <u64>v) negate(y, y)
  setOne(points + 2 * elementSize)
  elementFromWords(generator, generatorX)
  elementFromWords(generator + elementSize, generatorY)
  setOne(generator + 2 * elementSize)

  // The signer's key is (s · R - z · G) / r.
  invert(inverse, r, order)
  multiplyScalars(s, s, inverse)
  if (!isZero(z)) subtractWords(z, order, z)
  multiplyScalars(z, z, inverse)
  multiplyPoints(signer, s, points, z, generator)

  const key = new StaticArray<u8>(64)
  wordsFromElement(word, signer + 2 * elementSize)
  if (isZero(word)) notASignature()
  invert(word, word, prime)
  elementFromWords(generator, word)
  for (let i: usize = 0; i < 2; i++) {
    multiply(points, signer + i * elementSize, generator)
    wordsFromElement(word, points)
    wordsFromBytes(changetype<usize>(key) + (i << 5), word)
  }
  return addressOfKey(key)
}

function notASignature(): void {
  revert('signature is not valid')
}

/** Whether two elements stand for the same number. */
function isSame(a: usize, b: usize): bool {
  const t = elements(1)
  addScaled(t, a, b, -1)
  const word = words(1)
  wordsFromElement(word, t)
  return isZero(word)
}

function setOne(to: usize): void {
  for (let i: usize = 0; i < elementSize; i += 8) store<i64>(to + i, 0)
  store<i64>(to, 1)
}

/** Words from 32 bytes, big-endian; and the reverse, which is the same. */
function wordsFromBytes(to: usize, from: usize): void {
  for (let i: usize = 0; i < 32; i += 8) store<u64>(to + 24 - i, bswap<u64>(load<u64>(from + i)))
}

/** The Ethereum address of a public key: x and y, 64 bytes. */
function addressOfKey(key: Bytes): Address {
  const hash = keccak256(key)
  const address = new Address()
  memory.copy(changetype<usize>(address), changetype<usize>(hash) + 12, 20)
  return address
}

// Numbers of four words, the least significant first.
/** The prime p. */
@lazy
const prime = memory.data<u64>([
  0xffff_fffe_ffff_fc2f, 0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff, 0xffff_ffff_ffff_ffff,
])
/** The order of the group. */
@lazy
const order = memory.data<u64>([
  0xbfd2_5e8c_d036_4141, 0xbaae_dce6_af48_a03b, 0xffff_ffff_ffff_fffe, 0xffff_ffff_ffff_ffff,
])
@lazy
const halfOrder = memory.data<u64>([
  0xdfe9_2f46_681b_20a0, 0x5d57_6e73_57a4_501d, 0xffff_ffff_ffff_ffff, 0x7fff_ffff_ffff_ffff,
])
/** 2^256 - order */
@lazy
const complement = memory.data<u64>([
  0x402d_a173_2fc9_bebf, 0x4551_2319_50b7_5fc4, 0x0000_0000_0000_0001, 0x0000_0000_0000_0000,
])
@lazy
const generatorX = memory.data<u64>([
  0x59f2_815b_16f8_1798, 0x029b_fcdb_2dce_28d9, 0x55a0_6295_ce87_0b07, 0x79be_667e_f9dc_bbac,
])
@lazy
const generatorY = memory.data<u64>([
  0x9c47_d08f_fb10_d4b8, 0xfd17_b448_a685_5419, 0x5da4_fbfc_0e11_08a8, 0x483a_da77_26a3_c465,
])
/** A third root of 1 modulo p; `lambda` is one modulo the order. */
@lazy
const betaWords = memory.data<u64>([
  0xc139_6c28_7195_01ee, 0x9cf0_4975_12f5_8995, 0x6e64_479e_ac34_34e9, 0x7ae9_6a2b_657c_0710,
])
@lazy
const shortA1 = memory.data<u64>([
  0xe86c_90e4_9284_eb15, 0x3086_d221_a7d4_6bcd, 0x0000_0000_0000_0000, 0x0000_0000_0000_0000,
])
@lazy
const shortA2 = memory.data<u64>([
  0x57c1_108d_9d44_cfd8, 0x14ca_50f7_a8e2_f3f6, 0x0000_0000_0000_0001, 0x0000_0000_0000_0000,
])
@lazy
const shortB1 = memory.data<u64>([
  0x6f54_7fa9_0abf_e4c3, 0xe443_7ed6_010e_8828, 0x0000_0000_0000_0000, 0x0000_0000_0000_0000,
])
/** 2^384 · a1 / order */
@lazy
const shortA1Scaled = memory.data<u64>([
  0xe893_209a_45db_b031, 0x3daa_8a14_71e8_ca7f, 0xe86c_90e4_9284_eb15, 0x3086_d221_a7d4_6bcd,
])
/** 2^384 · b1 / order */
@lazy
const shortB1Scaled = memory.data<u64>([
  0x1571_b4ae_8ac4_7f71, 0x2212_08ac_9df5_06c6, 0x6f54_7fa9_0abf_e4c4, 0xe443_7ed6_010e_8828,
])
@lazy
const one = memory.data<u64>([
  0x0000_0000_0000_0001, 0x0000_0000_0000_0000, 0x0000_0000_0000_0000, 0x0000_0000_0000_0000,
])
@lazy
const zero = memory.data<u64>([
  0x0000_0000_0000_0000, 0x0000_0000_0000_0000, 0x0000_0000_0000_0000, 0x0000_0000_0000_0000,
])
/** What a doubling and an addition need for the time being. */
@lazy
const scratch = memory.data(576)
