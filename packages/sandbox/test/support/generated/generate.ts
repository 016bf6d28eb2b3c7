import {
  type FunctionType,
  f32,
  f64,
  functionTypes,
  type Global,
  type Import,
  type Instruction,
  i32,
  i64,
  type Module,
  memoryOf,
  type ValueType,
  valueTypes,
} from './ast.ts'
import { FunctionGenerator, stores, textBytes, textsAt } from './body.ts'
import { Random } from './random.ts'

export interface Shape {
  /** Host functions that the module may import; `ret` is among them. */
  hosts: readonly string[]
  /** Pre-code: a memory of its own, an export `deploy`, and much that `call` does not need. */
  preCode?: boolean
}

/** Everything that gives the same on every run. */
export const deterministicHosts = [
  'ret',
  'gas',
  'eprint',
  'fetch_function_name_length',
  'fetch_function_name',
  'fetch_args_length',
  'fetch_args',
  'write_eth_bridge',
  'read_state_len',
  'read_state',
  'remove_from_state',
  'write_state',
] as const

/**
 * A random valid module that instantiates and exports `call`; most of them end well and show what they computed: at
 * its end, `call` puts its result and all globals into memory and returns a piece of the memory.
 */
export function generateModule(seed: number, shape: Shape): Module {
  return new ModuleGenerator(new Random(seed), shape).generate()
}

const hostTypes: Record<string, FunctionType> = {
  ret: { params: [i32, i32], result: undefined },
  gas: { params: [i32], result: undefined },
  eprint: { params: [i32, i32], result: undefined },
  fetch_function_name_length: { params: [], result: i32 },
  fetch_function_name: { params: [i32], result: undefined },
  fetch_args_length: { params: [], result: i32 },
  fetch_args: { params: [i32], result: undefined },
  write_eth_bridge: { params: [i32, i32, i32], result: undefined },
  read_state_len: { params: [i32, i32], result: i32 },
  read_state: { params: [i32, i32, i32], result: undefined },
  remove_from_state: { params: [i32, i32], result: undefined },
  write_state: { params: [i32, i32, i32, i32], result: undefined },
}

/** Where the results stand that `call` returns. */
const resultsAt = 1024

const notable32 = [
  0, 1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 127, 128, 255, 256, 32_767, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000,
]
const notable32High = [0x8000_0001, 0xffff_8000, 0xffff_ff80, 0xffff_fffe, 0xffff_ffff, 0xcccc_cccc]
const notableFloat32 = [
  ...[0, 0x8000_0000, 1, 0x8000_0001, 0x007f_ffff, 0x0080_0000, 0x3f80_0000, 0xbf80_0000, 0x3f00_0000, 0x3fc0_0000],
  ...[0x4020_0000, 0x4b7f_ffff, 0x4eff_ffff, 0x4f00_0000, 0xcf00_0000, 0xcf00_0001, 0x4f7f_ffff, 0x4f80_0000],
  ...[0x5eff_ffff, 0x5f00_0000, 0xdf00_0000, 0x5f80_0000, 0x7f7f_ffff, 0x7f80_0000, 0xff80_0000, 0x7fc0_0000],
  ...[0xffc0_0000, 0x7fa0_0001, 0xff80_0001, 0x7fff_ffff],
]
const notableFloat64 = [
  ...[0n, 0x8000000000000000n, 1n, 0x8000000000000001n, 0x000fffffffffffffn, 0x0010000000000000n, 0x3ff0000000000000n],
  ...[0xbff0000000000000n, 0x3fe0000000000000n, 0x3ff8000000000000n, 0x4004000000000000n, 0x41dfffffffc00000n],
  ...[0x41e0000000000000n, 0xc1e0000000000000n, 0xc1e0000000200000n, 0x41efffffffe00000n, 0x41f0000000000000n],
  ...[0x43e0000000000000n, 0xc3e0000000000000n, 0x43efffffffffffffn, 0x43f0000000000000n, 0x36a0000000000000n],
  ...[0x47efffffe0000000n, 0x47efffffefffffffn, 0x7fefffffffffffffn, 0x7ff0000000000000n, 0xfff0000000000000n],
  ...[0x7ff8000000000000n, 0xfff8000000000000n, 0x7ff4000000000001n, 0xfff0000000000001n, 0x3fefffffffffffffn],
]

export class ModuleGenerator {
  readonly random: Random
  readonly #shape: Shape
  readonly module: Module = {
    types: [],
    imports: [],
    functions: [],
    table: undefined,
    memory: undefined,
    globals: [],
    exports: [],
    elements: [],
    data: [],
  }
  /** Type of each function of the index space, known before the bodies are. */
  functionTypes: FunctionType[] = []
  imported: string[] = []
  /** Function index of `call`. */
  entry = 0
  /** Instructions that all bodies may still take together. */
  budget = 0

