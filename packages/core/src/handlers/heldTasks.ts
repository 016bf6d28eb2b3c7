import { WorkerError } from '@bletchley/protocol'
import { isWithinShare } from '../shares.ts'

/** Of all peers. */
const mostHeldBytes = 512 * 1024 * 1024

/**
 * Results of tasks that wait for room for their reply. They are held meanwhile: a key that is used up cannot be used again to make
 * them anew. One peer may have half of what the others leave, so none takes the last; and before it has that, no
 * further task of it is begun.
 */
export class HeldTasks {
  readonly #ofPeer = new Map<string, number>()
  #bytes = 0

  /** Whether a result may be held; then `release` must follow. */
  tryHold(peer: string, bytes: number): boolean {
    const own = this.#ofPeer.get(peer) ?? 0
    if (!isWithinShare(own + bytes, this.#bytes - own, mostHeldBytes / 2)) return false
    this.#ofPeer.set(peer, own + bytes)
    this.#bytes += bytes
    return true
  }

  release(peer: string, bytes: number): void {
    const left = this.#ofPeer.get(peer)! - bytes
    if (left > 0) this.#ofPeer.set(peer, left)
    else this.#ofPeer.delete(peer)
    this.#bytes -= bytes
  }

  /**
   * Looks before a task is begun whether its result could be held, with those of others that are running.
   *
   * @throws WorkerError `busy`: the peer does not read what there is
   */
  assertMayBegin(peer: string): void {
    const own = this.#ofPeer.get(peer) ?? 0
    if (own === 0 || 3 * own < mostHeldBytes - (this.#bytes - own)) return
    throw new WorkerError('busy', { limit: 'bytes of replies that this peer has not read', maximum: mostHeldBytes })
  }
}
