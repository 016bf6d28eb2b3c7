// The long forms of what `npm test` has in short: generated modules against the reference interpreter, a second engine and
// the code before pruning; recursion of random shapes; kills; what frames of megabytes cost; how long an idle peer waits beside
// the worst requests of another; and the processor time of tasks at the limits of the sandbox, which docs/limits.md shows. An
// hour and more. Seeds are new each time; a failure names its own, and `BLETCHLEY_SEED` begins where one is told to.
//
// Others are run by their names, `npm run campaigns -- <name>`, since they take hours: `memory`, what is resident behind 500 of
// each kind of request; `growth`, where the memory of a worker goes in an hour (memoryGrowth.mjs); `mutants`, do the tests
// notice small wrong changes of the code (mutants.mjs); and `cluster`, all stores against the model, and connections to the
// database that are cut anywhere.
import { spawnSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { fileURLToPath } from 'node:url'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const seed = process.env.BLETCHLEY_SEED ?? String(randomInt(2 ** 30))
process.stdout.write(`BLETCHLEY_SEED=${seed}\n`)

/** Those that are scripts, by name. */
const scripts = { mutants: 'scripts/mutants.mjs', growth: 'scripts/memoryGrowth.mjs' }

const [campaign, ...rest] = process.argv.slice(2)
if (Object.hasOwn(scripts, campaign)) {
  const env = { ...process.env, BLETCHLEY_SEED: seed }
  process.exit(spawnSync(process.execPath, [scripts[campaign], ...rest], { stdio: 'inherit', env }).status ?? 1)
}

if (campaign === 'memory') {
  const env = { ...process.env, BLETCHLEY_REPETITIONS: process.env.BLETCHLEY_REPETITIONS ?? '500' }
  process.exit(spawnSync('npx', ['vitest', 'run', 'test/memory.test.ts'], { stdio: 'inherit', env }).status ?? 1)
}

if (campaign === 'cluster') {
  const env = {
    ...process.env,
    BLETCHLEY_SEED: seed,
    BLETCHLEY_MODEL_RUNS: process.env.BLETCHLEY_MODEL_RUNS ?? '5000',
    BLETCHLEY_ALL_CUTS: '1',
  }
  const files = ['src/keyValue/keyValueStore', 'test/postgresStore', 'test/unknownOutcomes'].map(
    (name) => `packages/store/${name}.test.ts`,
  )
  process.exit(spawnSync('npx', ['vitest', 'run', ...files], { stdio: 'inherit', env }).status ?? 1)
}

const files = ['packages/sandbox/test', 'test/crash.test.ts', 'test/frameCost.test.ts', 'test/idlePeer.test.ts']
const { status } = spawnSync('npx', ['vitest', 'run', ...files], {
  stdio: 'inherit',
  env: {
    ...process.env,
    BLETCHLEY_SEED: seed,
    BLETCHLEY_MODULES: process.env.BLETCHLEY_MODULES ?? '30000',
    BLETCHLEY_SHAPES: process.env.BLETCHLEY_SHAPES ?? '1000',
    BLETCHLEY_CRASH_ROUNDS: process.env.BLETCHLEY_CRASH_ROUNDS ?? '250',
    BLETCHLEY_FRAMES: process.env.BLETCHLEY_FRAMES ?? '2000',
    BLETCHLEY_FRAME_BYTES: process.env.BLETCHLEY_FRAME_BYTES ?? '8000000',
    BLETCHLEY_PEER_SECONDS: process.env.BLETCHLEY_PEER_SECONDS ?? '10',
  },
})
const costs = spawnSync(process.execPath, ['--stack-size=4000', 'scripts/measureCosts.mjs'], { stdio: 'inherit' })
process.exit(status || (costs.status ?? 1))
