/** Counts the turns that the event loop takes, for tests of who else has his turn. */
export class Turns {
  count = 0
  #running = true

  constructor() {
    const next = (): void => {
      this.count++
      if (this.#running) setImmediate(next)
    }
    setImmediate(next)
  }

  stop(): void {
    this.#running = false
  }
}
