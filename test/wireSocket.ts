import { Dealer } from 'zeromq'

/** A reply as it came, parsed. */
export interface WireReply {
  id: unknown
  type: string
  msg?: string
  result?: Record<string, unknown>
  [member: string]: unknown
}

/** A peer that knows nothing of our codec: it sends bytes and reads JSON. */
export class WireSocket {
  readonly #socket = new Dealer({ linger: 0 })
  #sentinels = 0

  constructor(endpoint: string) {
    this.#socket.connect(endpoint)
  }

  /** Sends frames as one message, and takes the one message that answers it. */
  async ask(...frames: (string | Uint8Array)[]): Promise<WireReply[]> {
    await this.#socket.send(['', ...frames])
    const replies = await this.#receive()
    // A second reply to the same request would come in front of this one.
    const id = `sentinel ${this.#sentinels++}`
    await this.#socket.send(['', JSON.stringify({ id, type: 'GetAllAddrs' })])
    const [next] = await this.#receive()
    if (next?.id !== id) throw new Error(`a request got a second reply: ${JSON.stringify(next)}`)
    return replies
  }

  /** Asks with one frame, and expects one frame. */
  async askOne(frame: string | Uint8Array | object): Promise<WireReply> {
    const replies = await this.ask(
      typeof frame === 'string' || frame instanceof Uint8Array ? frame : JSON.stringify(frame),
    )
    if (replies.length !== 1) throw new Error(`expected one reply frame, got ${replies.length}`)
    return replies[0]!
  }

  /** Sends without waiting. */
  async send(frame: object): Promise<void> {
    await this.#socket.send(['', JSON.stringify(frame)])
  }

  async receive(): Promise<WireReply> {
    return (await this.#receive())[0]!
  }

  async #receive(): Promise<WireReply[]> {
    const [delimiter, ...frames] = await this.#socket.receive()
    if (delimiter?.length !== 0) throw new Error('the envelope is not that of the request')
    return frames.map((frame) => JSON.parse(frame.toString()) as WireReply)
  }

  [Symbol.dispose](): void {
    this.#socket.close()
  }
}
