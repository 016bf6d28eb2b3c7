import { WorkerError } from '@bletchley/protocol'
import { forEachPaced, KeyedQueue } from '@bletchley/store'
import { isWithinShare } from '../shares.ts'

/** Whatever changes a contract waits in the line behind its name. */
export class ContractQueue {
  readonly #lines = new KeyedQueue()
  readonly #most: number
  /** How many jobs each connection has in the line of each contract. */
  readonly #ofPeer = new Map<string, Map<string, number>>()

  /** @param most jobs that one connection may have in a line while the others have none */
  constructor(most: number) {
    this.#most = most
  }

  /** How many jobs each contract has, running or waiting. */
  get lengths(): Iterable<readonly [name: string, jobs: number]> {
    return this.#lines.lengths()
  }

  /**
   * Runs a job when the contracts' turn has come, whatever else waits.
   *
   * @param peer the connection that it is for
   */
  async run<T>(peer: string, names: Iterable<string>, job: () => Promise<T>): Promise<T> {
    const claimed = new Set(names)
    const own = this.#of(peer)
    for (const name of claimed) own.set(name, (own.get(name) ?? 0) + 1)
    try {
      return await this.#lines.run(claimed, job)
    } finally {
      await forEachPaced(claimed, (name) => {
        const left = own.get(name)! - 1
        if (left > 0) own.set(name, left)
        else own.delete(name)
      })
      if (own.size === 0 && this.#ofPeer.get(peer) === own) this.#ofPeer.delete(peer)
    }
  }

  /**
   * As {@link run}, unless the connection has too many in one of the lines: nothing is done then. Who has none in a line gets
   * into it.
   *
   * @throws WorkerError `busy`
   */
  async runWithinShare<T>(peer: string, names: readonly string[], job: () => Promise<T>): Promise<T> {
    const own = this.#ofPeer.get(peer)
    if (own !== undefined && names.some((name) => this.#isFull(name, own.get(name)))) {
      throw new WorkerError('busy', { limit: 'requests waiting for this contract', maximum: this.#most })
    }
    return this.run(peer, names, job)
  }

  #isFull(name: string, own: number | undefined): boolean {
    return own !== undefined && !isWithinShare(own + 1, this.#lines.length(name) - own, this.#most)
  }

  #of(peer: string): Map<string, number> {
    const known = this.#ofPeer.get(peer)
    if (known !== undefined) return known
    const own = new Map<string, number>()
    this.#ofPeer.set(peer, own)
    return own
  }
}
