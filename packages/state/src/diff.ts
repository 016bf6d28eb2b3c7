import { equalJson, type JsonObject, type JsonValue, sortKeys } from './json.ts'
import type { Operation, Patch } from './patch.ts'
import { joinPointer } from './pointer.ts'

/**
 * The patch that turns `before` into `after`, operation for operation what the reference writes: at each object first the
 * members in both (ascending, descended into), then the added ones, then the removed ones; arrays position by position.
 *
 * Repairs of the reference: `~` and `/` in names are escaped, and an array in place of an object (or the reverse) is one
 * `replace`. The values in the patch are those of `after`, not copies.
 *
 * @see spec/crypto.md 9.4 · spec/runtime.md 8.1
 */
export function diff(before: JsonObject, after: JsonObject): Patch {
  const patch = new PatchWriter(Number.POSITIVE_INFINITY)
  diffObjects(before, after, '', patch)
  return patch.operations
}

/**
 * `diff` of two objects that are known to agree in all members but `keys`.
 *
 * @param maxBytes of the patch without its values
 * @returns undefined if it would be larger
 */
export function diffMembers(
  before: Members,
  after: Members,
  keys: Iterable<string>,
  maxBytes: number,
): Patch | undefined {
  const patch = new PatchWriter(maxBytes)
  appendMembers(before, after, keys, '', patch)
  return patch.tooLarge ? undefined : patch.operations
}

/** Name and framing of an operation in a delta, at the least. */
const operationBytes = 8

/** Collects operations up to a size, since a patch can be many times as large as the values that it changes. */
class PatchWriter {
  readonly operations: Operation[] = []
  #bytesLeft: number

  constructor(maxBytes: number) {
    this.#bytesLeft = maxBytes
  }

  get tooLarge(): boolean {
    return this.#bytesLeft < 0
  }

  push(operation: Operation): void {
    this.#bytesLeft -= operationBytes + operation.path.length
    if (this.#bytesLeft >= 0) this.operations.push(operation)
  }
}

interface Members {
  get(key: string): JsonValue | undefined
}

function diffValues(before: JsonValue, after: JsonValue, path: string, patch: PatchWriter): void {
  if (before === after) return
  if (before instanceof Map && after instanceof Map) diffObjects(before, after, path, patch)
  else if (Array.isArray(before) && Array.isArray(after)) diffArrays(before, after, path, patch)
  else if (!equalJson(before, after)) patch.push({ op: 'replace', path, value: after })
}

function diffObjects(before: JsonObject, after: JsonObject, path: string, patch: PatchWriter): void {
  appendMembers(before, after, unionOfKeys(before, after), path, patch)
}

function* unionOfKeys(a: JsonObject, b: JsonObject): Generator<string> {
  yield* a.keys()
  for (const key of b.keys()) if (!a.has(key)) yield key
}

/** Sorts only the names whose members may differ, since most do not. */
function appendMembers(
  before: Members,
  after: Members,
  keys: Iterable<string>,
  path: string,
  patch: PatchWriter,
): void {
  const common: string[] = []
  const added: string[] = []
  const removed: string[] = []
  for (const key of keys) {
    const old = before.get(key)
    const value = after.get(key)
    if (old === value) continue
    if (old === undefined) added.push(key)
    else if (value === undefined) removed.push(key)
    else common.push(key)
  }
  for (const key of sortKeys(common)) diffValues(before.get(key)!, after.get(key)!, joinPointer(path, key), patch)
  for (const key of sortKeys(added)) patch.push({ op: 'add', path: joinPointer(path, key), value: after.get(key)! })
  for (const key of sortKeys(removed)) patch.push({ op: 'remove', path: joinPointer(path, key) })
}

function diffArrays(before: JsonValue[], after: JsonValue[], path: string, patch: PatchWriter): void {
  const shared = Math.min(before.length, after.length)
  for (let index = 0; index < shared; index++) {
    const [old, value] = [before[index]!, after[index]!]
    if (old !== value) diffValues(old, value, `${path}/${index}`, patch)
  }
  for (let index = shared; index < after.length; index++) {
    patch.push({ op: 'add', path: `${path}/${index}`, value: after[index]! })
  }
  // Each removal moves the next surplus element to the same index.
  for (let index = shared; index < before.length; index++) patch.push({ op: 'remove', path: `${path}/${shared}` })
}
