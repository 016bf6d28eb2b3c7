import { connectionsWithin, openFiles } from '@bletchley/http/open-files'
import type { Logger } from 'pino'
import type { Router } from 'zeromq'
import type { RefusalReason, Refusals } from './refusals.ts'

/** So often in a row everybody may come again at once. */
const freeEndings = 4

/**
 * How long connections are not counted when they became too many again at once: whoever does that shall not be able to end
 * those of others all the time. Twice as long each time.
 */
const pauses = { firstMs: 10_000, longestMs: 600_000 }

/** What a server does when there are too many connections. */
interface Remedy {
  /** Ends all connections as soon as what is under way has had a moment to end, and takes new ones on another socket. */
  makeAnew(): void
  /** The moment is over. */
  hurry(): void
}

/**
 * Keeps the connections of a server below what its limit of open files allows. At that limit libzmq tries to accept for ever,
 * and reports each attempt: it takes a processor, and whoever listens to its reports another one.
 *
 * libzmq can neither end one connection nor stop listening without ending all. So when there are too many, all are made
 * anew: peers of ZeroMQ come back by themselves.
 */
export class Connections {
  /** As many as there may be; undefined where the system does not tell its limits. */
  readonly #maximum: number | undefined
  readonly #remedy: Remedy
  readonly #logger: Logger
  #open = 0
  #endings = 0
  #inARow = 0
  #isFull = false
  #isExhausted = false
  /** Also of the sockets that cannot be bound at once. */
  #isPausing = false
  #watched: Router | undefined
  #pauseMs = pauses.firstMs
  #lastEnding = Number.NEGATIVE_INFINITY
  #pause: NodeJS.Timeout | undefined

  constructor(remedy: Remedy, logger: Logger, maximum = maxConnections()) {
    this.#maximum = maximum
    this.#remedy = remedy
    this.#logger = logger
  }

  /** Now; 0 while they are not counted. */
  get open(): number {
    return this.#open
  }

  /** How often there were too many. */
  get endings(): number {
    return this.#endings
  }

  /** Whether the socket has to be closed at once. */
  get isExhausted(): boolean {
    return this.#isExhausted
  }

  close(): void {
    clearTimeout(this.#pause)
  }

  /** Counts the connections of a socket until it is closed, and the peers that fail before they have shown their key. */
  async watch(socket: Router, refusals: Refusals | undefined): Promise<void> {
    clearTimeout(this.#pause)
    this.#watched = socket
    this.#open = 0
    this.#isFull = false
    this.#isExhausted = false
    if (this.#isPausing) {
      // Nobody listens to the reports, or they would be all that the main thread is busy with.
      this.#pause = setTimeout(() => this.#countAgain(), this.#pauseMs)
      return
    }
    // To the end, also when it has been told to end: libzmq waits until its reports are heard.
    for await (const event of socket.events) {
      // What a socket still reports when another has taken its place says nothing of that one.
      const isServing = socket === this.#watched
      switch (event?.type) {
        case 'accept':
          if (isServing) this.#accepted()
          break
        case 'disconnect':
          if (isServing) this.#open--
          break
        case 'accept:error':
          if (isServing) this.#exhausted()
          break
        // The doorkeeper knows of the others.
        case 'handshake:error:other':
          refusals?.add('no_key')
          break
        case 'handshake:error:protocol':
          refusals?.add(reasonOf(event.error.code))
      }
    }
  }

  #accepted(): void {
    this.#open++
    if (this.#maximum !== undefined && this.#open >= this.#maximum) this.#tooMany()
  }

  /** The pause is over: whether there are too many still is for the next socket to show. */
  #countAgain(): void {
    this.#isPausing = false
    this.#endings++
    this.#logger.warn('connections are counted again: all are made anew')
    this.#remedy.makeAnew()
  }

  #exhausted(): void {
    if (this.#isExhausted) return
    this.#isExhausted = true
    this.#tooMany()
    this.#remedy.hurry()
  }

  #tooMany(): void {
    if (this.#isFull) return
    this.#isFull = true
    this.#isPausing = this.#isTooOften()
    this.#endings++
    this.#logger.warn(
      { connections: this.#open, maximum: this.#maximum },
      'the limit of open files allows no more connections: all are made anew (raise it with LimitNOFILE or ulimit -n)',
    )
    this.#remedy.makeAnew()
  }

  /** Whether it has happened again and again. */
  #isTooOften(): boolean {
    const now = performance.now()
    const quietMs = now - this.#lastEnding
    this.#lastEnding = now
    if (quietMs > 2 * this.#pauseMs) {
      this.#inARow = 0
      this.#pauseMs = pauses.firstMs
    }
    if (++this.#inARow <= freeEndings) return false
    this.#pauseMs = Math.min(2 * this.#pauseMs, pauses.longestMs)
    return true
  }
}

function reasonOf(code: string): RefusalReason {
  if (code === 'ERR_ZMTP_CRYPTOGRAPHIC') return 'wrong_server_key'
  return code === 'ERR_ZMTP_MECHANISM_MISMATCH' ? 'no_key' : 'malformed'
}

/** Beside the files that are open now. */
function maxConnections(): number | undefined {
  const files = openFiles()
  return files && connectionsWithin(files)
}
