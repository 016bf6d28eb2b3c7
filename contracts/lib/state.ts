// A contract's state: one flat JSON object. The worker keeps it encrypted and records only the keys that a run changed,
// so small values under many keys are cheaper than one large value.
import { Bytes } from './bytes'
import { readState, readStateLength, refuse, removeFromState, writeState } from './host'

/** As many digits as a u64 can have. */
const maxDecimalBytes = 20

/** The whole number under `key`; 0 if there is none. A value of another kind, or one beyond u64, ends the run. */
export function readUint64(key: Bytes): u64 {
  const text = read(key)
  if (isNull(text)) return 0
  let value: u64 = 0
  for (let i = 0; i < text.length; i++) {
    const digit = <u64>text[i] - 48
    // A byte below '0' wraps to a huge digit.
    if (digit > 9 || value > (u64.MAX_VALUE - digit) / 10) refuse()
    value = value * 10 + digit
  }
  return value
}

/** Writes `value` under `key` as a JSON number. */
export function writeUint64(key: Bytes, value: u64): void {
  write(key, Bytes.withCapacity(maxDecimalBytes).decimal(value))
}

/** Whether `key` holds what `writeHex` wrote for `bytes`; false if it holds nothing. */
export function hexEquals(key: Bytes, bytes: Bytes): bool {
  return read(key).equals(quotedHex(bytes))
}

/** Writes `bytes` under `key` as a JSON string of lower-case hex. */
export function writeHex(key: Bytes, bytes: Bytes): void {
  write(key, quotedHex(bytes))
}

/** Forgets `key`; nothing happens if it holds nothing. */
export function remove(key: Bytes): void {
  removeFromState(key.pointer, key.length)
}

function read(key: Bytes): Bytes {
  const text = Bytes.zeros(readStateLength(key.pointer, key.length))
  readState(key.pointer, key.length, text.pointer)
  return text
}

function write(key: Bytes, text: Bytes): void {
  writeState(key.pointer, key.length, text.pointer, text.length)
}

/** An absent key reads as `null`; no other JSON text starts with an n. */
function isNull(text: Bytes): bool {
  return text[0] == 110
}

function quotedHex(bytes: Bytes): Bytes {
  return Bytes.withCapacity(2 * bytes.length + 2).byte(34).hex(bytes).byte(34)
}
