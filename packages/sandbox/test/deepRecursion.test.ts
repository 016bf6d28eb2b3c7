import { expect, it } from 'vitest'
import { type DeepResult, type DeepTask, runOnDeepStackWith } from './support/deepStack.ts'
import { encode } from './support/generated/encode.ts'
import { expectedEnd, notableShapes, randomShape, recursion, type Shape } from './support/generated/recursion.ts'

// Contracts that call themselves for ever, in many shapes: the limits of the sandbox must end them at the very gas that
// the rules say, and before the engine's own stack ends, whatever compiler made their code.
// `BLETCHLEY_SHAPES` asks for more random shapes, `BLETCHLEY_SEED` for others.
const count = Number(process.env.BLETCHLEY_SHAPES ?? 150)
const firstSeed = Number(process.env.BLETCHLEY_SEED ?? 1)

const gasLimit = 2n ** 50n

const compilers: [name: string, flags: string[], rounds: number][] = [
  ['the baseline compiler', ['--liftoff-only'], 1],
  ['the optimising compiler', ['--no-liftoff'], 1],
  ['one after the other, as they come', [], 3],
]

const shapes: [name: string, shape: Shape][] = [
  ...notableShapes,
  ...Array.from({ length: count }, (_, at): [string, Shape] => [`seed ${firstSeed + at}`, randomShape(firstSeed + at)]),
]

it.each(compilers)(
  'endless recursion ends at the limits, compiled by %s',
  { timeout: 300_000 },
  async (_, flags, rounds) => {
    const modules = shapes.map(([, shape]) => recursion(shape))
    const tasks = modules.map((module): DeepTask => ({ bytes: encode(module), gasLimit, rounds }))
    const results: DeepResult[] = await runOnDeepStackWith(flags, tasks)
    for (const [at, [name, shape]] of shapes.entries()) {
      const { error, outcomes } = results[at]!
      const expected = expectedEnd(modules[at]!, shape)
      expect({ name, error, outcomes }).toEqual({
        name,
        error: 'RuntimeError',
        outcomes: outcomes.map(() => ({ kind: 'failure', ...expected })),
      })
    }
  },
)
