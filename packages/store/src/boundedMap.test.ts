import fc from 'fast-check'
import { describe, expect, it, vi } from 'vitest'
import { BoundedMap } from './boundedMap.ts'

describe('BoundedMap', () => {
  it('lets the oldest entry go when it is full', () => {
    const map = new BoundedMap<number>({ entries: 2 })
    map.set('a', 1)
    map.set('b', 2)
    map.set('a', 3)
    map.set('c', 4)
    expect([map.get('a'), map.get('b'), map.get('c'), map.size]).toEqual([3, undefined, 4, 2])
  })

  it('lets the entry go that was not used for longest', () => {
    const map = new BoundedMap<number>({ weight: { most: 3, of: (value) => value } })
    for (const key of ['a', 'b', 'c']) map.set(key, 1)
    expect([map.use('a'), map.get('b'), map.use('x')]).toEqual([1, 1, undefined])
    map.set('d', 2)
    expect([map.get('a'), map.get('b'), map.get('c'), map.get('d')]).toEqual([1, undefined, undefined, 2])
  })

  it('lets entries go until the weight fits, also the newest if it alone is too heavy', () => {
    const map = new BoundedMap<number>({ entries: 10, weight: { most: 100, of: (value) => value } })
    map.set('a', 60)
    map.set('b', 40)
    map.set('c', 1)
    expect([map.get('a'), map.get('b'), map.get('c'), map.weight]).toEqual([undefined, 40, 1, 41])
    map.set('d', 101)
    expect([map.get('d'), map.size, map.weight]).toEqual([undefined, 0, 0])
    map.set('e', 100)
    expect(map.get('e')).toBe(100)
  })

  it('forgets an entry at the end of its lifetime, which a new value starts again', () => {
    let now = 0
    const map = new BoundedMap<number>({ entries: 10, lifetimeMs: 10 }, { now: () => now })
    map.set('a', 1)
    map.set('b', 1)
    now = 9
    map.set('b', 2)
    expect(map.get('a')).toBe(1)
    now = 10
    expect([map.get('a'), map.get('b')]).toEqual([undefined, 2])
  })

  it('lets go of what has expired when something comes', () => {
    let now = 0
    const map = new BoundedMap<number>({ lifetimeMs: 10 }, { now: () => now })
    for (const key of ['a', 'b']) map.set(key, 1)
    now = 10
    map.set('c', 1)
    expect(map.size).toBe(1)
  })

  it('goes by a clock that nobody sets', () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance', 'setTimeout'] })
    try {
      const map = new BoundedMap<number>({ lifetimeMs: 60_000 })
      const day = 24 * 60 * 60 * 1000
      map.set('a', 1)
      vi.setSystemTime(Date.now() + day)
      expect(map.get('a')).toBe(1)
      vi.setSystemTime(Date.now() - 2 * day)
      vi.advanceTimersByTime(60_000)
      expect(map.get('a')).toBe(undefined)
    } finally {
      vi.useRealTimers()
    }
  })

  it('tells of every entry that goes', () => {
    const gone: [string, number][] = []
    const map = new BoundedMap<number>({ entries: 2 }, { onGone: (key, value) => gone.push([key, value]) })
    map.set('a', 1)
    map.set('a', 2)
    map.set('b', 3)
    map.set('c', 4)
    map.take('b')
    map.delete('c')
    map.delete('c')
    expect(gone).toEqual([
      ['a', 1],
      ['a', 2],
      ['b', 3],
      ['c', 4],
    ])
  })

  it('hands a value out once', () => {
    const map = new BoundedMap<number>({ entries: 10 })
    map.set('a', 0)
    expect([map.take('a'), map.take('a')]).toEqual([0, undefined])
  })

  it('keeps names apart that objects would not', () => {
    const map = new BoundedMap<number>({ entries: 10 })
    expect([map.get('__proto__'), map.get('constructor')]).toEqual([undefined, undefined])
  })

  it('keeps the same entries as a list that is searched from its start', () => {
    const step = fc.tuple(fc.constantFrom('set', 'use', 'delete', 'get', 'wait'), fc.constantFrom(...'abcdef'))
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let now = 0
        const map = new BoundedMap<number>({ entries: 3, lifetimeMs: 20 }, { now: () => now })
        let list: { key: string; value: number; expiresAt: number }[] = []
        const find = (key: string) => list.find((entry) => entry.key === key && entry.expiresAt > now)
        const without = (key: string) => list.filter((entry) => entry.key !== key)
        for (const [value, [action, key]] of steps.entries()) {
          const known = find(key)
          if (action === 'wait') now += 7
          if (action === 'get') expect(map.get(key)).toBe(known?.value)
          if (action === 'use') {
            expect(map.use(key)).toBe(known?.value)
            if (known !== undefined) list = [...without(key), known]
          }
          if (action === 'delete') {
            map.delete(key)
            list = without(key)
          }
          if (action === 'set') {
            map.set(key, value)
            list = [...without(key), { key, value, expiresAt: now + 20 }]
            while (list.length > 3 || list[0]!.expiresAt <= now) list.shift()
          }
          for (const each of 'abcdef') expect(map.get(each)).toBe(find(each)?.value)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('takes no longer for an entry where many others have gone', () => {
    const keys = Array.from({ length: 100_000 }, (_, index) => `${index}`)
    /** Processor time of putting all entries in anew, in their order. */
    const costOf = (map: { set(key: string, value: object): unknown; delete(key: string): unknown }): number => {
      const start = process.cpuUsage()
      for (let round = 0; round < 3; round++) {
        for (const key of keys) {
          map.delete(key)
          map.set(key, { round })
        }
      }
      const { user, system } = process.cpuUsage(start)
      return user + system
    }
    costOf(new Map())
    expect(costOf(new BoundedMap({ entries: keys.length }))).toBeLessThan(8 * costOf(new Map()))
  })
})
