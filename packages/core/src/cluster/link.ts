import { isIP } from 'node:net'
import { encodeZ85, type SecretKey } from '@bletchley/crypto'
import { type CurveKeyPair, clusterCurveKeyPair } from '@bletchley/crypto/curve-key-file'
import type { Logger } from 'pino'
import { Dealer } from 'zeromq'
import { joinWithPauses } from '../largeBytes.ts'
import { within } from '../within.ts'
import { handedOnMark, mayBeHandedOn } from './handedOn.ts'

/**
 * A core that is not heard of for so long is silent, be it while its connection opens or later. A reply that takes as long to come
 * through counts as silence, too.
 */
const silenceMs = 2000
const heartbeatMs = 500

/** A reply that was dropped on its way never comes. No task takes as long. */
const patienceMs = 10 * 60_000

/** How soon a core that refused, or was found at no address of its name, is asked again: libzmq does not by itself. */
const reconnectMs = 1000

const mark = Uint8Array.of(handedOnMark)

/** How a core hands tasks on to the others of its worker, and gets their replies. */
export class Link {
  readonly #keys: CurveKeyPair
  readonly #logger: Logger
  readonly #peers = new Map<string, Peer>()
  #isClosed = false

  constructor(signingKey: SecretKey, logger: Logger) {
    this.#keys = clusterCurveKeyPair(signingKey)
    this.#logger = logger
  }

  /**
   * Hands a peer's frame on to the core at an endpoint. Never throws; a core that computes may take its time.
   *
   * @param frame must not change meanwhile
   * @returns its reply; undefined if the frame is to be answered here: the other core is silent or does not take it, or was
   *   given up meanwhile. It may have carried it out all the same
   */
  async hand(endpoint: string, frame: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.#isClosed || !mayBeHandedOn(frame)) return undefined
    try {
      let peer = this.#peers.get(endpoint)
      if (peer === undefined) {
        peer = new Peer(endpoint, this.#keys, this.#logger)
        this.#peers.set(endpoint, peer)
      }
      return await peer.hand(frame)
    } catch (err) {
      // No files, no memory.
      this.#logger.error({ err, endpoint }, 'a task could not be handed on')
      return undefined
    }
  }

  /** Gives up all other cores, and what was handed on to them. */
  keep(endpoints: ReadonlySet<string>): void {
    for (const [endpoint, peer] of this.#peers) {
      if (endpoints.has(endpoint)) continue
      this.#peers.delete(endpoint)
      peer.close()
    }
  }

  /** Gives up all cores. */
  close(): void {
    this.#isClosed = true
    this.keep(new Set())
  }
}

interface Pending {
  settle(reply: Uint8Array | undefined): void
  deadline: NodeJS.Timeout
}

/** The connection to another core. */
class Peer {
  readonly #endpoint: string
  readonly #logger: Logger
  readonly #socket: Dealer
  readonly #pending = new Map<string, Pending>()
  /** Until the first attempt to connect has ended, in whatever way; later ones nobody waits for. */
  readonly #opened: Promise<void>
  #open = (): void => {}
  #isConnected = false
  /** Whether it has been said that it is silent. */
  #isSilent = false
  #isClosed = false
  #requests = 0
  #reconnect: NodeJS.Timeout | undefined

