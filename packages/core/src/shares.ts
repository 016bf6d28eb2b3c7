/**
 * Whether one of several may have so much while the others have theirs: at most `most` if these have nothing, and half of what
 * they leave of twice as much. So nobody takes the last.
 */
export function isWithinShare(wanted: number, others: number, most: number): boolean {
  return wanted <= most - others / 2
}
