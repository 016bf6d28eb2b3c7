import { batch, signal } from '@preact/signals'
import type { Message, Status } from './api.ts'

/** `refused` by a core that serves as many pages as it will. */
export type Connection = 'connecting' | 'live' | 'lost' | 'refused'

/** A message with a number of ours, since ids of peers repeat. */
export interface FeedMessage extends Message {
  seq: number
}

export const connection = signal<Connection>('connecting')
export const status = signal<Status | undefined>(undefined)
/** The newest last; at most `feedLimit`. */
export const feed = signal<readonly FeedMessage[]>([])
/** Messages that came too fast for the core to tell them one by one. */
export const skipped = signal(0)
/** Grows when what is stored may have changed, at most once a second: views that show it read it again then. */
export const storeChanges = signal(0)

export const feedLimit = 1000

/** Some seven times a second is as often as an eye can follow; in between, messages only gather. */
const flushMs = 150

/** The core reports about once a second; a silence this long is a core that does not answer. */
const silenceMs = 8000
const retryMs = 1000

const writes = new Set([
  'DeploySecretContract',
  'ComputeTask',
  'UpdateNewContract',
  'UpdateNewContractOnDeployment',
  'UpdateDeltas',
  'RemoveContract',
  'RemoveDeltas',
  'PTTResponse',
])

let source: EventSource | undefined
let retry: ReturnType<typeof setTimeout> | undefined
let silence: ReturnType<typeof setTimeout> | undefined
let pending: FeedMessage[] = []
let replaces = false
let seq = 0
let frame: number | undefined
let change: ReturnType<typeof setTimeout> | undefined
let lastFlush = 0

function noteChange(): void {
  if (change !== undefined) return
  change = setTimeout(() => {
    change = undefined
    storeChanges.value++
  }, 1000)
}

function flush(now: number): void {
  if (now - lastFlush < flushMs) {
    frame = requestAnimationFrame(flush)
    return
  }
  frame = undefined
  lastFlush = now
  const news = pending
  pending = []
  // After a connection the core tells the last messages again: they take the place of what was there.
  feed.value = (replaces ? news : [...feed.value, ...news]).slice(-feedLimit)
  replaces = false
  if (news.some(({ type, outcome }) => outcome !== 'error' && writes.has(type))) noteChange()
}

function receive(message: Message): void {
  pending.push({ ...message, seq: seq++ })
  // More than is kept need not wait for a frame either.
  if (pending.length > feedLimit) pending.shift()
  flushSoon()
}

function flushSoon(): void {
  if (frame === undefined) frame = requestAnimationFrame(flush)
}

function disconnect(): void {
  source?.close()
  source = undefined
  clearTimeout(retry)
  clearTimeout(silence)
}

function lose(): void {
  // An answer that is no feed closes it for good; without an answer it would try again.
  connection.value = source?.readyState === EventSource.CLOSED ? 'refused' : 'lost'
  disconnect()
  retry = setTimeout(connect, retryMs)
}

function connect(): void {
  disconnect()
  source = new EventSource('api/events')
  silence = setTimeout(lose, silenceMs)
  source.addEventListener('open', () => {
    replaces = true
    pending = []
    skipped.value = 0
    noteChange()
  })
  source.addEventListener('error', lose)
  source.addEventListener('message', (event: MessageEvent<string>) => receive(JSON.parse(event.data) as Message))
  source.addEventListener('skipped', (event: MessageEvent<string>) => {
    skipped.value += (JSON.parse(event.data) as { count: number }).count
    noteChange()
  })
  source.addEventListener('status', (event: MessageEvent<string>) => {
    clearTimeout(silence)
    silence = setTimeout(lose, silenceMs)
    // A core that has no messages to tell again is a new one.
    if (replaces) flushSoon()
    batch(() => {
      connection.value = 'live'
      status.value = JSON.parse(event.data) as Status
    })
  })
}

/** Listens to the core for as long as the page can be seen. */
export function startLive(): void {
  const follow = () => {
    if (document.hidden) disconnect()
    else connect()
  }
  document.addEventListener('visibilitychange', follow)
  follow()
}