  constructor(endpoint: string, { publicKey, secretKey }: CurveKeyPair, logger: Logger) {
    this.#endpoint = endpoint
    this.#logger = logger
    const key = encodeZ85(publicKey)
    this.#socket = new Dealer({
      linger: 0,
      reconnectInterval: 50,
      reconnectMaxInterval: 1000,
      // Without a limit and a wait, sending is done when it returns.
      sendHighWaterMark: 0,
      sendTimeout: 0,
      // What comes are replies to requests, which are bounded. With a limit, heartbeats would wait behind it.
      receiveHighWaterMark: 0,
      ipv6: endpoint.startsWith('tcp://['),
      connectTimeout: silenceMs,
      handshakeInterval: silenceMs,
      heartbeatInterval: heartbeatMs,
      heartbeatTimeout: silenceMs - heartbeatMs,
      curveServerKey: key,
      curvePublicKey: key,
      curveSecretKey: encodeZ85(secretKey.bytes),
    })
    const opened = new Promise<void>((resolve) => {
      this.#open = resolve
    })
    this.#opened = within(silenceMs, opened)
    void this.#watch()
    void this.#receive()
    this.#connect()
  }

  async hand(frame: Uint8Array): Promise<Uint8Array | undefined> {
    await this.#opened
    if (!this.#isConnected) {
      this.#silent('it does not answer')
      return undefined
    }
    const message = await joinWithPauses(mark, frame)
    // libzmq would keep it for the next connection, or drop it.
    if (!this.#isConnected) return undefined
    return new Promise((resolve) => {
      const id = (this.#requests++).toString(36)
      const deadline = setTimeout(() => this.#settle(id, undefined), patienceMs)
      this.#pending.set(id, { settle: resolve, deadline })
      this.#socket.send([id, '', message]).catch(() => this.#settle(id, undefined))
    })
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#reconnect)
    this.#socket.close()
    this.#lost()
  }

  async #receive(): Promise<void> {
    try {
      for await (const [id, delimiter, reply] of this.#socket) {
        // Without a reply in it, it is none of ours.
        if (id === undefined || delimiter?.length !== 0 || reply === undefined) continue
        this.#settle(id.toString('latin1'), reply.length === 0 ? undefined : reply)
      }
    } catch {
      // The socket was closed.
    }
  }

  /** What has nobody waiting for it any more comes to nothing. */
  #settle(id: string, reply: Uint8Array | undefined): void {
    const pending = this.#pending.get(id)
    if (pending === undefined) return
    this.#pending.delete(id)
    clearTimeout(pending.deadline)
    pending.settle(reply)
  }

  async #watch(): Promise<void> {
    try {
      for await (const { type } of this.#socket.events) {
        if (type === 'handshake') this.#connected()
        if (type === 'disconnect') this.#silent('the connection was lost')
        if (type === 'connect') this.#stay()
        if (type === 'connect:retry') this.#unreachable()
        if (type === 'handshake:error:other') this.#silent('it hangs up in the handshake')
        if (type === 'handshake:error:auth' || type === 'handshake:error:protocol') this.#refused()
      }
    } catch {
      // The socket was closed.
    }
  }

  #connected(): void {
    this.#isConnected = true
    if (this.#isSilent) this.#logger.info({ endpoint: this.#endpoint }, 'the other core answers again')
    this.#isSilent = false
    this.#open()
  }

  /** Its replies come by the connection that a request went by, or not at all. */
  #silent(reason: string): void {
    if (this.#isClosed) return
    if (!this.#isSilent) this.#logger.warn({ endpoint: this.#endpoint, reason }, 'another core is silent')
    this.#isSilent = true
    this.#lost()
  }

  #lost(): void {
    this.#isConnected = false
    this.#open()
    for (const id of this.#pending.keys()) this.#settle(id, undefined)
  }

  /** A name may stand for an IPv4 and an IPv6 address, and libzmq tries one of them for ever. */
  #unreachable(): void {
    this.#silent('nobody listens there')
    if (!isName(this.#endpoint)) return
    this.#connectAgain(() => {
      this.#socket.ipv6 = !this.#socket.ipv6
    })
  }

  /** libzmq gives up on a core that refuses; another one may listen there soon. */
  #refused(): void {
    this.#silent('it is no core of this worker')
    this.#connectAgain()
  }

  #stay(): void {
    clearTimeout(this.#reconnect)
    this.#reconnect = undefined
  }

  #connectAgain(change = (): void => {}): void {
    // Events that come behind the end find a socket that throws.
    if (this.#isClosed) return
    this.#reconnect ??= setTimeout(() => {
      this.#reconnect = undefined
      try {
        this.#socket.disconnect(this.#endpoint)
      } catch {
        // libzmq has done so already.
      }
      change()
      this.#connect()
    }, reconnectMs)
  }

  #connect(): void {
    try {
      this.#socket.connect(this.#endpoint)
    } catch {
      this.#silent('its endpoint is none')
    }
  }
}

function isName(endpoint: string): boolean {
  const host = /^tcp:\/\/([^[\]:;*]+):\d+$/.exec(endpoint)?.[1]
  return host !== undefined && isIP(host) === 0
}
