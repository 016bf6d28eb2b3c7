import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ensureDebianPackages } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { instrumentedExports } from '../src/meter/instrument.ts'
import { checkModule, instrumentedBytes } from '../src/prepare.ts'
import { trapText } from '../src/traps.ts'
import { decodeModule } from '../src/wasm/decode.ts'
import { type Limits, memoryOf } from './support/generated/ast.ts'
import { encode } from './support/generated/encode.ts'
import { generateModule } from './support/generated/generate.ts'
import { wat } from './support/modules.ts'

// The very modules that the sandbox gives to V8 run in a second engine, the interpreter of Debian's package wabt, and
// both must end alike: trap, gas, stack counter, memory, output. `BLETCHLEY_MODULES` and `BLETCHLEY_SEED` as in
// exactness.test.ts.
const usual = 1000
const count = Number(process.env.BLETCHLEY_MODULES ?? usual)
const firstSeed = Number(process.env.BLETCHLEY_SEED ?? 1)
const perProcess = 500

const engine = 'spectest-interp'
const gasLimit = 6000n

const run = promisify(execFile)

/** Host functions that can be WebAssembly themselves, so that both engines run the same ones. */
const hosts = ['ret', 'eprint', 'fetch_args_length', 'fetch_function_name_length']

/** Module `env`: the memory, the host functions, and hashes of what they and the contract left. */
function environment({ initial, maximum }: Limits): Uint8Array {
  return wat(`(module (memory (export "memory") ${initial} ${maximum ?? ''})
    (global $output (mut i64) (i64.const 0))
    (func $check (param i32 i32)
      (if (i64.gt_u (i64.add (i64.extend_i32_u (local.get 0)) (i64.extend_i32_u (local.get 1)))
                    (i64.mul (i64.extend_i32_u (memory.size)) (i64.const 65536)))
        (then (unreachable))))
    (func $hash (param $from i32) (param $length i32) (result i64) (local $hash i64)
      (local.set $hash (i64.const 0xcbf29ce484222325))
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $length)))
        (local.set $hash (i64.mul (i64.xor (local.get $hash) (i64.load8_u (local.get $from))) (i64.const 0x100000001b3)))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (local.set $length (i32.sub (local.get $length) (i32.const 1)))
        (br $next)))
      (local.get $hash))
    (func (export "ret") (param i32 i32)
      (call $check (local.get 0) (local.get 1))
      (global.set $output (call $hash (local.get 0) (local.get 1))))
    (func (export "eprint") (param i32 i32) (call $check (local.get 0) (local.get 1)))
    (func (export "fetch_args_length") (result i32) (i32.const 3))
    (func (export "fetch_function_name_length") (result i32) (i32.const 4))
    (func (export "output") (result i64) (global.get $output))
    (func (export "pages") (result i32) (memory.size))
    (func (export "memory_low") (result i64) (call $hash (i32.const 0) (i32.const 3000)))
    (func (export "memory_high") (result i64) (call $hash (i32.const 64900) (i32.const 636))))`)
}

/** Does what the sandbox does around a run. */
const driver = wat(`(module
  (import "contract" "${instrumentedExports.gasLeft}" (global $gas (mut i64)))
  (import "contract" "${instrumentedExports.stack}" (global $stack (mut i64)))
  (import "contract" "${instrumentedExports.entry}" (func $entry))
  (func (export "run") (param $limit i64) (global.set $gas (local.get $limit)) (call $entry))
  (func (export "gas") (result i64) (global.get $gas))
  (func (export "stack") (result i64) (global.get $stack)))`)

const questions: readonly (readonly [module: 'driver' | 'env', field: string])[] = [
  ['driver', 'gas'],
  ['driver', 'stack'],
  ['env', 'output'],
  ['env', 'pages'],
  ['env', 'memory_low'],
  ['env', 'memory_high'],
]

/** How a run ended, and the answers to the questions, as unsigned numbers. */
type Answers = [end: string, ...numbers: string[]]

const noMemory: Limits = { initial: 1, maximum: 1 }

interface Contract {
  seed: number
  limits: Limits
  bytes: Uint8Array<ArrayBuffer>
}

function contractOf(seed: number): Contract {
  const module = generateModule(seed, { hosts })
  return {
    seed,
    limits: memoryOf(module) ?? noMemory,
    bytes: instrumentedBytes(checkModule(decodeModule(encode(module)), 'call'), false),
  }
}

const environments = new Map<string, Uint8Array>()

/** Name of the environment with such a memory. */
function environmentFor(limits: Limits): string {
  const name = `env-${limits.initial}-${limits.maximum}.wasm`
  if (!environments.has(name)) environments.set(name, environment(limits))
  return name
}

function compiled(bytes: Uint8Array): WebAssembly.Module {
  return new WebAssembly.Module(Uint8Array.from(bytes))
}

const compiledDriver = compiled(driver)
const compiledEnvironments = new Map<string, WebAssembly.Module>()

