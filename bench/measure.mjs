// What the suites share. A suite is an async function that returns `{ rows, growth }`:
//
// - a row: { name, unit, ours, baseline, atMost | atLeast, note? }: two things measured in the same run, and the target
//   of their ratio `ours / baseline`;
// - a growth: { file, title, x, unit, points: [{ x, ours, baseline? }, …] }: how cost grows, to be plotted.

export function median(values) {
  return quantile(values, 0.5)
}

/** @param q 0 to 1 */
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]
}

/** Microseconds that a function takes, also an asynchronous one. */
export async function microseconds(run) {
  const start = process.hrtime.bigint()
  await run()
  return Number(process.hrtime.bigint() - start) / 1000
}

/**
 * Measures several things by turns, so that what else the machine does hits all of them alike.
 *
 * @param sides name of each -> what to time, or an async function that returns a number itself
 * @param options.turns times each is measured; `options.warmUp` rounds before are thrown away
 * @returns name of each -> median of its microseconds (or of the numbers that it returned)
 */
export async function byTurns(sides, { turns = 7, warmUp = 1 } = {}) {
  const values = Object.fromEntries(Object.keys(sides).map((name) => [name, []]))
  for (let turn = -warmUp; turn < turns; turn++) {
    for (const [name, run] of Object.entries(sides)) {
      let returned
      const time = await microseconds(async () => {
        returned = await run()
      })
      if (turn >= 0) values[name].push(typeof returned === 'number' ? returned : time)
    }
  }
  return Object.fromEntries(Object.entries(values).map(([name, list]) => [name, median(list)]))
}
