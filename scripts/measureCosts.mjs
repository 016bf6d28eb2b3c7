// Measures what a task may ask of the processor beyond what its gas pays for, at the limits of the sandbox: the table in
// docs/limits.md (`npm run docs` behind it). Fails if a task may ask for more than 2 s. Needs a build, and a quiet machine.
import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import initWabt from 'wabt'
import { decrypt, encrypt, keccak256, randomBytes } from '../packages/crypto/dist/index.js'
import { deploy, moduleLimits, prepareRuntime, runCompute, runLimits } from '../packages/sandbox/dist/index.js'
import { StateOverlay, sealDelta } from '../packages/state/dist/index.js'

const mostMs = 2000
/** Of each figure the least of so many is taken: garbage collection and other processes only add. */
const rounds = 2
const gasLimit = 2n ** 62n
const host = { encrypt, decrypt, random: randomBytes }

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc')
const wabt = await initWabt()

function cpuMs() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** @param measure returns milliseconds by name */
function least(measure) {
  const all = Array.from({ length: rounds }, () => {
    collectGarbage()
    return measure()
  })
  return Object.fromEntries(Object.keys(all[0]).map((name) => [name, Math.min(...all.map((each) => each[name]))]))
}

const signatures = {
  fetch_function_name_length: '(result i32)',
  fetch_function_name: '(param i32)',
  fetch_args_length: '(result i32)',
  fetch_args: '(param i32)',
  ret: '(param i32 i32)',
  write_state: '(param i32 i32 i32 i32)',
  read_state_len: '(param i32 i32) (result i32)',
  read_state: '(param i32 i32 i32)',
  remove_from_state: '(param i32 i32)',
  write_eth_bridge: '(param i32 i32 i32)',
  gas: '(param i32)',
  rand: '(param i32 i32)',
  encrypt: '(param i32 i32 i32 i32)',
  decrypt: '(param i32 i32 i32 i32)',
  eprint: '(param i32 i32)',
}
const call = (name, ...parameters) => {
  const text = `(call $${name} ${parameters.map((value) => (typeof value === 'number' ? `(i32.const ${value})` : value)).join(' ')})`
  return signatures[name].includes('result') ? `(drop ${text})` : text
}
const forEver = (body) => `(loop ${body} (br 0))`
const times = (count, body) =>
  `(loop ${body} (br_if 0 (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const ${count}))))`

function contract(body) {
  const imports = Object.entries(signatures).map(([name, type]) => `(import "env" "${name}" (func $${name} ${type}))`)
  const source = `(module ${imports.join('')} (import "env" "memory" (memory 128 128)) (data (i32.const 0) "1")
    (func (export "call") (local $i i32) ${body}))`
  const module = wabt.parseWat('contract.wat', source)
  const prepared = prepareRuntime(new Uint8Array(module.toBinary({}).buffer))
  module.destroy()
  if (prepared.kind === 'refused') throw new Error(prepared.message)
  return prepared.module
}

/** Milliseconds of one run, and of what makes the delta of it. */
function run(module, args = new Uint8Array()) {
  const state = new StateOverlay(new Map([['1', 1]]))
  const start = cpuMs()
  const outcome = runCompute(module, { functionName: 'name', args, gasLimit, state, stateSize: 0, host })
  const ended = cpuMs()
  if (outcome.kind === 'failure') {
    const { hostBytes, stateBytes } = runLimits
    if (![hostBytes, stateBytes].some(({ text }) => outcome.message.endsWith(text))) throw new Error(outcome.message)
    return { run: ended - start, delta: 0 }
  }
  const patch = state.patchWithin(runLimits.deltaBytes.value)
  if (patch !== undefined) keccak256(sealDelta(new Uint8Array(32), { patch, previousHash: new Uint8Array(32) }))
  state.commit()
  return { run: ended - start, delta: cpuMs() - ended }
}