  constructor(random: Random, shape: Shape) {
    this.random = random
    this.#shape = shape
  }

  generate(): Module {
    const { random, module } = this
    this.budget = random.chance(0.03) ? random.between(200, 600) : random.pick([8, 15, 25, 40, 70])
    this.#memory()
    this.#imports()
    for (let left = random.between(1, 4); left > 0; left--) module.types.push(this.#signature())
    if (random.chance(0.3)) module.types.push({ ...random.pick(module.types) })
    const count = random.between(1, this.#shape.preCode ? 9 : 5)
    const types = Array.from({ length: count }, () => random.below(module.types.length))
    const plain = module.types.push({ params: [], result: undefined }) - 1
    const call = count
    types.push(plain)
    if (this.#shape.preCode) types.push(plain)
    module.functions = types.map((type) => ({ type, locals: [], body: [] }))
    this.functionTypes = functionTypes(module)
    this.#globals()
    this.#tableAndElements()
    const first = this.imported.length
    this.entry = first + call
    for (const [at, { type }] of module.functions.entries()) {
      if (at === call) continue
      const special = random.chance(0.008) ? this.#deepFunction(at) : undefined
      module.functions[at] = special ?? new FunctionGenerator(this, first + at, module.types[type]!, type).generate()
    }
    module.functions[call] = this.#call(plain, first + random.below(count))
    module.exports.push({ name: 'call', kind: 'function', index: first + call })
    if (this.#shape.preCode && random.chance(0.8)) {
      module.exports.push({ name: 'deploy', kind: 'function', index: first + call + 1 })
    }
    this.#otherExports()
    return module
  }

  #signature(): FunctionType {
    const { random } = this
    const params = Array.from({ length: random.pick([0, 0, 1, 1, 2, 3, 4]) }, () => random.pick(valueTypes))
    return { params, result: random.chance(0.7) ? random.pick(valueTypes) : undefined }
  }

  #memory(): void {
    const { random, module } = this
    if (random.chance(0.04) && !this.#shape.preCode) return
    const initial = random.pick([1, 1, 1, 2, 3])
    const limits = { initial, maximum: initial + random.pick([0, 0, 1, 2, 5]) }
    if (this.#shape.preCode) module.memory = limits
    else module.imports.push({ kind: 'memory', limits })
    for (let left = random.below(4); left > 0; left--) {
      const bytes = Uint8Array.from({ length: random.below(40) }, () => random.below(256))
      module.data.push({ offset: random.below(2000), bytes })
    }
    module.data.push({ offset: textsAt, bytes: Uint8Array.from(textBytes.flat()) })
  }

  #imports(): void {
    const { random, module } = this
    const { hosts } = this.#shape
    const fields = ['ret', ...hosts.filter((field) => field !== 'ret' && random.chance(0.15))]
    // The same function may be imported twice.
    if (random.chance(0.1)) fields.push(random.pick(fields))
    for (const field of fields) {
      const known = module.types.indexOf(hostTypes[field]!)
      const type = known >= 0 && random.chance(0.5) ? known : module.types.push(hostTypes[field]!) - 1
      const entry: Import = { kind: 'function', field, type }
      module.imports.splice(random.below(module.imports.length + 1), 0, entry)
    }
    this.imported = module.imports.flatMap((entry) => (entry.kind === 'function' ? [entry.field] : []))
  }

  #globals(): void {
    const { random, module } = this
    const global = (type: ValueType, mutable: boolean): Global => ({ type, mutable, init: this.constant(type) })
    module.globals = [
      { type: i64, mutable: true, init: { op: 0x42, value: 0n } },
      { type: i32, mutable: true, init: { op: 0x41, value: random.between(0, 12) } },
      ...valueTypes.map((type) => global(type, true)),
      ...Array.from({ length: random.below(this.#shape.preCode ? 8 : 3) }, () =>
        global(random.pick(valueTypes), random.chance(0.5)),
      ),
    ]
  }

  #tableAndElements(): void {
    const { random, module } = this
    if (random.chance(0.25)) return
    const initial = random.between(0, 8)
    module.table = { initial, maximum: random.chance(0.5) ? initial + random.below(3) : undefined }
    for (let left = random.below(4); left > 0; left--) {
      const offset = random.below(initial + 1)
      const length = random.below(initial - offset + 1)
      const all = this.functionTypes.length
      const members = Array.from({ length }, () =>
        random.pick([random.below(all), all - 1 - random.below(module.functions.length)]),
      )
      module.elements.push({ offset, members })
    }
  }

  constant(type: ValueType): Instruction {
    const { random } = this
    switch (type) {
      case i32:
        return { op: 0x41, value: this.#int32() }
      case i64:
        return { op: 0x42, value: random.chance(0.2) ? random.u64() : this.#int64() }
      case f32:
        return { op: 0x43, value: this.#float(random.u32(), notableFloat32, 0x7f80_0000) }
      case f64:
        return { op: 0x44, value: this.#float(random.u64(), notableFloat64, 0x7ff0000000000000n) }
    }
  }

  /** @param exponent bits that make a NaN of nearly every pattern */
  #float<T extends number | bigint>(pattern: T, notable: readonly T[], exponent: T): T {
    const { random } = this
    if (random.chance(0.7)) return random.pick(notable)
    if (random.chance(0.5)) return pattern
    return (typeof pattern === 'bigint' ? pattern | (exponent as bigint) : (pattern | (exponent as number)) >>> 0) as T
  }

  #int32(): number {
    const { random } = this
    if (random.chance(0.3)) return random.below(100)
    if (random.chance(0.2)) return random.u32()
    return random.pick(random.chance(0.7) ? notable32 : notable32High)
  }

  #int64(): bigint {
    const { random } = this
    const low = BigInt(this.#int32())
    if (random.chance(0.5)) return low
    return BigInt.asUintN(64, random.pick([-low, low << 32n, (1n << 63n) - low, (1n << 63n) + low, (low << 32n) | low]))
  }

  /** A function that calls itself until one of the stack limits ends it, with frames so large that few are needed. */
  #deepFunction(at: number): Module['functions'][number] {
    const { random, module } = this
    const { type } = module.functions[at]!
    const { params, result } = module.types[type]!
    const index = this.imported.length + at
    const args = params.map((param) => this.constant(param))
    const call: Instruction[] = [...args, { op: 0x10, index }, ...(result === undefined ? [] : [{ op: 0x1a }])]
    const tail: Instruction[] = result === undefined ? [] : [this.constant(result)]
    // Constructs in front of the call, of which the reference's limiter has its own view.
    const arms = Array.from({ length: random.below(6) }, (): Instruction[] => [
      this.constant(i32),
      { op: 0x04, result: i32, body: [this.constant(i32)], otherwise: [this.constant(i32)] },
      { op: 0x1a },
    ]).flat()
    if (random.chance(0.5)) {
      const locals = [{ count: random.between(800, 9000), type: random.pick(valueTypes) }]
      return { type, locals, body: [...arms, ...call, ...tail] }
    }
    const operands = random.between(250, 400)
    const pushed = Array.from({ length: operands }, () => this.constant(random.pick([i32, f64])))
    const dropped = Array.from({ length: operands }, () => ({ op: 0x1a }))
    return { type, locals: [], body: [...pushed, ...arms, ...call, ...dropped, ...tail] }
  }

  /** Calls one function, shows what is there to see, and returns it. */
  #call(type: number, main: number): Module['functions'][number] {
    const { module, random } = this
    if (this.#shape.preCode && random.chance(0.1)) return { type, locals: [], body: [] }
    const { params, result } = this.functionTypes[main]!
    const body: Instruction[] = params.map((param) => this.constant(param))
    if (memoryOf(module) === undefined) {
      body.push({ op: 0x10, index: main }, ...(result === undefined ? [] : [{ op: 0x1a }]))
      return { type, locals: [], body }
    }
    body.unshift({ op: 0x41, value: resultsAt })
    body.push({ op: 0x10, index: main })
    body.push(result === undefined ? { op: 0x1a } : { op: stores.get(result)![0]!, align: 0, offset: 0 })
    for (const [index, global] of module.globals.entries()) {
      body.push({ op: 0x41, value: resultsAt }, { op: 0x23, index })
      body.push({ op: stores.get(global.type)![0]!, align: 0, offset: 8 * (index + 1) })
    }
    const from = random.pick([0, 0, 512, resultsAt])
    const to = random.pick([resultsAt + 8 * (module.globals.length + 1), 2000])
    const ret = this.imported.indexOf('ret')
    body.push({ op: 0x41, value: from }, { op: 0x41, value: to - from }, { op: 0x10, index: ret })
    return { type, locals: [], body }
  }

  #otherExports(): void {
    const { random, module } = this
    const entries = module.exports
    if (random.chance(0.2))
      entries.push({ name: 'other', kind: 'function', index: random.below(this.functionTypes.length) })
    if (random.chance(0.1) && memoryOf(module)) entries.push({ name: 'memory', kind: 'memory', index: 0 })
    if (random.chance(0.1) && module.table) entries.push({ name: 'table', kind: 'table', index: 0 })
    const fixed = module.globals.findIndex(({ mutable }) => !mutable)
    if (random.chance(0.3) && fixed >= 0) entries.push({ name: 'fixed', kind: 'global', index: fixed })
    if (random.chance(0.5)) entries.reverse()
  }
}
