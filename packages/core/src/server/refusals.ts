import type { Logger } from 'pino'

/**
 * Why a peer did not get in: its key is not on the list; it took another key for this core's; it showed no key at all
 * (that is also how a port scanner looks); it broke the protocol.
 */
export const refusalReasons = ['not_listed', 'wrong_server_key', 'no_key', 'malformed'] as const
export type RefusalReason = (typeof refusalReasons)[number]

/** Lines in the log in one window, so that whoever keeps trying cannot fill the disk. */
const maxLines = 60
const windowMs = 60_000

/** Counts the peers that were refused, and shows them in the log: each way to be refused once a minute. */
export class Refusals {
  /** How many were refused, since the start. */
  readonly counts: Record<RefusalReason, number> = { not_listed: 0, wrong_server_key: 0, no_key: 0, malformed: 0 }
  readonly #logger: Logger
  readonly #shown = new Set<string>()
  #windowEnd = 0
  #notShown = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /**
   * @param key     the public key that the peer showed, in Z85
   * @param address the peer's IP address; libzmq tells it only of peers that show a key
   */
  add(reason: RefusalReason, key?: string, address?: string): void {
    this.counts[reason]++
    const now = performance.now()
    if (now >= this.#windowEnd) {
      this.#shown.clear()
      this.#windowEnd = now + windowMs
    }
    const name = `${reason} ${key} ${address}`
    if (this.#shown.has(name) || this.#shown.size >= maxLines) {
      this.#notShown++
      return
    }
    this.#shown.add(name)
    const notShown = this.#notShown
    this.#notShown = 0
    this.#logger.warn({ reason, key: key ?? 'no key', address, ...(notShown > 0 && { notShown }) }, 'client refused')
  }
}
