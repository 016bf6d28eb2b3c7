import type { EndReason } from '@bletchley/zmtp'
import type { Logger } from 'pino'

/**
 * Why a peer did not get in, or was sent away: its key is not on the list; it took another key for this core's; it showed no key
 * where one is needed (that is also how a port scanner looks), or one where none is; it did not say in time who it is; it broke
 * the protocol; it began to send a frame that is larger than frames may be.
 */
export const refusalReasons = [
  'not_listed',
  'wrong_server_key',
  'no_key',
  'handshake_timeout',
  'malformed',
  'frame_too_large',
] as const satisfies readonly EndReason[]
export type RefusalReason = (typeof refusalReasons)[number]

export function isRefusal(reason: EndReason): reason is RefusalReason {
  return (refusalReasons as readonly EndReason[]).includes(reason)
}

/** Lines in the log in one window, so that whoever keeps trying cannot fill the disk. */
const maxLines = 60
const windowMs = 60_000

/** Counts the peers that were refused, and shows them in the log: each way to be refused once a minute. */
export class Refusals {
  /** How many were refused, since the start. */
  readonly counts = Object.fromEntries(refusalReasons.map((reason) => [reason, 0])) as Record<RefusalReason, number>
  readonly #logger: Logger
  readonly #shown = new Set<string>()
  #windowEnd = 0
  #notShown = 0

  constructor(logger: Logger) {
    this.#logger = logger
  }

  /**
   * @param address the peer's IP address; empty where it came by a socket in a file
   * @param key     the public key that the peer showed, in Z85
   */
  add(reason: RefusalReason, address: string, key?: string): void {
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
