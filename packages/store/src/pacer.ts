import { setImmediate } from 'node:timers/promises'

const maxStretchMs = 5

/** Lets other work of the process have its turn in long loops over reads that are answered at once. */
export class Pacer {
  #since = performance.now()

  async pause(): Promise<void> {
    if (performance.now() - this.#since < maxStretchMs) return
    await setImmediate()
    this.#since = performance.now()
  }
}
