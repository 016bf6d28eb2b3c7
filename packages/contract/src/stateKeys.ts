import type { FieldDeclaration } from 'assemblyscript'
import { ContractSourceError } from './syntax.ts'

/** A field of a contract, and the name that its keys begin with. */
export interface StateField {
  declaration: FieldDeclaration
  /** One of `stateTypes`. */
  kind: string
  key: string
}

export const stateTypes: ReadonlySet<string> = new Set(['StateValue', 'StateMap', 'StateList'])

/**
 * Requires that no two fields can ever use the same key.
 *
 * A value has the key `name`, a map `name:…`, a list both. So two names must differ, and none may be the beginning of
 * another one up to a colon.
 */
export function requireSeparateKeys(fields: readonly StateField[]): void {
  const seen: StateField[] = []
  for (const field of fields) {
    const other = seen.find(({ key }) => overlap(key, field.key))
    if (other !== undefined) {
      const names = `${field.declaration.name.text} and ${other.declaration.name.text}`
      throw new ContractSourceError(field.declaration.name.range, `the keys of ${names} could be the same`)
    }
    seen.push(field)
  }
}

function overlap(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b}:`) || b.startsWith(`${a}:`)
}
