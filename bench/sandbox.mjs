// Metered code against the same module unmetered on the same engine, and against an interpreter.
import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deploy, prepareRuntime, runCompute, wipeMemories } from '@bletchley/sandbox'
import { ensureDebianPackages } from '@bletchley/testkit'
import asc from 'assemblyscript/asc'
import { byTurns, median, microseconds } from './measure.mjs'

const kernels = {
  loop: 'a tight loop (xorshift)',
  sieve: 'short loops over memory (sieve)',
  sort: 'heap sort',
  hash: 'Keccak-f',
  calls: 'calls (Fibonacci)',
}

/** A small contract runs in an instance of its own, as every task does; its cost is part of ours, not of the baseline. */
export async function benchSandbox() {
  await ensureDebianPackages(['wabt'], ['wasm-interp', '--version'])
  const rows = []
  for (const [name, title] of Object.entries(kernels)) {
    const preCode = await compileKernel(name)
    const { metered, unmetered } = await measure(preCode)
    rows.push({
      name: `${title}: metered against unmetered`,
      unit: 'us',
      ours: metered,
      baseline: unmetered,
      atMost: 1.5,
    })
    const interpreted = await interpret(preCode)
    // The target speaks of how many times faster: ours is the speed, in runs per second.
    rows.push({
      name: `${title}: metered against the interpreter of wabt`,
      unit: 'runs/s',
      ours: 1e6 / metered,
      baseline: 1e6 / interpreted,
      atLeast: 20,
    })
  }
  return { rows }
}

async function measure(preCode) {
  const invocation = { functionName: 'f', args: new Uint8Array(), gasLimit: 2n ** 62n, state: new Map(), host: {} }
  const { output: exeCode } = deploy(preCode, invocation)
  const prepared = prepareRuntime(exeCode)
  if (prepared.kind !== 'ready') throw new Error(prepared.message)
  const compiled = new WebAssembly.Module(exeCode)
  const results = { metered: undefined, unmetered: undefined }
  // Used again, as ours is: a fresh one costs the baseline a page fault for each page that it touches.
  const memory = new WebAssembly.Memory({ initial: 120, maximum: 128 })
  const ret = (pointer, length) => {
    results.unmetered = Buffer.from(memory.buffer, pointer, length).toString('hex')
  }
  const sides = {
    metered: async () => {
      const time = await microseconds(() => {
        results.metered = Buffer.from(runCompute(prepared.module, invocation).output).toString('hex')
      })
      // As on a compute thread: behind the reply.
      wipeMemories()
      return time
    },
    unmetered: async () => {
      const time = await microseconds(() => new WebAssembly.Instance(compiled, { env: { memory, ret } }).exports.call())
      new Uint8Array(memory.buffer).fill(0)
      return time
    },
  }
  const times = await byTurns(sides, { turns: 41, warmUp: 20 })
  if (results.metered !== results.unmetered || results.metered.length !== 16) throw new Error('the results differ')
  return times
}

/** Microseconds that wabt's interpreter takes, without its start. */
async function interpret(preCode) {
  const folder = await mkdtemp(join(tmpdir(), 'bletchley-bench-'))
  try {
    const files = { kernel: join(folder, 'kernel.wasm'), empty: join(folder, 'empty.wasm') }
    await writeFile(files.kernel, preCode)
    await writeFile(files.empty, Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0))
    const time = (file) =>
      microseconds(() => execFileSync('wasm-interp', ['--run-all-exports', '--dummy-import-func', file]))
    const times = { kernel: [], empty: [] }
    for (let turn = 0; turn < 3; turn++) {
      for (const name of ['kernel', 'empty']) times[name].push(await time(files[name]))
    }
    return median(times.kernel) - median(times.empty)
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function compileKernel(name) {
  let wasm
  const { error, stderr } = await asc.main(
    [
      `${name}.ts`,
      ...['--outFile', 'out.wasm', '--optimizeLevel', '3', '--noExportMemory', '--initialMemory', '120'],
      ...['--runtime', 'stub', '--use', 'abort=host/abort', '--noAssert'],
      ...['--disable', 'sign-extension,bulk-memory,mutable-globals,nontrapping-f2i'],
    ],
    {
      readFile: (path) => readFile(new URL(`./kernels/${path}`, import.meta.url), 'utf8').catch(() => null),
      writeFile: (_path, contents) => {
        wasm = contents
      },
      listFiles: () => [],
    },
  )
  if (error) throw new Error(`${name}: ${error.message}\n${stderr.toString()}`)
  return wasm
}
