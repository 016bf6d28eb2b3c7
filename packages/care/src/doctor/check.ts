/** One thing that was looked at. Nothing secret stands in it. */
export interface Check {
  /** What was looked at, in a word or two. */
  name: string
  status: 'ok' | 'warning' | 'problem'
  /** What was found. */
  found: string
  /** What to do about it; absent if all is well. */
  remedy?: string
}

export const ok = (name: string, found: string): Check => ({ name, status: 'ok', found })

export const warning = (name: string, found: string, remedy: string): Check => ({
  name,
  status: 'warning',
  found,
  remedy,
})

export const problem = (name: string, found: string, remedy: string): Check => ({
  name,
  status: 'problem',
  found,
  remedy,
})

/** Why something failed, in a line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.split('\n')[0]!
}

const MB = 1 << 20

export function megabytes(bytes: number): string {
  return bytes < 10 * MB ? `${(bytes / MB).toFixed(1)} MB` : `${Math.floor(bytes / MB)} MB`
}