// Calls that handle next to nothing, until the run has had its share of them.
const calls = {
  fetch_function_name_length: call('fetch_function_name_length'),
  fetch_function_name: call('fetch_function_name', 8192),
  fetch_args_length: call('fetch_args_length'),
  fetch_args: call('fetch_args', 8192),
  ret: call('ret', 0, 0),
  write_state: call('write_state', 0, 1, 0, 1),
  'write_state of new keys': `(i32.store (i32.const 4096) (i32.and (local.tee $i (i32.add (local.get $i) (i32.const 1)))
    (i32.const 0x7f7f7f7f))) ${call('write_state', 4096, 4, 0, 1)}`,
  read_state_len: call('read_state_len', 0, 1),
  read_state: call('read_state', 0, 1, 8192),
  'read_state of nothing': call('read_state', 0, 0, 8192),
  remove_from_state: call('remove_from_state', 0, 1),
  write_eth_bridge: call('write_eth_bridge', 0, 0, 0),
  gas: call('gas', 0),
  rand: call('rand', 8192, 1),
  'rand of 32 bytes': call('rand', 8192, 32),
  encrypt: call('encrypt', 0, 0, 256, 8192),
  decrypt: call('decrypt', 64, 28, 256, 8192),
  eprint: call('eprint', 0, 0),
}

// JSON of many kinds, written as often as the run may.
const pieceBytes = 450_000
const repeat = (unit, open, close, bytes) => {
  const count = Math.floor((bytes - 2) / unit.length)
  return `${open}${unit.repeat(count).replace(/,$/, '')}${close}`
}
const members = (bytes) => {
  let text = '{'
  for (let index = 0; text.length < bytes - 20; index++) text += `${index === 0 ? '' : ','}"${index.toString(36)}":0`
  return `${text}}`
}
const units = ['0,', '[],', '{},', '0.0,', '1e-7,', '9999999999999999,', '"",', '"a",', '"😀",', '{"a":0},', '"\\n",']
const texts = {
  ...Object.fromEntries(units.map((unit) => [`[${unit}…]`, repeat(unit, '[', ']', pieceBytes)])),
  '"\\n\\n…"': repeat('\\n', '"', '"', pieceBytes),
  '"€€…"': repeat('€', '"', '"', pieceBytes / 3),
  '{"a":0,"b":0,…}': members(pieceBytes),
}

/** @returns the most that writing, reading and making a delta of a text may take */
function measureText(text) {
  const args = new TextEncoder().encode(text)
  const write = call('write_state', 0, 1, 16, args.length)
  const put = call('fetch_args', 16)
  const keyed = `(i32.store8 (i32.const 0) (i32.add (local.get $i) (i32.const 48))) ${write}`
  const written = contract(put + forEver(write + call('remove_from_state', 0, 1)))
  const read = contract(put + write + forEver(call('read_state', 0, 1, 16)))
  let most = { writing: run(written, args).run, reading: run(read, args).run, run: 0, delta: 0 }
  // About as many keys as the limits of host functions, state and delta allow.
  for (let keys = Math.floor(runLimits.hostBytes.value / args.length) - 1; keys > 0; keys = Math.floor(keys * 0.8)) {
    const cost = run(contract(put + times(keys, keyed)), args)
    if (cost.delta === 0) continue
    most = { ...most, ...cost }
    break
  }
  return most
}

