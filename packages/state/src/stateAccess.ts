import type { JsonValue } from './json.ts'

/** What the sandbox needs of a contract's state. A `Map<string, JsonValue>` is one. Values are immutable. */
export interface StateAccess {
  get(key: string): JsonValue | undefined
  set(key: string, value: JsonValue): unknown
  delete(key: string): unknown
}
