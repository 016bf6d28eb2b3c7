import { expect, it } from 'vitest'
import { Pacer } from './pacer.ts'

/** Keeps the thread busy until a pause is due. */
function work(pacer: Pacer): void {
  while (!pacer.due);
}

it('however many loops there are, others have their turn after each stretch', async () => {
  let turn = 0
  let running = true
  const others = (): void => {
    turn++
    if (running) setImmediate(others)
  }
  setImmediate(others)
  const stretches: number[] = []
  const loops = Array.from({ length: 10 }, async () => {
    const pacer = new Pacer()
    for (let step = 0; step < 5; step++) {
      work(pacer)
      await pacer.pause()
      stretches.push(turn)
    }
  })
  await Promise.all(loops)
  running = false
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
