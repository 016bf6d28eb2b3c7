// Small wrong changes of the code, drawn at random: do the tests notice? `npm run campaigns -- mutants [room …]`,
// or a folder of a room, as `core/engine`.
//
// In a clone of its own, made from the last commit, each mutant that compiles meets the unit tests that load its file, then
// the suites that start real processes of what it is a part of. What all of them let pass is named at the end, to
// be mended or told in docs/reliability.md. BLETCHLEY_MUTANTS: how many of each room (20); BLETCHLEY_SEED: which.
// `--unit` leaves the suites out: quick, it names too many, and is for those who mend them.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { mutationsOf } from './mutants/mutationsOf.mjs'

const wholeWorker = ['test/tasks.test.ts', 'test/robustness', 'test/storageDefects.test.ts', 'test/ptt.test.ts']
const people = ['test/cli.test.ts', 'test/care.test.ts', 'test/keys.test.ts', 'test/simulate.test.ts']

/** Rooms, and the suites that start what they are a part of. Rooms that are not here are made of pages and of tests. */
const suites = {
  bytes: ['packages/protocol', 'packages/crypto', 'packages/state', 'packages/store', ...wholeWorker],
  http: ['packages/principal', 'test/observation.test.ts', 'test/ptt.test.ts', 'test/console'],
  zmtp: ['packages/zmtp/test', 'packages/core/src/server', 'test/doors.test.ts', 'test/robustness'],
  protocol: ['packages/client', ...wholeWorker, 'test/enigmaP2p.test.ts', 'test/enigmaCore.test.ts', 'test/python'],
  crypto: ['packages/principal', 'packages/client', 'packages/state', 'test/keys.test.ts', ...wholeWorker],
  state: ['packages/core', 'packages/sandbox/src', ...wholeWorker, 'test/hostile'],
  sandbox: ['packages/sandbox/test', 'packages/core', 'test/contracts.test.ts', 'test/hostile', ...wholeWorker],
  contract: ['packages/contract/test', 'contracts', 'test/contractKit.test.ts'],
  store: ['packages/store/test', 'test/care.test.ts', 'test/crash.test.ts', ...wholeWorker],
  core: [
    ...wholeWorker,
    'test/hostile',
    'test/observation.test.ts',
    'test/doors.test.ts',
    'test/computeThreads.test.ts',
  ],
  care: ['test/care.test.ts', 'test/keys.test.ts', 'test/operatorsDay.test.ts'],
  principal: ['test/ptt.test.ts', 'test/keys.test.ts', 'test/plantedSecrets.test.ts'],
  client: ['test/enigmaP2p.test.ts', 'test/doors.test.ts', 'test/contracts.test.ts', ...wholeWorker, ...people],
  cli: [
    ...people,
    'test/configuration.test.ts',
    'test/contractKit.test.ts',
    'test/operatorsDay.test.ts',
    'test/tutorial.test.ts',
  ],
}

const checkout = fileURLToPath(new URL('..', import.meta.url))
const seed = Number(process.env.BLETCHLEY_SEED)
const perRoom = Number(process.env.BLETCHLEY_MUTANTS ?? 20)
const unitOnly = process.argv.includes('--unit')
const named = process.argv.slice(2).filter((argument) => argument !== '--unit')
const rooms = named.length > 0 ? named : Object.keys(suites)
const suitesOf = (room) => suites[room.split('/')[0]]
for (const room of rooms) if (suitesOf(room) === undefined) throw new Error(`No room with mutants: ${room}`)
/** @param {string} room the name of a room, or of a folder of one */
const folderOf = (room) => room.replace(/^[^/]+/, 'packages/$&/src')

const clone = mkdtempSync(join(tmpdir(), 'bletchley-mutants.'))

let endRunning = () => {}
for (const signal of ['SIGINT', 'SIGTERM'])
  process.once(signal, () => {
    endRunning()
    rmSync(clone, { recursive: true, force: true })
    process.exit(1)
  })

