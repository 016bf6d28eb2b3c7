/** Work that may be interrupted between any two of its pieces. */
export type Pieces<T = void> = Generator<undefined, T>

/** Does such work in one go. */
export function atOnce<T>(pieces: Pieces<T>): T {
  for (;;) {
    const { done, value } = pieces.next()
    if (done) return value
  }
}
