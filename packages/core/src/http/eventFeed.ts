import type { ServerResponse } from 'node:http'
import type { MessageLog } from '../observation/messageLog.ts'
import type { Observation } from '../observation/observation.ts'

export const maxListeners = 16

/** A listener that has so many bytes to read does not keep up. */
const maxUnreadBytes = 1 << 20

/** Messages go out together: one write for so many of them, and no more than the log holds, however many there are. */
const flushMs = 100
const statusMs = 1000

/**
 * The live feed: Server-Sent Events of the last messages, the new ones, and a status now and then. It costs nothing while
 * nobody listens, and what a listener has not read is bounded: who is slow is cut off, and comes again.
 */
export class EventFeed {
  readonly #observation: Pick<Observation, 'messages' | 'settle'>
  readonly #statusNow: () => object
  readonly #listeners = new Set<ServerResponse>()
  #position = 0
  #flushing: NodeJS.Timeout | undefined
  #reporting: NodeJS.Timeout | undefined

  /** @param status as /api/status has it */
  constructor(observation: Pick<Observation, 'messages' | 'settle'>, status: () => object) {
    this.#observation = observation
    this.#statusNow = status
  }

  get size(): number {
    return this.#listeners.size
  }

  /** Takes over a response; not if there are too many. */
  add(response: ServerResponse, headers: Readonly<Record<string, string>>): boolean {
    if (this.size >= maxListeners) return false
    if (this.size === 0) this.#start()
    else this.#flush()
    response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream; charset=utf-8' })
    const backlog = this.#log.since(0).messages.map(messageEvent).join('')
    response.write(`retry: 1000\n\n${this.#status()}${backlog}`)
    this.#listeners.add(response)
    response.once('close', () => this.#remove(response))
    return true
  }

  close(): void {
    for (const response of this.#listeners) response.destroy()
  }

  /** With all messages so far in it. */
  get #log(): MessageLog {
    this.#observation.settle()
    return this.#observation.messages
  }

  #start(): void {
    this.#position = this.#log.count
    this.#flushing = setInterval(() => this.#flush(), flushMs).unref()
    this.#reporting = setInterval(() => this.#send(this.#status()), statusMs).unref()
  }

  #remove(response: ServerResponse): void {
    this.#listeners.delete(response)
    if (this.size > 0) return
    clearInterval(this.#flushing)
    clearInterval(this.#reporting)
  }

  #flush(): void {
    const log = this.#log
    if (this.#position === log.count) return
    const { messages, missed } = log.since(this.#position)
    this.#position = log.count
    const skipped = missed > 0 ? event('skipped', { count: missed }) : ''
    this.#send(skipped + messages.map(messageEvent).join(''))
  }

  #send(text: string): void {
    for (const response of this.#listeners) {
      if (response.writableLength > maxUnreadBytes) response.destroy()
      else response.write(text)
    }
  }

  /** Doubles as what keeps the connection alive. */
  #status(): string {
    return event('status', this.#statusNow())
  }
}

function messageEvent(message: object): string {
  return event('message', message)
}

/** JSON has no line ends of its own, so one line of data is enough. */
function event(name: string, data: object): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
