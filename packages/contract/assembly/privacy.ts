// A delta and the gas of a run are seen by everybody. These keep what a value is out of both.
import { hexOf } from './bytes'
import { rand } from './host'
import { U256 } from './u256'

/** Of a number, and of what makes each text of it another one. */
@inline
const numberSize: usize = 32
@inline
const freshSize: usize = 8

/**
 * A number as text for the state: always as long, so that neither the delta nor the gas says how large it is, and never
 * the same twice, so that a write of the same number changes the state like any other.
 */
export function conceal(value: U256): string {
  const bytes = new StaticArray<u8>(<i32>(numberSize + freshSize))
  const at = changetype<usize>(bytes)
  store<u64>(at, bswap<u64>(value.d))
  store<u64>(at, bswap<u64>(value.c), 8)
  store<u64>(at, bswap<u64>(value.b), 16)
  store<u64>(at, bswap<u64>(value.a), 24)
  rand(at + numberSize, freshSize)
  return hexOf(bytes)
}

/** The number in a text that `conceal` made; 0 if the text is empty. */
export function reveal(text: string): U256 {
  if (text.length == 0) return U256.zero
  const at = changetype<usize>(text)
  return new U256(hexWord(at + 96), hexWord(at + 64), hexWord(at + 32), hexWord(at))
}

/** 16 hexadecimal digits in UTF-16. */
function hexWord(at: usize): u64 {
  let word: u64 = 0
  for (let i: usize = 0; i < 32; i += 2) {
    const character = <u64>load<u16>(at + i)
    // The bit that letters have and digits have not, and 9 for it.
    word = (word << 4) | ((character & 15) + 9 * (character >> 6))
  }
  return word
}

/** One of two numbers, for the same gas whichever it is. */
export function select(condition: bool, ifTrue: U256, ifFalse: U256): U256 {
  const mask = 0 - <u64>condition
  return new U256(
    (ifTrue.a & mask) | (ifFalse.a & ~mask),
    (ifTrue.b & mask) | (ifFalse.b & ~mask),
    (ifTrue.c & mask) | (ifFalse.c & ~mask),
    (ifTrue.d & mask) | (ifFalse.d & ~mask),
  )
}

/** Whether both hold. Other than `&&` it looks at both, whatever the first one is. */
@inline
export function both(a: bool, b: bool): bool {
  return a & b
}

/** Whether one of them holds, or both. Other than `||` it looks at both, whatever the first one is. */
@inline
export function either(a: bool, b: bool): bool {
  return a | b
}