/** Whether a command ended by itself, well. At the limit it is killed with all that it started. */
async function succeeds(command, args, minutes = 20) {
  const child = spawn(command, args, { cwd: clone, detached: true, stdio: 'ignore' })
  endRunning = () => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {
      // All of it is gone.
    }
  }
  const timer = setTimeout(endRunning, minutes * 60_000)
  const [status] = await once(child, 'close')
  clearTimeout(timer)
  endRunning()
  return status === 0
}
const must = async (command, args) => {
  if (!(await succeeds(command, args))) throw new Error(`${command} ${args.join(' ')} failed`)
}
/** Whether tests pass. A mutant that makes them endless is noticed: the limits are far above what they take without it. */
const pass = (args, minutes) =>
  succeeds('node_modules/.bin/vitest', [...args, '--bail=1', '--config', 'scripts/mutants/vitest.config.mjs'], minutes)
const print = (text) => process.stdout.write(text)

let state
/** Mulberry32: enough to draw lots, and the same everywhere. */
function random() {
  state = (state + 0x6d2b79f5) | 0
  let value = Math.imul(state ^ (state >>> 15), state | 1)
  value = (value + Math.imul(value ^ (value >>> 7), value | 61)) ^ value
  return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32
}

function candidates(room) {
  const folder = folderOf(room)
  return readdirSync(join(clone, folder), { recursive: true })
    .filter((name) => /\.tsx?$/.test(name) && !/\.(?:test|fuzz|bench)\.tsx?$/.test(name))
    .sort()
    .flatMap((name) => {
      const path = `${folder}/${name}`
      const source = readFileSync(join(clone, path), 'utf8')
      // Measured figures, which a page shows and no behaviour follows.
      if (source.startsWith('// Written by scripts/')) return []
      return mutationsOf(path, source).map((mutation) => ({ path, ...mutation }))
    })
}

/** What became of a mutant: who noticed it, if anybody. Packages reach each other through what is built. */
async function outcomeOf(room, path, unitMinutes) {
  if (!(await succeeds('node_modules/.bin/tsc', ['-b', 'tsconfig.build.json']))) return 'compiler'
  if (!(await pass(['related', '--run', '--project', 'unit', path], unitMinutes))) return 'unit'
  if (unitOnly) return 'nothing'
  if (!(await succeeds('npm', ['run', '--silent', 'build']))) return 'compiler'
  return (await pass(['run', ...suitesOf(room)], 60)) ? 'nothing' : 'suites'
}

const survivors = []
let noticedInAll = 0
let countInAll = 0
try {
  await must('git', ['clone', '--quiet', '--local', checkout, '.'])
  await must('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts'])
  for (const room of rooms) {
    await must('npm', ['run', '--silent', 'build'])
    // What fails by itself would notice everything.
    const started = performance.now()
    if (!(await pass(['run', '--project', 'unit', folderOf(room)], 20)))
      throw new Error(`${room}: its unit tests fail without a mutant`)
    const unitMinutes = Math.max(5, (10 * (performance.now() - started)) / 60_000)
    const all = candidates(room)
    // A room has the same mutants alone as among the others.
    state = seed
    let [noticed, count] = [0, 0]
    for (let tries = 0; count < perRoom && tries < 3 * perRoom && all.length > 0; tries++) {
      const [{ path, start, end, text, what }] = all.splice(Math.floor(random() * all.length), 1)
      const file = join(clone, path)
      const source = readFileSync(file, 'utf8')
      const where = `${path}:${source.slice(0, start).split('\n').length}`
      writeFileSync(file, source.slice(0, start) + text + source.slice(end))
      const outcome = await outcomeOf(room, path, unitMinutes)
      writeFileSync(file, source)
      print(`${outcome.padEnd(9)}${where}  ${what}\n`)
      // What does not compile is no mutant: nobody can land it.
      if (outcome === 'compiler') continue
      count++
      if (outcome === 'nothing') survivors.push(`${where}  ${what}: ${source.slice(start, end).slice(0, 100)}`)
      else noticed++
    }
    noticedInAll += noticed
    countInAll += count
    print(`${room}: ${noticed} of ${count} noticed\n`)
  }
} finally {
  rmSync(clone, { recursive: true, force: true })
}
print(`${noticedInAll} of ${countInAll} noticed, ${((100 * noticedInAll) / countInAll).toFixed(1)} %\n`)
for (const survivor of survivors) print(`survived: ${survivor.replaceAll('\n', ' ')}\n`)
