import type { Pieces } from '@bletchley/bytes'

/** How long work may go on before others have their turn. */
const maxStretchMs = 3

/** What waits for its turn, in order, by whom it is for. One resumes in each turn of the event loop. */
const lanes = new Map<string, (() => void)[]>()
let scheduled = false
/** When the first work of this turn of the event loop began. */
let turnStart = 0
/** For whom a step was taken in this turn. */
const stepped = new Set<string>()

/**
 * Lets other work of the process have its turn in long loops over what is answered at once.
 *
 * All such loops share one stretch in each turn of the event loop: a thousand of them hold up nobody longer than one does.
 * Work that many may begin at once asks whether it is `due` immediately before, and until it is not.
 */
export class Pacer {
  readonly #lane: string

  /** @param lane for whom the work is: whoever has little of it does not wait behind all of another's */
  constructor(lane = '') {
    this.#lane = lane
    schedule()
  }

  /** Whether the loop must pause, as far as one can know without waiting. */
  get due(): boolean {
    return performance.now() - turnStart >= maxStretchMs
  }

  /**
   * Begins a step of which nobody knows before how long it takes, such as reading a value. In each turn, the first one of
   * whoever it is for is free: who asks for one thing at a time waits for nobody.
   *
   * @returns false if the step must wait for another turn: after a pause, it asks again
   */
  tryStep(): boolean {
    if (this.due && stepped.has(this.#lane)) return false
    stepped.add(this.#lane)
    return true
  }

  async pause(): Promise<void> {
    schedule()
    if (!this.due) return
    await new Promise<void>((resolve) => {
      const waiting = lanes.get(this.#lane)
      if (waiting === undefined) lanes.set(this.#lane, [resolve])
      else waiting.push(resolve)
    })
  }
}

/** So many quick steps take less than a millisecond. */
const stepsAtOnce = 256

/** Does something quick for each of many, with pauses for others. A few are done at once. */
export async function forEachPaced<T>(items: Iterable<T>, step: (item: T) => void): Promise<void> {
  let pacer: Pacer | undefined
  let steps = 0
  for (const item of items) {
    if (++steps % stepsAtOnce === 0) {
      pacer ??= new Pacer()
      await pacer.pause()
    }
    step(item)
  }
}

/** Does work that may be interrupted, with pauses for others. */
export async function paced<T>(pieces: Pieces<T>, pacer = new Pacer()): Promise<T> {
  for (;;) {
    if (pacer.due) await pacer.pause()
    const { done, value } = pieces.next()
    if (done) return value
  }
}

function schedule(): void {
  if (scheduled) return
  scheduled = true
  turnStart = performance.now()
  stepped.clear()
  setImmediate(nextTurn)
}

function nextTurn(): void {
  scheduled = false
  for (const [lane, waiting] of lanes) {
    const resume = waiting.shift()!
    lanes.delete(lane)
    // Behind the others.
    if (waiting.length > 0) lanes.set(lane, waiting)
    schedule()
    resume()
    return
  }
}
