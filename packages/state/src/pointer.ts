import { cut } from '@bletchley/bytes'

/** JSON pointers (RFC 6901), with the escapes that the reference forgets when it writes and understands when it reads. */

/** One more step below `path`. */
export function joinPointer(path: string, token: string): string {
  return `${path}/${token.includes('~') || token.includes('/') ? token.replaceAll('~', '~0').replaceAll('/', '~1') : token}`
}

/**
 * @returns the unescaped steps, or `undefined` if `pointer` neither is empty nor begins with `/`. A `~` that belongs to
 *   no escape stands for itself, since deltas of the reference contain it unescaped. A step may become a name in a
 *   state, which would keep the pointer in memory.
 */
export function parsePointer(pointer: string): string[] | undefined {
  if (pointer === '') return []
  if (pointer[0] !== '/') return undefined
  const tokens = pointer.slice(1).split('/')
  const isEscaped = pointer.includes('~')
  return tokens.map((token) => cut(isEscaped ? token.replaceAll('~1', '/').replaceAll('~0', '~') : token, 0))
}

/** A canonical decimal index (no sign, no leading zero) or `undefined`. */
export function parseIndex(token: string): number | undefined {
  return /^(0|[1-9][0-9]{0,9})$/.test(token) ? Number(token) : undefined
}
