import { createHistogram } from 'node:perf_hooks'
import { type ErrorCode, isMessageType, type MessageType } from '@bletchley/protocol'
import type { AnsweredMessage } from '../dispatch.ts'

/** Sums over the messages of one type. */
export interface TypeTally {
  ok: number
  failed_task: number
  error: number
  requestBytes: number
  replyBytes: number
}

/**
 * Sums over messages, kept as plain numbers so that a message costs next to nothing; whoever shows them reads them
 * whenever he likes.
 */
export class MessageTallies {
  readonly byType = new Map<MessageType | 'unknown', TypeTally>()
  readonly errors = new Map<ErrorCode, number>()
  /** Microseconds of the messages since somebody last reset it. */
  readonly latency = createHistogram()
  messages = 0
  gas = 0n

  add({ type, outcome, code, requestBytes, replyBytes, milliseconds, gas }: AnsweredMessage): void {
    const name = knownType(type)
    let tally = this.byType.get(name)
    if (tally === undefined) {
      tally = { ok: 0, failed_task: 0, error: 0, requestBytes: 0, replyBytes: 0 }
      this.byType.set(name, tally)
    }
    tally[outcome] += 1
    tally.requestBytes += requestBytes
    tally.replyBytes += replyBytes
    this.messages += 1
    if (code !== undefined) this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
    if (gas !== undefined) this.gas += gas
    this.latency.record(Math.max(1, Math.round(milliseconds * 1000)))
  }

  get errorCount(): number {
    let sum = 0
    for (const count of this.errors.values()) sum += count
    return sum
  }
}

/** A peer must not be able to make up types without end. */
export function knownType(type: string | undefined): MessageType | 'unknown' {
  return isMessageType(type) ? type : 'unknown'
}
