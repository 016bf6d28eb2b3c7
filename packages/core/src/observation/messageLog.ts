import { bytesToHex } from '@bletchley/bytes'
import { ExactNumber, type MessageId } from '@bletchley/protocol'
import type { AnsweredMessage } from '../dispatch.ts'

/** Longest part of an id or type that is kept, in characters. */
const maxTextLength = 64

/** A message as it is shown: everything that a peer has chosen is short and printable. */
export interface LoggedMessage {
  /** Milliseconds since 1970. */
  at: number
  type: string
  id: string
  address: string | undefined
  requestBytes: number
  replyBytes: number
  ms: number
  outcome: AnsweredMessage['outcome']
  code: string | undefined
  gas: string | undefined
}

export function logged(message: AnsweredMessage): LoggedMessage {
  const { type, id, address, requestBytes, replyBytes, at, milliseconds, outcome, code, gas } = message
  return {
    at: Math.round(Date.now() - performance.now() + at),
    type: printable(type ?? ''),
    id: printable(textOf(id)),
    address: address && bytesToHex(address),
    requestBytes,
    replyBytes,
    ms: Math.round(milliseconds * 1000) / 1000,
    outcome,
    code,
    gas: gas?.toString(),
  }
}

/** Messages that the log holds. */
export const loggedMessages = 200

/** The last messages, so many and no more. */
export class MessageLog {
  readonly #capacity: number
  readonly #ring: LoggedMessage[] = []
  #count = 0

  constructor(capacity = loggedMessages) {
    this.#capacity = capacity
  }

  /** Messages there have been; a position for {@link since}. */
  get count(): number {
    return this.#count
  }

  add(message: LoggedMessage): void {
    this.#ring[this.#count % this.#capacity] = message
    this.#count += 1
  }

  /** Counts messages that are not worth adding: more than the log holds come behind them. */
  pass(count: number): void {
    this.#count += count
  }

  /** The messages behind a position that are still there, and how many of them are not. */
  since(position: number): { messages: LoggedMessage[]; missed: number } {
    const first = Math.max(position, this.#count - this.#capacity)
    const messages: LoggedMessage[] = []
    for (let at = first; at < this.#count; at++) messages.push(this.#ring[at % this.#capacity]!)
    return { messages, missed: first - position }
  }
}

/** Lets go of an id or type that is large: whoever looks later needs the beginning of it. */
export function shorten(message: AnsweredMessage): AnsweredMessage {
  const { id, type } = message
  if ((type ?? '').length <= maxTextLength && textOf(id).length <= maxTextLength) return message
  return { ...message, id: printable(textOf(id)), type: type && printable(type) }
}

function textOf(id: MessageId): string {
  return id instanceof ExactNumber ? id.text : String(id)
}

/**
 * Printable ASCII, cut. Most texts are that already and are kept as they are; of others a copy is made, since a part of a
 * text would keep the whole of it in memory.
 */
function printable(text: string): string {
  if (text.length <= maxTextLength && /^[\x20-\x7e]*$/.test(text)) return text
  return Buffer.from(text.slice(0, maxTextLength).replace(/[^\x20-\x7e]/g, '?'), 'latin1').toString('latin1')
}
