import { expect, it } from 'vitest'
import { Heap } from './heap.ts'

it('knows the heaviest of many, whatever comes, changes and goes', () => {
  const heap = new Heap<{ weight: number; place: number }>()
  const held: { weight: number; place: number }[] = []
  let seed = 1
  const random = (below: number): number => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed % below
  }
  expect(heap.heaviest).toBeUndefined()
  for (let step = 0; step < 20_000; step++) {
    const what = random(held.length < 40 ? 3 : 4)
    const item = held[random(held.length || 1)]
    if (item === undefined || what === 0) {
      const added = { weight: random(1000), place: 0 }
      held.push(added)
      heap.add(added)
    } else if (what === 3) {
      held.splice(held.indexOf(item), 1)
      heap.remove(item)
    } else {
      item.weight = random(1000)
      heap.changed(item)
    }
    expect(heap.heaviest?.weight).toBe(Math.max(...held.map(({ weight }) => weight)))
  }
  for (const item of held) heap.remove(item)
  expect(heap.heaviest).toBeUndefined()
})
