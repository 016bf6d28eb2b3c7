import type { MessageType } from '@bletchley/protocol'
import { Histogram, type Registry } from 'prom-client'

/** From a read out of memory to a task at its wall-clock limit. */
const messageBuckets = [
  50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
]
const commitBuckets = [250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1, 5]

/** The two things that are counted as they happen; all else is read when somebody asks. */
export class LatencyMetrics {
  readonly #messages = new Histogram({
    name: 'bletchley_message_duration_seconds',
    help: 'Time from the frame of a request to the frame of its reply.',
    labelNames: ['type'],
    buckets: messageBuckets,
    registers: [],
  })
  readonly #commits = new Histogram({
    name: 'bletchley_commit_duration_seconds',
    help: 'Time from the call of a commit until it was on disk; commits that failed are not in it.',
    buckets: commitBuckets,
    registers: [],
  })
  /** Finding the one of a type by its labels costs more than the observation. */
  readonly #byType = new Map<string, Histogram.Internal<'type'>>()

  messageTook(type: MessageType | 'unknown', seconds: number): void {
    let histogram = this.#byType.get(type)
    if (histogram === undefined) {
      histogram = this.#messages.labels(type)
      this.#byType.set(type, histogram)
    }
    histogram.observe(seconds)
  }

  commitTook(seconds: number): void {
    this.#commits.observe(seconds)
  }

  registerIn(registry: Registry): void {
    registry.registerMetric(this.#messages)
    registry.registerMetric(this.#commits)
  }
}
