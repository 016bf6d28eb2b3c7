import { option } from './options.ts'

export const jsonOption = () => option('--json', 'print one JSON object, for scripts')

/** Prints what a command found: for people a line each, for scripts (`--json`) one JSON object. */
export function print(value: object, { json }: { json?: true }): void {
  process.stdout.write(json ? `${JSON.stringify(value)}\n` : `${lines(value, '').join('\n')}\n`)
}

function lines(value: object, indent: string): string[] {
  return Object.entries(value).flatMap(([name, entry]: [string, unknown]) => {
    if (entry === undefined) return []
    if (Array.isArray(entry))
      return [`${indent}${name}: ${entry.length}`, ...entry.map((each) => `${indent}  ${inline(each)}`)]
    if (typeof entry === 'object' && entry !== null) return [`${indent}${name}:`, ...lines(entry, `${indent}  `)]
    return [`${indent}${name}: ${inline(entry)}`]
  })
}

function inline(value: unknown): string {
  if (value === null) return 'none'
  if (typeof value !== 'object') return printable(String(value))
  return Object.entries(value)
    .map(([name, entry]) => `${name} ${inline(entry)}`)
    .join(', ')
}

/** What a contract printed, or a peer has chosen, must not drive the operator's terminal. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => `\\u{${character.codePointAt(0)!.toString(16)}}`)
}

/** A path as it can be pasted into a shell. */
export function quoted(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
