import { diffMembers } from './diff.ts'
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

  /** `diff(base, this view)`; empty if the changes cancel out. Encode it before `commit`: it shares their values. */
  patch(): Patch {
    return diffMembers(this.#base, this, this.#touched.keys())
  }

  /** Writes the changes into the base and forgets them. */
  commit(): void {
    for (const [key, value] of this.#touched) {
      if (value === undefined) this.#base.delete(key)
      else this.#base.set(key, value)
    }
    this.#touched.clear()
  }
}
