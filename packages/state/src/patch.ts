import { StateError } from './errors.ts'
import { type Extent, grow, itemExtent, memberExtent, shrink, stateExtent, valueExtent } from './extent.ts'
import { cloneJson, equalJson, type JsonObject, type JsonValue, maxStateDepth } from './json.ts'
import { parseIndex, parsePointer } from './pointer.ts'

/** One step of RFC 6902. `diff` produces add, replace and remove only; the others are understood when reading. */
export type Operation =
  | { op: 'add' | 'replace' | 'test'; path: string; value: JsonValue }
  | { op: 'remove'; path: string }
  | { op: 'move' | 'copy'; from: string; path: string }

export type Patch = Operation[]

/** Values that the `copy` operations of one patch may duplicate; without it a short patch could fill the memory. */
const maxCopiedValues = 1_000_000

/**
 * Applies a patch to `root` in place, at a cost of what it touches, and leaves `root` as it was if an operation fails.
 *
 * @param root  changed and returned
 * @param patch its values are copied, so it can be applied again elsewhere
 * @throws StateError `invalid_patch`
 * @see spec/crypto.md 9.5
 */
export function applyPatch(root: JsonObject, patch: Patch): JsonObject {
  applyOwnedPatch(
    root,
    patch.map((operation) => ('value' in operation ? { ...operation, value: cloneJson(operation.value) } : operation)),
  )
  return root
}

/**
 * `applyPatch` without the copies: the containers inside `patch` become part of `root`. Of each operation only what it takes to
 * reverse it is held: about 30 bytes, and what it has put in another's place.
 *
 * @param patch operations one by one; there may be millions
 * @returns by how much `stateExtent(root)` has grown
 */
export function applyOwnedPatch(root: JsonObject, patch: Iterable<Operation>): Extent {
  const run = new PatchRun(root)
  let index = 0
  try {
    for (const { operation, repeats } of withRepeats(patch)) {
      run.apply(operation, repeats)
      index += repeats
    }
  } catch (error) {
    run.rollBack()
    if (!(error instanceof Refusal)) throw error
    throw new StateError('invalid_patch', `operation ${index} of the patch cannot be applied: ${error.message}`)
  }
  return run.growth
}

/** A shortened array is written as the same `remove` again and again; taken one by one that is quadratic. */
function* withRepeats(patch: Iterable<Operation>): Generator<{ operation: Operation; repeats: number }> {
  let last: { operation: Operation; repeats: number } | undefined
  for (const operation of patch) {
    if (operation.op === 'remove' && last?.operation.op === 'remove' && operation.path === last.operation.path) {
      last.repeats++
      continue
    }
    if (last !== undefined) yield last
    last = { operation, repeats: 1 }
  }
  if (last !== undefined) yield last
}

class Refusal extends Error {}

/** Items that were taken from an array, side by side. */
class Removed {
  readonly items: JsonValue[]

  constructor(items: JsonValue[]) {
    this.items = items
  }
}

class PatchRun {
  readonly #root: JsonObject
  // What was changed: which container, where in it, and what stood there before; nothing, if that is new. Three arrays take a
  // fifth of what a function for each would.
  readonly #changed: (JsonObject | JsonValue[])[] = []
  readonly #places: (string | number)[] = []
  readonly #before: (JsonValue | Removed | undefined)[] = []
  /** The members of the root before it was replaced: what comes after that changes nothing of them. */
  #replaced: JsonObject | undefined
  #copied = 0
  /** Of the root's `stateExtent`, so far. */
  readonly growth: Extent = { size: 0, memory: 0 }

  constructor(root: JsonObject) {
    this.#root = root
  }

