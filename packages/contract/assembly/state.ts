// A contract's state is one flat set of keys, and a run that changes a key costs what that key holds. So each value, each
// entry of a map and each element of a list has a key of its own: `name`, `name:key`, `name:index`.
//
// The objects of these classes are their names: four bytes of length, the bytes, a colon. The compiler writes those of a
// contract's fields into the module's data, so that they cost nothing when a run begins.
import { Bytes, putHex } from './bytes'
import { FixedBytes } from './fixedBytes'
import { readState, readStateLength, removeFromState, writeState } from './host'
import { parseJson, putJson } from './json'
import { copyWords, keep, openMemory, reserve } from './memory'
import { revert } from './revert'
import { putDecimal, putText, textAt } from './text'
import { putDecimalU256, U256 } from './u256'

/** What has a name in the state. */
export class Stored {}

/** One value. */
@final
export class StateValue<T> extends Stored {
  /** @param name of the key; the compiler gives a contract's fields their own names */
  constructor(name: string) {
    super()
    return changetype<StateValue<T>>(nameObject(name))
  }

  /** Reverts if there is no value. */
  get(): T {
    return readAt<T>(changetype<usize>(this))
  }

  getOr(fallback: T): T {
    return readOr<T>(changetype<usize>(this), fallback)
  }

  exists(): bool {
    return existsAt(changetype<usize>(this))
  }

  set(value: T): void {
    writeAt<T>(changetype<usize>(this), value)
  }

  remove(): void {
    removeAt(changetype<usize>(this))
  }
}

/**
 * Values by key. A key is a whole number, text, bytes, an address or a bool. A value may be a `StateMap` or a
 * `StateList` again; then `get` gives it, whether or not it has entries, and it is changed through its own methods. Such a
 * map has no `set` and no `getOr`, and with a `StateMap` no `has` and no `remove`: the compiler refuses them.
 */
@final
export class StateMap<K, V> extends Stored {
  /** @param name before each key; the compiler gives a contract's fields their own names */
  constructor(name: string) {
    super()
    return changetype<StateMap<K, V>>(nameObject(name))
  }

  /** Reverts if there is no value. */
  get(key: K): V {
    const entry = entryOf<K>(changetype<usize>(this), key, isStored<V>())
    return isStored<V>() ? changetype<V>(entry) : readAt<V>(entry)
  }

  getOr(key: K, fallback: V): V {
    return readOr<V>(entryOf<K>(changetype<usize>(this), key), fallback)
  }

  /** Whether there is a value; of a `StateList`, whether it has elements. */
  has(key: K): bool {
    const entry = entryOf<K>(changetype<usize>(this), key, isStored<V>())
    return isList<V>() ? lengthAt(entry) > 0 : existsAt(entry)
  }

  set(key: K, value: V): void {
    writeAt<V>(entryOf<K>(changetype<usize>(this), key), value)
  }

  /** Of a `StateList`, removes its elements too, each for the gas of one removal. */
  remove(key: K): void {
    const entry = entryOf<K>(changetype<usize>(this), key, isStored<V>())
    if (isList<V>()) clearAt(entry)
    else removeAt(entry)
  }
}

/** Values in a row; the key `name` holds how many. */
@final
export class StateList<T> extends Stored {
  /** @param name of the key with the length, and before each index; the compiler gives fields their own names */
  constructor(name: string) {
    super()
    return changetype<StateList<T>>(nameObject(name))
  }

  get length(): u32 {
    return lengthAt(changetype<usize>(this))
  }

  /** Reverts beyond the end. */
  get(index: u32): T {
    if (index >= this.length) this.outOfRange()
    return readAt<T>(entryOf<u32>(changetype<usize>(this), index))
  }

  /** Replaces an element; reverts beyond the end. */
  set(index: u32, value: T): void {
    if (index >= this.length) this.outOfRange()
    writeAt<T>(entryOf<u32>(changetype<usize>(this), index), value)
  }

  push(value: T): void {
    const length = this.length
    writeAt<T>(entryOf<u32>(changetype<usize>(this), length), value)
    writeAt<u32>(changetype<usize>(this), length + 1)
  }

