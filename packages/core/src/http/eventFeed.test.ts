import { once } from 'node:events'
import { createServer, get, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type LoggedMessage, MessageLog } from '../observation/messageLog.ts'
import { EventFeed, maxListeners } from './eventFeed.ts'

const closing: (() => void)[] = []
afterEach(() => {
  vi.useRealTimers()
  for (const close of closing.splice(0)) close()
})

/** A feed behind a real server; its status is empty. */
async function serveFeed() {
  const messages = new MessageLog()
  const feed = new EventFeed({ messages, settle() {} }, () => ({}))
  const server = createServer((_, response) => {
    if (!feed.add(response, {})) response.writeHead(503).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closing.push(() => {
    feed.close()
    server.close()
    server.closeAllConnections()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const listen = async (): Promise<IncomingMessage> => {
    const [response] = (await once(get(url), 'response')) as [IncomingMessage]
    return response
  }
  return { feed, messages, server, listen }
}

const message = (id: string): LoggedMessage => ({
  ...{ at: 0, type: 'GetTip', id, address: undefined, requestBytes: 1, replyBytes: 1, ms: 1, outcome: 'ok' },
  ...{ code: undefined, gas: undefined },
})

/** Ids of the messages in the feed until one of them is the last. */
async function idsUntil(response: IncomingMessage, last: string): Promise<{ ids: string[]; text: string }> {
  let text = ''
  for await (const chunk of response) {
    text += String(chunk)
    // Whole events only: a chunk may end anywhere.
    const ids = [...text.matchAll(/^event: message\ndata: (.*)\n\n/gm)].map(
      ([, json]) => JSON.parse(json!).id as string,
    )
    if (ids.includes(last)) return { ids, text }
  }
  throw new Error('the feed ended')
}

describe('EventFeed', () => {
  it('sends the backlog, then what comes, each once and in order', async () => {
    const { messages, listen } = await serveFeed()
    for (const id of ['a', 'b']) messages.add(message(id))
    const response = await listen()
    for (const id of ['c', 'd']) messages.add(message(id))
    expect((await idsUntil(response, 'd')).ids).toEqual(['a', 'b', 'c', 'd'])
  })

  it('sends who comes later what there was, and nothing of it again', async () => {
    const { messages, listen } = await serveFeed()
    const first = await listen()
    for (const id of ['a', 'b']) messages.add(message(id))
    const second = await listen()
    messages.add(message('c'))
    expect((await idsUntil(first, 'c')).ids).toEqual(['a', 'b', 'c'])
    expect((await idsUntil(second, 'c')).ids).toEqual(['a', 'b', 'c'])
  })

  it('sends its status at once and each second, and is at rest while nobody listens', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const { feed, listen } = await serveFeed()
    expect(vi.getTimerCount()).toBe(0)
    const listeners = [await listen(), await listen()]
    let text = ''
    listeners[0]!.on('data', (chunk: Buffer) => {
      text += String(chunk)
    })
    const statuses = (count: number) =>
      vi.waitUntil(() => text.split('event: status\ndata: {}\n\n').length === count + 1, { timeout: 60_000 })
    await statuses(1)
    vi.advanceTimersByTime(999)
    expect(feed.size).toBe(2)
    vi.advanceTimersByTime(1)
    await statuses(2)
    vi.advanceTimersByTime(3000)
    await statuses(5)
    listeners[0]!.destroy()
    await vi.waitUntil(() => feed.size === 1, { timeout: 60_000 })
    expect(vi.getTimerCount()).toBe(2)
    listeners[1]!.destroy()
    await vi.waitUntil(() => feed.size === 0, { timeout: 60_000 })
    expect(vi.getTimerCount()).toBe(0)
  })

  it('ends all when it closes', async () => {
    const { feed, listen } = await serveFeed()
    const listeners = [await listen(), await listen()]
    const ended = listeners.map(
      (listener) => new Promise((resolve) => listener.on('error', () => {}).once('close', resolve)),
    )
    for (const listener of listeners) listener.resume()
    feed.close()
    await Promise.all(ended)
    await vi.waitUntil(() => feed.size === 0, { timeout: 60_000 })
  })

  it('says how many it has skipped when they come too fast', async () => {
    const { messages, listen } = await serveFeed()
    const response = await listen()
    for (let id = 0; id < 1000; id++) messages.add(message(String(id)))
    const { ids, text } = await idsUntil(response, '999')
    expect(ids).toHaveLength(200)
    expect(text).toContain('event: skipped\ndata: {"count":800}')
  })

  it('cuts off a listener that does not read, and goes on for the others', async () => {
    const { feed, messages, server, listen } = await serveFeed()
    let slow: ServerResponse | undefined
    server.once('request', (_, response) => {
      slow = response
    })
    const paused = await listen()
    paused.pause()
    const other = await listen()
    let heard = 0
    other.on('data', (chunk: Buffer) => {
      heard += chunk.length
    })
    const filling = setInterval(() => {
      for (let id = 0; id < 200; id++) messages.add(message('x'.repeat(5000)))
    }, 20)
    closing.push(() => clearInterval(filling))
    await once(slow!, 'close')
    expect(feed.size).toBe(1)
    const before = heard
    await once(other, 'data')
    expect(heard).toBeGreaterThan(before)
  })

  it('takes so many listeners and no more, and another one when one has gone', async () => {
    const { feed, listen } = await serveFeed()
    const listeners = []
    for (let count = 0; count < maxListeners; count++) listeners.push(await listen())
    expect((await listen()).statusCode).toBe(503)
    listeners[0]!.destroy()
    while (feed.size === maxListeners) await new Promise((resolve) => setImmediate(resolve))
    expect((await listen()).statusCode).toBe(200)
  })
})
