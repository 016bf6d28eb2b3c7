import { Turns } from '@bletchley/testkit/turns'
import { expect, it } from 'vitest'
import { forEachPaced, Pacer, paced } from './pacer.ts'

/** Keeps the thread busy until a pause is due. */
function work(pacer: Pacer): void {
  while (!pacer.due);
}

it('however many loops there are, others have their turn after each stretch', async () => {
  const turns = new Turns()
  const stretches: number[] = []
  const loops = Array.from({ length: 10 }, async () => {
    const pacer = new Pacer()
    for (let step = 0; step < 5; step++) {
      work(pacer)
      await pacer.pause()
      stretches.push(turns.count)
    }
  })
  await Promise.all(loops)
  turns.stop()
  expect(stretches).toHaveLength(50)
  expect(new Set(stretches).size).toBe(50)
})

it('a loop that is not due goes on at once', async () => {
  const pacer = new Pacer()
  let turns = 0
  setImmediate(() => turns++)
  for (let step = 0; step < 10 && !pacer.due; step++) await pacer.pause()
  expect(turns).toBe(0)
})

it('whoever has little to do does not wait behind all of another’s loops', async () => {
  const ended: string[] = []
  const loop = async (lane: string): Promise<void> => {
    const pacer = new Pacer(lane)
    work(pacer)
    await pacer.pause()
    work(pacer)
    ended.push(lane)
  }
  await Promise.all([...Array.from({ length: 20 }, () => loop('much')), loop('little'), loop('less')])
  expect(ended).toHaveLength(22)
  expect(ended.indexOf('little')).toBeLessThan(3)
  expect(ended.indexOf('less')).toBeLessThan(4)
})

it('what begins at once has one stretch, if it asks immediately before', async () => {
  const turns = new Turns()
  const met = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const pacer = new Pacer()
      while (pacer.due) await pacer.pause()
      work(pacer)
      return turns.count
    }),
  )
  turns.stop()
  expect(new Set(met).size).toBe(10)
})

it('who takes one step at a time waits for nobody; further steps have a turn each', async () => {
  const turns = new Turns()
  const busy = new Pacer('busy')
  work(busy)
  const step = async (lane: string): Promise<number> => {
    const pacer = new Pacer(lane)
    // What is asked for at once has all begun before the first step is taken.
    await undefined
    while (!pacer.tryStep()) await pacer.pause()
    work(pacer)
    return turns.count
  }
  const many = Array.from({ length: 5 }, () => step('many'))
  const steps = await Promise.all([...many, step('one')])
  turns.stop()
  const first = steps[0]!
  expect(steps).toEqual([first, first + 1, first + 2, first + 3, first + 4, first])
})

it('finishes work that stops, with its result', async () => {
  function* steps(): Generator<undefined, string> {
    for (let step = 0; step < 10; step++) yield
    return 'done'
  }
  expect(await paced(steps())).toBe('done')
})

it('quick steps pause for others, but not for a few of them', async () => {
  const turns = new Turns()
  const pacer = new Pacer()
  const met: number[] = []
  const step = (number: number): void => {
    if (number % 256 === 0) work(pacer)
    met.push(turns.count)
  }
  const numbers = Array.from({ length: 2560 }, (_, number) => number)
  await forEachPaced(numbers, step)
  expect(met).toHaveLength(2560)
  expect(new Set(met).size).toBeGreaterThanOrEqual(10)
  met.length = 0
  await forEachPaced(numbers.slice(0, 255), step)
  turns.stop()
  expect(met).toHaveLength(255)
  expect(new Set(met).size).toBe(1)
})
