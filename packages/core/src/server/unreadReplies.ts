import { WorkerError } from '@bletchley/protocol'

/** Smaller replies are left to the count of the socket: its 10 000 of one peer are 160 MB of them at most. */
const largeBytes = 16 * 1024

/**
 * Bytes of the large replies of each peer that are in memory still, since the peer has not read them.
 *
 * A request of some hundred bytes may have a reply of 256 MiB: a peer that asks and never reads would fill the memory long before
 * the socket has counted its replies. Nobody tells what a peer has read, but the binding holds on to a reply until libzmq has
 * sent it. So what the garbage collector takes was read, and what it has not taken yet is memory in any case; the next
 * large replies that are made set it going.
 */
export class UnreadReplies {
  readonly #maximum: number
  readonly #ofPeer = new Map<string, number>()
  readonly #collected = new FinalizationRegistry<{ peer: string; bytes: number }>(({ peer, bytes }) =>
    this.#add(peer, -bytes),
  )

  /** @param maximum bytes of one peer */
  constructor(maximum: number) {
    this.#maximum = maximum
  }

  /** Counts a reply that is about to be sent; or says why it must not be. */
  take(peer: string, reply: Uint8Array): WorkerError | undefined {
    const bytes = reply.length
    if (bytes < largeBytes) return undefined
    if ((this.#ofPeer.get(peer) ?? 0) + bytes > this.#maximum) {
      return new WorkerError('busy', { limit: 'bytes of replies that this peer has not read', maximum: this.#maximum })
    }
    this.#add(peer, bytes)
    this.#collected.register(reply, { peer, bytes })
    return undefined
  }

  #add(peer: string, bytes: number): void {
    const sum = (this.#ofPeer.get(peer) ?? 0) + bytes
    if (sum === 0) this.#ofPeer.delete(peer)
    else this.#ofPeer.set(peer, sum)
  }
}
