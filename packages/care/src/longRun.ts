/** What takes its time: it can be stopped between two steps, and tells how far it is. */
export interface LongRun {
  /** Stops it: the promise is rejected with the signal's reason, and what is there is in order. */
  signal?: AbortSignal | undefined
  onProgress?: ((done: number, total: number) => void) | undefined
}
