import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { MessageType, Reply, Request } from './index.ts'
import { decodeReply, decodeRequest, encodeReply, encodeRequest, messageTypes } from './index.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

interface Line {
  label: string
  frame: string
}

function linesOf(type: MessageType): Line[] {
  const text = readFileSync(new URL(`../test/wire/${type}.txt`, import.meta.url), 'utf8')
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const brace = line.indexOf('{')
      return { label: line.slice(0, brace).trim(), frame: line.slice(brace) }
    })
}

function decoded(frame: string): Request {
  const request = decodeRequest(encoder.encode(frame))
  if (!request.ok) throw new Error(`${request.message} in ${frame}`)
  return request
}

/** Reads a reply as a client does, and gives back what the worker must have written it from. */
function replyFrom(type: MessageType, frame: string, input: Request['input']): Reply {
  const reply = decodeReply(encoder.encode(frame), type)
  if (reply.kind !== 'result') return reply
  // The document's GetDelta leaves out what the request says.
  const result = type === 'GetDelta' ? { ...(input as object), ...reply.result } : reply.result
  return { ...reply, type, input, result } as Reply
}

function written(reply: Reply, dialect: 'document' | 'enigma-p2p'): string {
  return decoder.decode(encodeReply(reply, dialect))
}

describe.each(messageTypes)('%s', (type) => {
  const lines = linesOf(type)
  const first = decoded(lines.find(({ label }) => label === 'request')?.frame ?? '')

  test('has a request, a reply and no unknown label', () => {
    const labels = new Set(lines.map(({ label }) => label))
    expect(labels).toContain('request')
    expect(labels).toContain('reply')
    for (const label of labels) expect(['request', 'same', 'reply', 'reply enigma-p2p', 'failed']).toContain(label)
  })

  let request = first
  let reply: Reply | undefined
  for (const [at, { label, frame }] of lines.entries()) {
    const next = lines[at + 1]?.label
    test(`line ${at + 1}: ${label}`, () => {
      if (label === 'request') {
        request = decoded(frame)
        expect(request.type).toBe(type)
        expect(decoder.decode(encodeRequest(type, request.id, request.input as never))).toBe(frame)
      } else if (label === 'same') {
        const spelt = decoded(frame)
        const address = (spelt.input as { addressText?: string } | undefined)?.addressText
        expect(spelt.input).toEqual(address === undefined ? request.input : { ...request.input, addressText: address })
      } else if (label === 'reply enigma-p2p') {
        expect(replyFrom(type, frame, first.input)).toEqual(reply)
        expect(written(replyFrom(type, frame, first.input), 'enigma-p2p')).toBe(frame)
      } else {
        reply = replyFrom(type, frame, first.input)
        expect(reply.kind).toBe(label === 'failed' ? 'failedTask' : 'result')
        expect(written(reply, 'document')).toBe(frame)
        if (next !== 'reply enigma-p2p') expect(written(reply, 'enigma-p2p')).toBe(frame)
      }
    })
  }
})
