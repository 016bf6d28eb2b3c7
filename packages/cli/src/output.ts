import { option } from './options.ts'

export const jsonOption = () => option('--json', 'print one JSON object, for scripts')

/** Prints what a command found: for people a line each, for scripts (`--json`) one JSON object. */
export function print(value: object, { json }: { json?: true }): void {
  process.stdout.write(json ? `${printableJson(JSON.stringify(value))}\n` : `${lines(value, '').join('\n')}\n`)
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

/** Characters that drive a terminal, or hide what stands beside them. */
const unprintable = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

function escaped(character: string): string {
  return `\\u{${character.codePointAt(0)!.toString(16)}}`
}

/** What a contract printed, or a peer has chosen, must not drive the operator's terminal. */
export function printable(text: string): string {
  return text.replace(unprintable, escaped)
}

/** As `printable`, with lines and tabs kept. */
export function printableLines(text: string): string {
  return text.replace(unprintable, (character) => (/[\n\t]/.test(character) ? character : escaped(character)))
}

/** JSON of the same meaning that drives no terminal: characters below U+0020 stand in none of its texts anyway. */
export function printableJson(json: string): string {
  return json.replace(/[\x7f-\x9f\p{Cf}\p{Zl}\p{Zp}]/gu, (character) =>
    // One that takes two UTF-16 units takes two escapes.
    character
      .split('')
      .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
      .join(''),
  )
}
