/** One look at the core; sums are of the time since the look before. */
export interface Sample {
  /** Milliseconds since 1970. */
  at: number
  messages: number
  errors: number
  medianMs: number
  p99Ms: number
  /** Decimal. */
  gas: string
  queue: number
  eventLoopMs: number
  storeBytes: number
  contracts: number
}

export const stepMs = 5000
const keptMs = 30 * 60 * 1000

/** The samples of the last half hour. */
export class History {
  readonly #samples: Sample[] = []

  add(sample: Sample): void {
    this.#samples.push(sample)
    if (this.#samples.length > keptMs / stepMs) this.#samples.shift()
  }

  /** Column by column, the oldest first. */
  get columns(): { [K in keyof Sample]: Sample[K][] } {
    const column = <K extends keyof Sample>(name: K): Sample[K][] => this.#samples.map((sample) => sample[name])
    return {
      at: column('at'),
      messages: column('messages'),
      errors: column('errors'),
      medianMs: column('medianMs'),
      p99Ms: column('p99Ms'),
      gas: column('gas'),
      queue: column('queue'),
      eventLoopMs: column('eventLoopMs'),
      storeBytes: column('storeBytes'),
      contracts: column('contracts'),
    }
  }
}
