import type { Pieces } from '@bletchley/bytes'

/** How long work may go on before others have their turn. */
const maxStretchMs = 3

/** What waits for its turn, in order. One resumes in each turn of the event loop. */
const waiting: (() => void)[] = []
let scheduled = false
/** When the first work of this turn of the event loop began. */
let turnStart = 0

/**
 * Lets other work of the process have its turn in long loops over what is answered at once.
 *
 * All such loops share one stretch in each turn of the event loop: a thousand of them hold up nobody longer than one does.
 */
export class Pacer {
  constructor() {
    schedule()
  }

  /** Whether the loop must pause, as far as one can know without waiting. */
  get due(): boolean {
    return performance.now() - turnStart >= maxStretchMs
  }

  async pause(): Promise<void> {
    schedule()
    if (!this.due) return
    await new Promise<void>((resolve) => {
      waiting.push(resolve)
    })
  }
}

/** Does work that may be interrupted, with pauses for others. */
export async function paced<T>(pieces: Pieces<T>): Promise<T> {
  const pacer = new Pacer()
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
  setImmediate(nextTurn)
}

function nextTurn(): void {
  scheduled = false
  const resume = waiting.shift()
  if (resume === undefined) return
  schedule()
  resume()
}
