import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'

const resolutionMs = 20

/** How long the main thread keeps things waiting that should happen now. */
export class EventLoopDelay {
  readonly #histogram: IntervalHistogram = monitorEventLoopDelay({ resolution: resolutionMs })

  constructor() {
    this.#histogram.enable()
  }

  /** The 99th percentile since the last call, in milliseconds. */
  take(): number {
    const nanoseconds = this.#histogram.count === 0 ? 0 : this.#histogram.percentile(99)
    this.#histogram.reset()
    // The histogram holds whole intervals between its ticks.
    return Math.max(0, nanoseconds / 1e6 - resolutionMs)
  }

  close(): void {
    this.#histogram.disable()
  }
}