  /** Takes the last element off; reverts if there is none. */
  pop(): T {
    const length = this.length
    if (length == 0) this.outOfRange()
    const entry = entryOf<u32>(changetype<usize>(this), length - 1)
    const value = readAt<T>(entry)
    removeAt(entry)
    writeAt<u32>(changetype<usize>(this), length - 1)
    return value
  }

  /** Removes all elements, each for the gas of one removal. */
  clear(): void {
    clearAt(changetype<usize>(this))
  }

  private outOfRange(): void {
    revert(nameOf(changetype<usize>(this)) + ': index out of range')
  }
}

/** Whether values of a type are kept under keys of their own. */
@inline
function isStored<T>(): bool {
  return isReference<T>() && changetype<T>(0) instanceof Stored
}

@inline
function isList<T>(): bool {
  return isReference<T>() && changetype<T>(0) instanceof StateList
}

/** The object of a name. */
function nameObject(name: string): usize {
  const at = openMemory()
  return finishName(at, putText(at + 4, name))
}

function finishName(at: usize, end: usize): usize {
  store<u32>(at, end - at - 4)
  store<u8>(end, 58)
  keep(end + 1)
  return at
}

@inline
function nameSize(object: usize): usize {
  return load<u32>(object)
}

@inline
function nameStart(object: usize): usize {
  return object + 4
}

function nameOf(object: usize): string {
  return textAt(nameStart(object), nameSize(object))
}

/**
 * The name of an entry.
 *
 * @param isOuter whether there are entries below it; then a text with a colon could be taken for two keys
 */
function entryOf<K>(object: usize, key: K, isOuter: bool = false): usize {
  const start = openMemory()
  const prefix = nameSize(object) + 1
  reserve(start, prefix + 128)
  copyWords(start + 4, nameStart(object), prefix)
  const at = start + 4 + prefix
  const end = putKey<K>(at, key)
  if (isString<K>()) {
    if (isOuter) {
      for (let i = at; i < end; i++) {
        if (load<u8>(i) == 58) revert('a key of a map of maps has a colon')
      }
    }
  }
  return finishName(start, end)
}

function putKey<K>(to: usize, key: K): usize {
  if (isBoolean<K>()) return putJson<bool>(to, key)
  if (isInteger<K>()) return putJson<K>(to, key)
  if (isString<K>()) {
    return putText(to, key)
  }
  if (isReference<K>()) {
    if (idof<K>() == idof<U256>()) return putDecimalU256(to, changetype<U256>(key))
    if (idof<K>() == idof<Bytes>()) {
      const size = changetype<Bytes>(key).length
      reserve(to, 2 * size)
      return putHex(to, changetype<usize>(key), size)
    }
    if (key instanceof FixedBytes) return putHex(to, changetype<usize>(key), offsetof<K>())
  }
  return ERROR('not a type of keys')
}

/** Where the value of a key lies that was fetched, and how many bytes it has. */
let value: usize = 0
let valueSize: usize = 0

/** Fetches the value of a key; false if there is none. */
function fetch(object: usize): bool {
  const size = readStateLength(nameStart(object), nameSize(object))
  const at = openMemory()
  reserve(at, size + 1)
  readState(nameStart(object), nameSize(object), at)
  keep(at + size + 1)
  value = at
  valueSize = size
  // An absent key reads as `null`, and no other JSON text begins with an n.
  return load<u8>(at) != 110
}

function readAt<T>(object: usize): T {
  if (!fetch(object)) revert(nameOf(object) + ': there is no value')
  return parseJson<T>(value, valueSize)
}

function readOr<T>(object: usize, fallback: T): T {
  return fetch(object) ? parseJson<T>(value, valueSize) : fallback
}

function existsAt(object: usize): bool {
  return fetch(object)
}

function writeAt<T>(object: usize, value: T): void {
  const start = openMemory()
  const end = putJson<T>(start, value)
  writeState(nameStart(object), nameSize(object), start, end - start)
}

function removeAt(object: usize): void {
  removeFromState(nameStart(object), nameSize(object))
}

/** How many elements a list has. */
function lengthAt(list: usize): u32 {
  return readOr<u32>(list, 0)
}

function clearAt(list: usize): void {
  const length = lengthAt(list)
  for (let i: u32 = 0; i < length; i++) removeAt(entryOf<u32>(list, i))
  removeAt(list)
}
