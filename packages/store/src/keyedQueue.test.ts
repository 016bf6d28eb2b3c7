import { setImmediate as nextTurn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { KeyedQueue } from './keyedQueue.ts'

/** A job that waits until it is let go, and writes down when it starts and ends. */
function createJob(log: string[], name: string) {
  let letGo!: () => void
  const gate = new Promise<void>((resolve) => {
    letGo = resolve
  })
  return {
    letGo,
    run: async () => {
      log.push(`${name} starts`)
      await gate
      log.push(`${name} ends`)
      return name
    },
  }
}

describe('KeyedQueue', () => {
  it('runs the jobs of a key in order, one at a time', async () => {
    const queue = new KeyedQueue()
    const log: string[] = []
    const [first, second] = [createJob(log, 'first'), createJob(log, 'second')]
    const both = [queue.run(['a'], first.run), queue.run(['a'], second.run)]
    second.letGo()
    first.letGo()
    expect(await Promise.all(both)).toEqual(['first', 'second'])
    expect(log).toEqual(['first starts', 'first ends', 'second starts', 'second ends'])
    expect(queue.size).toBe(0)
  })

  it('lets a job wait that arrives while the last one in line runs', async () => {
    const queue = new KeyedQueue()
    const log: string[] = []
    const [first, second, third] = [createJob(log, 'first'), createJob(log, 'second'), createJob(log, 'third')]
    const running = [queue.run(['a'], first.run), queue.run(['a'], second.run)]
    first.letGo()
    await running[0]
    expect(queue.length('a')).toBe(1)
    running.push(queue.run(['a'], third.run))
    third.letGo()
    // As many turns as a job that does not wait would need, and more.
    for (let turn = 0; turn < 20; turn++) await Promise.resolve()
    expect(log).toEqual(['first starts', 'first ends', 'second starts'])
    second.letGo()
    await Promise.all(running)
    expect(log.slice(3)).toEqual(['second ends', 'third starts', 'third ends'])
    expect(queue.size).toBe(0)
  })

  it('runs jobs of different keys side by side', async () => {
    const queue = new KeyedQueue()
    const log: string[] = []
    const [first, second] = [createJob(log, 'first'), createJob(log, 'second')]
    const running = queue.run(['a'], first.run)
    second.letGo()
    expect(await queue.run(['b'], second.run)).toBe('second')
    first.letGo()
    await running
    expect(log.at(-1)).toBe('first ends')
  })

  it('starts a job of several keys when all are free, and never locks up', async () => {
    const queue = new KeyedQueue()
    const log: string[] = []
    const first = createJob(log, 'first')
    const running = [
      queue.run(['a'], first.run),
      queue.run(['a', 'b'], async () => log.push('both')),
      queue.run(['b', 'a', 'b'], async () => log.push('reverse')),
      queue.run(['b'], async () => log.push('last')),
    ]
    first.letGo()
    await Promise.all(running)
    expect(log).toEqual(['first starts', 'first ends', 'both', 'reverse', 'last'])
    expect(queue.size).toBe(0)
  })

  it('goes on behind a job that fails', async () => {
    const queue = new KeyedQueue()
    const failing = queue.run(['a'], async () => {
      throw new Error('failed')
    })
    const next = queue.run(['a'], async () => 'next')
    await expect(failing).rejects.toThrow('failed')
    expect(await next).toBe('next')
  })

  it('lets go of many keys with pauses for others, and runs who comes meanwhile', async () => {
    const queue = new KeyedQueue()
    const count = 200_000
    const keys = Array.from({ length: count }, (_, key) => String(key))
    let ended = false
    const later: Promise<string>[] = []
    const look = (): void => {
      if (queue.size < count && later.length === 0) {
        expect(ended).toBe(false)
        for (const key of ['0', String(count - 1)]) later.push(queue.run([key], async () => key))
      }
      if (!ended) setImmediate(look)
    }
    setImmediate(look)
    await queue.run(keys, () => nextTurn())
    ended = true
    expect(await Promise.all(later)).toEqual(['0', String(count - 1)])
    expect(queue.size).toBe(0)
  })
})