// Modules at their limits, every function called by both entries, which differ: the engine would compile what is alike once.
const leb = (value) => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)])
const vector = (items) => [leb(items.length), ...items]
const section = (id, parts) => [[id], leb(parts.reduce((sum, { length }) => sum + length, 0)), ...parts]
const end = 0x0b
const [i32, i64, f32] = [0x7f, 0x7e, 0x7d]
/** @param locals count and type of each group */
function body(code, locals = []) {
  const declared = [...leb(locals.length), ...locals.flatMap(([count, type]) => [...leb(count), type])]
  return [leb(declared.length + code.length), declared, code]
}
function code(instructions, count, before = [], after = []) {
  const bytes = new Uint8Array(before.length + instructions.length * count + after.length + 1)
  bytes.set(before)
  for (let index = 0; index < count; index++) bytes.set(instructions, before.length + index * instructions.length)
  bytes.set([...after, end], bytes.length - after.length - 1)
  return bytes
}
/** Bodies that call the functions before them. */
function callers(count) {
  const most = moduleLimits.transfers.value - 10
  const bodies = []
  for (let first = 0; first < count; first += most) {
    const calls = Array.from({ length: Math.min(most, count - first) }, (_, index) => [0x10, ...leb(first + index)])
    bodies.push(body([...calls.flat(), end]))
  }
  return bodies
}
function preCode(called) {
  const text = (name) => [name.length, ...Buffer.from(name)]
  const calling = callers(called.length)
  const callAll = calling.flatMap((_, index) => [0x10, ...leb(called.length + index)])
  const entries = [body([...callAll, end]), body([0x01, ...callAll, end])]
  const bodies = [...called, ...calling, ...entries]
  const count = bodies.length
  return Buffer.concat(
    [
      [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      ...section(1, [[1, 0x60, 0, 0]]),
      ...section(3, [leb(count), new Uint8Array(count)]),
      ...section(4, [[1, 0x70, 0], leb(1)]),
      ...section(5, [[1, 0, 1]]),
      ...section(7, [[2], text('call'), [0], leb(count - 1), text('deploy'), [0], leb(count - 2)]),
      ...section(9, vector([[0, 0x41, 0, end, 1, 0]])),
      ...section(10, [leb(count), ...bodies.flat()]),
    ].map((part) => Uint8Array.from(part)),
  )
}
/** So many of the instructions over all functions, as many in each as may be. */
function spread(instructions, total, each, locals) {
  const bodies = []
  for (let left = total; left > 0; left -= each) bodies.push(body(code(instructions, Math.min(left, each)), locals))
  return bodies
}
/** Functions that fill the code with the instructions between `before` and `after`. */
function filled(instructions, { before = [], after = [], locals = [], size = perFunction } = {}) {
  const each = Math.floor((size - before.length - after.length) / instructions.length)
  const count = Math.min(functions.value - 10, Math.floor(codeBytes.value / (size + 1)) - 1)
  return Array.from({ length: count }, () => body(code(instructions, each, before, after), locals))
}
const limit = moduleLimits
const { codeBytes, functionBytes, moduleBlocks, blocks, moduleTransfers, transfers, functions } = moduleLimits
const perFunction = functionBytes.value - 16
const roots = limit.moduleSlowInstructions.value
const modules = {
  'instructions of a byte': () => filled([0x01]),
  'local variables': () => filled([0x20, 0, 0x20, 0, 0x6a, 0x21, 0], { locals: [[1, i32]] }),
  'tests of zero': () => filled([0x45], { before: [0x41, 0], after: [0x1a] }),
  'truncations to 32 bits': () => filled([0xaa, 0xb7], { before: [0x44, 0, 0, 0, 0, 0, 0, 0, 0], after: [0x1a] }),
  'truncations to 64 bits': () => spread([0x20, 0, 0xaf, 0x1a], roots, 30_000, [[1, f32]]),
  'float arithmetic': () => spread([0x20, 0, 0x91, 0x21, 0], roots, 25_000, [[1, f32]]),
  'ifs with two arms': () => spread([0x20, 0, 0x04, 0x40, 0x05, end], moduleBlocks.value, blocks.value, [[1, i32]]),
  'ifs with arithmetic': () =>
    spread([0x20, 0, 0x04, 0x40, 0x20, 1, 0x91, 0x21, 1, end], moduleBlocks.value, blocks.value, [
      [1, i32],
      [1, f32],
    ]),
  loops: () => spread([0x03, 0x40, end], moduleBlocks.value, blocks.value),
  'loops and locals': () =>
    spread([0x03, 0x40, end], limit.moduleLocalsTimesBlocks.value / 500, blocks.value, [[500, i64]]),
  branches: () => spread([0x20, 0, 0x0d, 0], moduleTransfers.value - 1000, transfers.value, [[1, i32]]),
  'branches and locals': () => spread([0x20, 0, 0x0d, 0], moduleTransfers.value - 1000, transfers.value, [[300, i32]]),
  'growing the memory': () => spread([0x41, 0, 0x40, 0, 0x1a], moduleTransfers.value - 1000, transfers.value),
  'calls through the table': () => [
    body([end]),
    ...spread([0x41, 0, 0x11, 0, 0], moduleTransfers.value - 1000, transfers.value),
  ],
  locals: () => {
    const each = Math.floor(limit.moduleLocals.value / (functions.value - 10))
    return Array.from({ length: functions.value - 10 }, () => body([end], [[each, i64]]))
  },
  'small functions': () => {
    const block = [0x20, 0, 0x04, 0x40, 0x20, 1, 0x91, 0x21, 1, end]
    const each = Math.floor(moduleBlocks.value / functions.value)
    return Array.from({ length: functions.value - 10 }, () =>
      body(code(block, each), [
        [1, i32],
        [1, f32],
      ]),
    )
  },
}

/** Milliseconds that a deployment takes, one that cannot pay, and what makes the module ready behind the reply. */
function measureModule(bytes) {
  const invocation = (limit) => ({
    functionName: '',
    args: new Uint8Array(),
    gasLimit: limit,
    state: new Map(),
    stateSize: 0,
    host,
  })
  const start = cpuMs()
  deploy(bytes, invocation(1n))
  const refused = cpuMs()
  const deployed = deploy(bytes, invocation(gasLimit))
  const ran = cpuMs()
  if (deployed.kind === 'failure') throw new Error(deployed.message)
  const prepared = prepareRuntime(deployed.output)
  if (prepared.kind === 'refused') throw new Error(prepared.message)
  return { unpaid: refused - start, deployment: ran - refused, behind: cpuMs() - ran }
}

const costs = { calls: {}, texts: {}, modules: {} }
for (const [name, text] of Object.entries(calls)) {
  const keys = call('encrypt', 0, 0, 256, 64)
  const module = contract(keys + forEver(text))
  costs.calls[name] = Math.round(least(() => run(module)).run)
}
for (const [name, text] of Object.entries(texts)) {
  const { writing, reading, run: stored, delta } = least(() => measureText(text))
  costs.texts[name] = [writing, reading, stored + delta].map(Math.round)
}
for (const [name, make] of Object.entries(modules)) {
  const bytes = preCode(make())
  const { unpaid, deployment, behind } = least(() => measureModule(bytes))
  costs.modules[name] = [unpaid, deployment, behind].map(Math.round)
}

const most = (rows) => Math.max(...Object.values(rows).flat())
const module = Math.max(...Object.values(costs.modules).map(([, deployment, behind]) => deployment + behind))
const total = Math.max(most(costs.calls), most(costs.texts)) + module
const machine = `Node ${process.versions.node}, ${cpus()[0]?.model}`
const source = `// Written by scripts/measureCosts.mjs.

/** Processor time of tasks at their limits, in milliseconds. */
export const measuredCosts = ${JSON.stringify({ machine, total: Math.round(total), ...costs }, undefined, 2)} as const
`
writeFileSync(new URL('../packages/sandbox/src/measuredCosts.ts', import.meta.url), source)
process.stdout.write(`${source}\n`)
if (total > mostMs) {
  process.stderr.write(`A task may ask for ${Math.round(total)} ms beyond its gas; it should be ${mostMs} at most.\n`)
  process.exitCode = 1
}
