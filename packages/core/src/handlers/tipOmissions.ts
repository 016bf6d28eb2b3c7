import { bytesToHex } from '@bletchley/bytes'
import type { Logger } from 'pino'

/** Keeps count of the tips that GetAllTips left out. */
export class TipOmissions {
  /** Since the start. */
  total = 0
  readonly #logger: Logger
  #last = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /** Says so in the log when there are more or fewer than the last time. */
  count(omitted: readonly Uint8Array[]): void {
    this.total += omitted.length
    if (omitted.length === this.#last) return
    this.#last = omitted.length
    const contracts = omitted.slice(0, 10).map(bytesToHex)
    this.#logger.warn(
      { omitted: omitted.length, contracts },
      omitted.length > 0
        ? 'GetAllTips leaves out the largest tips: they do not fit into a message'
        : 'all tips fit again',
    )
  }
}
