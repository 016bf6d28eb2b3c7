import { diffMembers } from './diff.ts'
import { type Extent, grow, memberExtent, shrink } from './extent.ts'
import type { JsonObject, JsonValue } from './json.ts'
import type { Patch } from './patch.ts'
import type { StateAccess } from './stateAccess.ts'

/**
 * A view over a state that keeps its own changes until `commit`, so a failed run leaves nothing behind. It costs what the
 * run touches, not what the state holds.
 *
 * Values are shared with the base and never copied: what `get` returns must not be changed, and what `set` takes belongs
 * to the state from then on (one value under one name).
 */
export class StateOverlay implements StateAccess {
  readonly #base: JsonObject
  /** `undefined` stands for a removed member. */
  readonly #touched = new Map<string, JsonValue | undefined>()

  constructor(base: JsonObject) {
    this.#base = base
  }

  get(key: string): JsonValue | undefined {
    const value = this.#touched.get(key)
    return value === undefined && !this.#touched.has(key) ? this.#base.get(key) : value
  }

  set(key: string, value: JsonValue): void {
    this.#touched.set(key, value)
  }

  delete(key: string): void {
    this.#touched.set(key, undefined)
  }

  /** Names that were set or deleted, whether or not that changed anything. */
  get touched(): Iterable<string> {
    return this.#touched.keys()
  }

  /** `diff(base, this view)`; empty if the changes cancel out. Encode it before `commit`: it shares their values. */
  patch(): Patch {
    return this.patchWithin(Number.POSITIVE_INFINITY)!
  }

  /** `patch()`, or undefined if names and framing of its operations take more than `maxBytes`. */
  patchWithin(maxBytes: number): Patch | undefined {
    return diffMembers(this.#base, this, this.#touched.keys(), maxBytes)
  }

  /** Writes the changes into the base and forgets them. Returns by how much the base's `stateExtent` has grown. */
  commit(): Extent {
    const growth = { size: 0, memory: 0 }
    for (const [key, value] of this.#touched) {
      grow(growth, memberExtent(key, value))
      shrink(growth, memberExtent(key, this.#base.get(key)))
      if (value === undefined) this.#base.delete(key)
      else this.#base.set(key, value)
    }
    this.#touched.clear()
    return growth
  }
}