function inV8({ limits, bytes }: Contract): Answers {
  const name = environmentFor(limits)
  const module = compiledEnvironments.get(name) ?? compiled(environments.get(name)!)
  compiledEnvironments.set(name, module)
  const env = new WebAssembly.Instance(module).exports
  const contract = new WebAssembly.Instance(compiled(bytes), { env }).exports
  const exports = { env, driver: new WebAssembly.Instance(compiledDriver, { contract }).exports }
  const call = (from: 'driver' | 'env', field: string, ...args: bigint[]) =>
    (exports[from][field] as (...args: bigint[]) => number | bigint)(...args)
  let end = 'returned'
  try {
    call('driver', 'run', gasLimit)
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error
    end = trapText(error)
  }
  const numbers = questions.map(([from, field]) => `${BigInt.asUintN(64, BigInt(call(from, field)))}`)
  return [end, ...numbers]
}

const folder = mkdtemp(join(tmpdir(), 'bletchley-second-engine-'))

/** Runs contracts, one after the other, in one process of the other engine. */
async function inOtherEngine(contracts: readonly Contract[]): Promise<Answers[]> {
  const commands = contracts.flatMap(({ seed, limits }) => [
    { type: 'module', line: seed, name: '$env', filename: environmentFor(limits) },
    { type: 'register', line: seed, name: '$env', as: 'env' },
    { type: 'module', line: seed, name: '$contract', filename: `${seed}.wasm` },
    { type: 'register', line: seed, name: '$contract', as: 'contract' },
    { type: 'module', line: seed, name: '$driver', filename: 'driver.wasm' },
    ...[['driver', 'run'] as const, ...questions].map(([module, field]) => ({
      type: 'action',
      line: seed,
      action: {
        type: 'invoke',
        module: `$${module}`,
        field,
        args: field === 'run' ? [{ type: 'i64', value: `${gasLimit}` }] : [],
      },
      expected: [],
    })),
  ])
  const path = await folder
  const files: [string, Uint8Array][] = [
    ['driver.wasm', driver],
    ...environments,
    ...contracts.map(({ seed, bytes }): [string, Uint8Array] => [`${seed}.wasm`, bytes]),
  ]
  await Promise.all(files.map(([name, bytes]) => writeFile(join(path, name), bytes)))
  const script = join(path, 'commands.json')
  await writeFile(script, JSON.stringify({ source_filename: 'seed', commands }))
  const args = ['--value-stack-size=1000000', '--call-stack-size=200000', script]
  // It exits with an error once anything trapped.
  const stdout = await run(engine, args, { maxBuffer: 2 ** 28 }).catch((error: { stdout?: string }) => {
    if (!error.stdout) throw error
    return { stdout: error.stdout }
  })
  await Promise.all(contracts.map(({ seed }) => rm(join(path, `${seed}.wasm`))))
  return answersFrom(stdout.stdout)
}

function answersFrom(output: string): Answers[] {
  const answers: Answers[] = []
  for (const line of output.split('\n')) {
    const [, field, result] = /^(\w+)\(.*\) =>(.*)$/.exec(line) ?? []
    if (field === undefined) {
      // Whatever is not an answer repeats a trap, sums up, or is a mistake of this test.
      if (!/^(seed:\d+: unexpected trap: .*|\d+\/\d+ tests passed\.|)$/.test(line)) throw new Error(line)
    } else if (field === 'run') answers.push([endOf(result!.trim())])
    else answers[answers.length - 1]!.push(result!.replace(/^ i(32|64):/, ''))
  }
  return answers
}

const traps: readonly (readonly [RegExp, string])[] = [
  [/^$/, 'returned'],
  [/^error: unreachable executed$/, 'unreachable'],
  [/^error: integer divide by zero$/, 'division by zero'],
  [/^error: (integer overflow|invalid conversion to integer)$/, 'invalid conversion to int'],
  [/^error: out of bounds memory access/, 'memory access out of bounds'],
  [/^error: undefined table index$/, 'table access out of bounds'],
  [/^error: (uninitialized table element|indirect call signature mismatch)/, 'unexpected signature'],
]

function endOf(result: string): string {
  return traps.find(([pattern]) => pattern.test(result))?.[1] ?? result
}

describe('what the sandbox executes ends alike in two engines', () => {
  beforeAll(() => ensureDebianPackages(['wabt'], [engine, '--version']), 600_000)
  afterAll(async () => rm(await folder, { recursive: true }))

  const ends = new Map<string, number>()
  const starts = Array.from({ length: Math.ceil(count / perProcess) }, (_, at) => firstSeed + at * perProcess)

  it.each(starts)('from seed %i on', async (start) => {
    const length = Math.min(perProcess, firstSeed + count - start)
    const contracts = Array.from({ length }, (_, at) => contractOf(start + at))
    const expected = contracts.map(inV8)
    const actual = await inOtherEngine(contracts)
    expect(actual.length).toBe(contracts.length)
    for (const [at, { seed }] of contracts.entries()) {
      expect(actual[at], `seed ${seed}: the other engine, and V8: end, ${questions.join()}`).toEqual(expected[at])
      const [end] = actual[at]!
      ends.set(end, (ends.get(end) ?? 0) + 1)
    }
  })

  it.runIf(count >= usual)('in every way there is', () => {
    for (const end of ['returned', ...traps.map(([, text]) => text)]) {
      expect(ends.get(end) ?? 0, end).toBeGreaterThan(3)
    }
  })
})