  /** @param repeats how often a `remove` stands there; 1 for all others */
  apply(operation: Operation, repeats: number): void {
    const path = parsePath(operation.path)
    switch (operation.op) {
      case 'add':
        this.#add(path, operation.value)
        break
      case 'replace':
        this.#replace(path, operation.value)
        break
      case 'remove':
        this.#remove(path, repeats)
        break
      case 'test':
        if (!equalJson(this.#resolve(path), operation.value)) throw new Refusal('test failed')
        break
      case 'move': {
        const from = parsePath(operation.from)
        if (from.length < path.length && from.every((token, index) => token === path[index])) {
          throw new Refusal('a value cannot be moved into itself')
        }
        const value = this.#resolve(from)
        this.#remove(from, 1)
        this.#add(path, value)
        break
      }
      case 'copy': {
        const value = this.#resolve(parsePath(operation.from))
        this.#copied += countValues(value)
        if (this.#copied > maxCopiedValues) throw new Refusal('copies too much')
        this.#add(path, cloneJson(value))
        break
      }
    }
  }

  rollBack(): void {
    if (this.#replaced !== undefined) fill(this.#root, this.#replaced)
    for (let at = this.#changed.length - 1; at >= 0; at--) {
      const container = this.#changed[at]!
      const place = this.#places[at]!
      const before = this.#before[at]
      if (container instanceof Map) {
        if (before === undefined) container.delete(place as string)
        else container.set(place as string, before as JsonValue)
      } else {
        const index = place as number
        if (before === undefined) takeItem(container, index)
        else if (before instanceof Removed) insertAll(container, index, before.items)
        else container[index] = before
      }
    }
  }

  #remember(container: JsonObject | JsonValue[], place: string | number, before?: JsonValue | Removed): void {
    if (this.#replaced !== undefined) return
    this.#changed.push(container)
    this.#places.push(place)
    this.#before.push(before)
  }

  #add(path: string[], value: JsonValue): void {
    assertDepth(path, value)
    const last = path.at(-1)
    const parent = this.#parent(path)
    if (last === undefined) this.#replaceRoot(value)
    else if (parent instanceof Map) this.#setMember(parent, last, value)
    else if (Array.isArray(parent)) this.#insert(parent, last, value)
    else throw new Refusal('no such place')
  }

  #replace(path: string[], value: JsonValue): void {
    assertDepth(path, value)
    const last = path.at(-1)
    const parent = this.#parent(path)
    if (last === undefined) {
      this.#replaceRoot(value)
      return
    }
    const old = child(parent, last)
    if (parent instanceof Map) this.#setMember(parent, last, value)
    else if (Array.isArray(parent)) {
      const index = Number(last)
      parent[index] = value
      this.#exchange(old, value)
      this.#remember(parent, index, old)
    }
  }

  #remove(path: string[], repeats: number): void {
    const last = path.at(-1)
    if (last === undefined) throw new Refusal('the root cannot be removed')
    const parent = this.#parent(path)
    const old = child(parent, last)
    if (Array.isArray(parent)) {
      const index = Number(last)
      if (index + repeats > parent.length) throw new Refusal('no such place')
      const length = parent.length - repeats
      const removed = parent.splice(index, repeats)
      trim(parent, length)
      for (const item of removed) shrink(this.growth, itemExtent(item))
      // An array has a comma less than items, an empty one none as well.
      if (length === 0) this.growth.size += 1
      this.#remember(parent, index, new Removed(removed))
    } else if (parent instanceof Map) {
      if (repeats > 1) throw new Refusal('no such place')
      parent.delete(last)
      shrink(this.growth, this.#memberGrowth(parent, last, old))
      this.#remember(parent, last, old)
    }
  }

  #insert(parent: JsonValue[], token: string, value: JsonValue): void {
    const index = token === '-' ? parent.length : parseIndex(token)
    if (index === undefined || index > parent.length) throw new Refusal('no such place')
    grow(this.growth, itemExtent(value))
    const { length } = parent
    if (length === 0) this.growth.size -= 1
    if (index === length) parent.push(value)
    else parent.splice(index, 0, value)
    this.#remember(parent, index)
  }

  #setMember(parent: JsonObject, key: string, value: JsonValue): void {
    const old = parent.get(key)
    if (old === undefined) grow(this.growth, this.#memberGrowth(parent, key, value))
    else this.#exchange(old, value)
    parent.set(key, value)
    this.#remember(parent, key, old)
  }

  #replaceRoot(value: JsonValue): void {
    if (!(value instanceof Map)) throw new Refusal('the root must stay an object')
    const root = this.#root
    this.#replaced ??= new Map(root)
    grow(this.growth, stateExtent(value))
    shrink(this.growth, stateExtent(root))
    fill(root, value)
  }

  /** What a member adds to an object that does not hold it. A state counts a comma for each, an object inside for all but one. */
  #memberGrowth(parent: JsonObject, key: string, value: JsonValue): Extent {
    const extent = memberExtent(key, value)
    if (parent !== this.#root && parent.size === 0) extent.size -= 1
    return extent
  }

  #exchange(old: JsonValue, value: JsonValue): void {
    grow(this.growth, valueExtent(value))
    shrink(this.growth, valueExtent(old))
  }

  #parent(path: string[]): JsonValue {
    return this.#resolve(path.slice(0, -1))
  }

  #resolve(path: string[]): JsonValue {
    let value: JsonValue = this.#root
    for (const token of path) value = child(value, token)
    return value
  }
}

function parsePath(pointer: string): string[] {
  const path = parsePointer(pointer)
  if (path === undefined) throw new Refusal('not a pointer')
  return path
}

/** The existing value at one step below `parent`. */
function child(parent: JsonValue, token: string): JsonValue {
  let value: JsonValue | undefined
  if (parent instanceof Map) value = parent.get(token)
  else if (Array.isArray(parent)) value = parent[parseIndex(token) ?? -1]
  if (value === undefined) throw new Refusal('no such place')
  return value
}

function assertDepth(path: string[], value: JsonValue): void {
  if (!isShallow(value, maxStateDepth - path.length)) throw new Refusal('nested too deeply')
}

function isShallow(value: JsonValue, levels: number): boolean {
  if (Array.isArray(value)) return levels > 0 && value.every((item) => isShallow(item, levels - 1))
  if (!(value instanceof Map)) return levels >= 0
  if (levels <= 0) return false
  for (const member of value.values()) if (!isShallow(member, levels - 1)) return false
  return true
}

function countValues(value: JsonValue): number {
  let count = 1
  if (Array.isArray(value)) for (const item of value) count += countValues(item)
  else if (value instanceof Map) for (const member of value.values()) count += countValues(member)
  return count
}

function fill(target: JsonObject, source: JsonObject): void {
  target.clear()
  for (const [key, value] of source) target.set(key, value)
}

/** To this length, or the one that it has already. Setting it gives memory back, which `splice` and `pop` do not. */
function trim(array: JsonValue[], length: number): void {
  array.length = length
}

/** Takes out an item that was put in. */
function takeItem(array: JsonValue[], index: number): void {
  const length = array.length - 1
  if (index < length) array.splice(index, 1)
  trim(array, length)
}

/** Not `splice(index, 0, ...items)`, which overflows the stack when there are many. */
function insertAll(array: JsonValue[], index: number, items: JsonValue[]): void {
  const tail = array.splice(index)
  for (const item of items) array.push(item)
  for (const item of tail) array.push(item)
}
