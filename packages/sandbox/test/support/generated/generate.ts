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
  memoryAccess,
  memoryOf,
  numeric,
  type ValueType,
  valueTypes,
} from './ast.ts'
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

/** Where the texts below begin. */
const textsAt = 40_000
/** State keys and values, and what is neither. */
const texts = [
  '',
  'a',
  'key',
  '__proto__',
  '/~',
  '\ufffd\ud83d\ude00',
  '12',
  '-1.50',
  'null',
  '"text"',
  '[1,{"b":2,"a":[]}]',
  '{"z":1',
]
const textBytes = [...texts.map((text) => [...new TextEncoder().encode(text)]), [0xff, 0xfe]]

/** Globals that every module has. */
const mixedGlobal = 0
const fuelGlobal = 1

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

const numericOpcodes = [...numeric.keys()]
const byResult = new Map(
  valueTypes.map((type) => [type, numericOpcodes.filter((op) => numeric.get(op)!.result === type)]),
)
const loads = new Map(valueTypes.map((type) => [type, accessOpcodes(0x28, 0x35, type)]))
const stores = new Map(valueTypes.map((type) => [type, accessOpcodes(0x36, 0x3e, type)]))

function accessOpcodes(first: number, last: number, type: ValueType): number[] {
  return [...memoryAccess.keys()].filter((op) => op >= first && op <= last && memoryAccess.get(op)!.type === type)
}

class ModuleGenerator {
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

/** A construct around the code that is being made. */
interface Label {
  /** What a branch to it carries. */
  carries: ValueType | undefined
  loop: boolean
}

/**
 * Makes one body. Expressions leave one value on the stack, statements none.
 *
 * Behind an unconditional branch the stack is polymorphic: while nothing real lies on it, an operand may be left out.
 */
class FunctionGenerator {
  readonly #parent: ModuleGenerator
  readonly #random: Random
  readonly #index: number
  readonly #typeIndex: number
  readonly #result: ValueType | undefined
  /** Params and locals. */
  readonly #locals: ValueType[]
  readonly #params: number
  readonly #labels: Label[]
  #code: Instruction[] = []
  /** Operands that really lie on the stack of the current construct; counted in dead code only. */
  #real: number | undefined = undefined
  #depth = 0

  constructor(parent: ModuleGenerator, index: number, type: FunctionType, typeIndex: number) {
    this.#parent = parent
    this.#random = parent.random
    this.#index = index
    this.#typeIndex = typeIndex
    this.#result = type.result
    this.#params = type.params.length
    const declared = Array.from({ length: this.#random.below(5) }, () => this.#random.pick(valueTypes))
    this.#locals = [...type.params, ...declared]
    this.#labels = [{ carries: type.result, loop: false }]
  }

  generate(): Module['functions'][number] {
    const declared = this.#locals.length
    const body = this.#sequence(this.#random.between(1, 6), this.#result)
    const locals = this.#locals.slice(this.#params, declared).map((type) => ({ count: 1, type }))
    const counters = this.#locals.slice(declared)
    if (counters.length > 0) locals.push({ count: counters.length, type: i32 })
    if (this.#random.chance(0.1)) locals.splice(this.#random.below(0), 0, { count: 0, type: f32 })
    return { type: this.#typeIndex, locals, body }
  }

  /** Statements, and a value if one is asked for, as the body of a construct of its own. */
  #sequence(statements: number, result: ValueType | undefined): Instruction[] {
    const outer = { code: this.#code, real: this.#real }
    const body: Instruction[] = []
    this.#code = body
    this.#real = undefined
    this.#depth++
    for (let left = statements; left > 0 && this.#parent.budget > 0; left--) this.#statement()
    if (result !== undefined) this.#expression(result)
    this.#depth--
    this.#code = outer.code
    this.#real = outer.real
    return body
  }

  #emit(instruction: Instruction, taken = 0, left = 0): void {
    this.#parent.budget--
    this.#code.push(instruction)
    if (this.#real !== undefined) this.#real = Math.max(0, this.#real - taken) + left
  }

  /** The rest of the construct is dead. */
  #emitLast(instruction: Instruction): void {
    this.#parent.budget--
    this.#code.push(instruction)
    this.#real = 0
  }

  #statement(): void {
    const random = this.#random
    if (this.#depth > 6) {
      this.#sink()
      return
    }
    switch (random.below(24)) {
      case 0:
      case 1:
      case 2:
        this.#setLocal()
        return
      case 3:
      case 4:
        this.#setGlobal()
        return
      case 5:
      case 6:
      case 7:
        this.#store()
        return
      case 8:
      case 9:
        this.#ifElse(undefined)
        return
      case 10:
        this.#block(0x02, undefined)
        return
      case 11:
      case 12:
        this.#countedLoop()
        return
      case 13:
        if (random.chance(0.3)) this.#block(0x03, undefined)
        else this.#countedLoop()
        return
      case 14:
      case 15:
        if (this.#callAnything(undefined)) return
        this.#sink()
        return
      case 16:
      case 17:
        this.#branchIf()
        return
      case 18:
        if (random.chance(0.4)) this.#leave()
        else this.#branchIf()
        return
      case 19:
        this.#emit({ op: 0x01 })
        return
      case 20:
      case 21:
        this.#callHost()
        return
      default:
        this.#sink()
        return
    }
  }

  /** Computes something and mixes it into a global, or forgets it. */
  #sink(): void {
    const type = this.#random.pick(valueTypes)
    this.#expression(type)
    this.#consume(type)
  }

  #consume(type: ValueType): void {
    if (this.#random.chance(0.15)) {
      this.#emit({ op: 0x1a }, 1)
      return
    }
    if (type === f32) this.#emit({ op: 0xbc }, 1, 1)
    if (type === f64) this.#emit({ op: 0xbd }, 1, 1)
    if (type === i32 || type === f32) this.#emit({ op: this.#random.pick([0xac, 0xad]) }, 1, 1)
    this.#emit({ op: 0x23, index: mixedGlobal }, 0, 1)
    this.#emit({ op: 0x42, value: 7n }, 0, 1)
    this.#emit({ op: 0x89 }, 2, 1) // rotl
    this.#emit({ op: 0x85 }, 2, 1) // xor
    this.#emit({ op: 0x24, index: mixedGlobal }, 1)
  }

  #setLocal(): void {
    const writable = this.#locals.flatMap((type, index) =>
      index < this.#locals.length - this.#counters ? [{ type, index }] : [],
    )
    if (writable.length === 0) {
      this.#sink()
      return
    }
    const { type, index } = this.#random.pick(writable)
    this.#expression(type)
    this.#emit({ op: 0x21, index }, 1)
  }

  #setGlobal(): void {
    const { module } = this.#parent
    const index = this.#random.below(module.globals.length)
    const { type, mutable } = module.globals[index]!
    if (!mutable || index === fuelGlobal) {
      this.#sink()
      return
    }
    this.#expression(type)
    this.#emit({ op: 0x24, index }, 1)
  }

  #store(): void {
    if (memoryOf(this.#parent.module) === undefined) {
      this.#sink()
      return
    }
    const type = this.#random.pick(valueTypes)
    const op = this.#random.pick(stores.get(type)!)
    this.#address()
    this.#expression(type)
    this.#emit({ op, ...this.#immediates(op) }, 2)
  }

  /** Mostly low addresses, now and then the end of the memory, and any number. */
  #address(): void {
    const random = this.#random
    if (random.chance(0.75)) {
      this.#emit({ op: 0x41, value: random.below(1200) }, 0, 1)
      return
    }
    if (random.chance(0.1)) {
      this.#emit({ op: 0x41, value: 65_536 * random.between(1, 2) - random.below(12) }, 0, 1)
      return
    }
    this.#expression(i32)
    if (random.chance(0.9)) {
      this.#emit({ op: 0x41, value: 0x3ff }, 0, 1)
      this.#emit({ op: 0x71 }, 2, 1)
    }
  }

  #immediates(op: number): { align: number; offset: number } {
    const random = this.#random
    const natural = Math.log2(memoryAccess.get(op)!.bytes)
    const offset = random.chance(0.6) ? 0 : random.pick([1, 4, 17, 200, 65_000, random.chance(0.1) ? 0xffff_ffff : 3])
    return { align: random.between(0, natural), offset }
  }

  #ifElse(result: ValueType | undefined): void {
    this.#expression(i32)
    this.#labels.push({ carries: result, loop: false })
    const body = this.#sequence(this.#random.below(4), result)
    const arms = result !== undefined || this.#random.chance(0.5)
    const otherwise = arms ? this.#sequence(this.#random.below(3), result) : undefined
    this.#labels.pop()
    this.#emit({ op: 0x04, result, body, otherwise }, 1, result === undefined ? 0 : 1)
  }

  /** A block, or a loop that runs once unless something branches to it. */
  #block(op: number, result: ValueType | undefined): void {
    const loop = op === 0x03
    this.#labels.push({ carries: loop ? undefined : result, loop })
    const body = this.#sequence(this.#random.below(5), result)
    this.#labels.pop()
    this.#emit({ op, result, body }, 0, result === undefined ? 0 : 1)
  }

  #counters = 0

  #countedLoop(): void {
    const counter = this.#locals.length
    // A counter is nobody else's, also after its loop.
    this.#locals.push(i32)
    this.#counters++
    this.#emit({ op: 0x41, value: this.#random.between(1, 6) }, 0, 1)
    this.#emit({ op: 0x21, index: counter }, 1)
    this.#labels.push({ carries: undefined, loop: true })
    const body = this.#sequence(this.#random.between(1, 3), undefined)
    this.#labels.pop()
    body.push({ op: 0x20, index: counter }, { op: 0x41, value: 1 }, { op: 0x6b }, { op: 0x22, index: counter })
    body.push({ op: 0x0d, index: 0 })
    this.#emit({ op: 0x03, result: undefined, body })
  }

  /** Depths of the labels that carry `type`; ones of loops are rare, since a branch to them goes round. */
  #labelsOf(type: ValueType | undefined): number[] {
    return this.#labels.flatMap(({ carries, loop }, at) =>
      carries === type && (!loop || this.#random.chance(0.15)) ? [this.#labels.length - 1 - at] : [],
    )
  }

  #branchIf(): void {
    const type = this.#random.chance(0.5) ? undefined : this.#random.pick(valueTypes)
    const labels = this.#labelsOf(type)
    if (labels.length === 0) {
      this.#sink()
      return
    }
    if (type !== undefined) this.#expression(type)
    this.#expression(i32)
    this.#emit({ op: 0x0d, index: this.#random.pick(labels) }, type === undefined ? 1 : 2, type === undefined ? 0 : 1)
    if (type !== undefined) this.#consume(type)
  }

  /** `br`, `br_table`, `return` or `unreachable`. */
  #leave(): void {
    const random = this.#random
    const kind = random.below(12)
    if (kind === 0) {
      this.#emitLast({ op: 0x00 })
      return
    }
    if (kind <= 3) {
      if (this.#result !== undefined) this.#expression(this.#result)
      this.#emitLast({ op: 0x0f })
      return
    }
    const { carries } = random.pick(this.#labels)
    const labels = this.#labelsOf(carries)
    if (labels.length === 0) {
      this.#emitLast({ op: 0x00 })
      return
    }
    if (carries !== undefined) this.#expression(carries)
    if (kind <= 7) {
      this.#emitLast({ op: 0x0c, index: random.pick(labels) })
      return
    }
    this.#expression(i32)
    const count = random.below(5)
    this.#emitLast({
      op: 0x0e,
      labels: Array.from({ length: count }, () => random.pick(labels)),
      index: random.pick(labels),
    })
  }

  /** A call, direct or not, of something that gives `result`; false if there is nothing to call. */
  #callAnything(result: ValueType | undefined): boolean {
    const random = this.#random
    const { module, functionTypes: types } = this.#parent
    if (module.table !== undefined && random.chance(0.3)) return this.#callIndirect(result)
    const later = types.flatMap((type, index) => (type.result === result && this.#isLater(index) ? [index] : []))
    if (later.length > 0 && random.chance(0.85)) {
      const callee = random.pick(later)
      this.#arguments(types[callee]!)
      this.#emit({ op: 0x10, index: callee }, types[callee]!.params.length, result === undefined ? 0 : 1)
      return true
    }
    if (result !== undefined || random.chance(0.5)) return false
    this.#callBack()
    return true
  }

  /** Calls of later functions only do not go round. */
  #isLater(index: number): boolean {
    return index > this.#index && index !== this.#parent.entry
  }

  /** A call that may be recursive, so it costs fuel; rarely without. */
  #callBack(): void {
    const random = this.#random
    const { functionTypes: types, imported } = this.#parent
    const callee = random.between(imported.length, types.length - 1)
    const guarded = random.chance(0.95)
    if (guarded) {
      this.#emit({ op: 0x23, index: fuelGlobal }, 0, 1)
      this.#emit({ op: 0x41, value: 1 }, 0, 1)
      this.#emit({ op: 0x6b }, 2, 1)
      this.#emit({ op: 0x24, index: fuelGlobal }, 1)
      this.#emit({ op: 0x23, index: fuelGlobal }, 0, 1)
      this.#emit({ op: 0x41, value: 0 }, 0, 1)
      this.#emit({ op: 0x4a }, 2, 1) // gt_s
      this.#labels.push({ carries: undefined, loop: false })
    }
    const call = () => {
      const type = types[callee]!
      this.#arguments(type)
      this.#emit({ op: 0x10, index: callee }, type.params.length, type.result === undefined ? 0 : 1)
      if (type.result !== undefined) this.#consume(type.result)
    }
    if (!guarded) {
      // Dear, so that the gas does not last for a stack deeper than what runs it.
      this.#emit({ op: 0x41, value: 1 }, 0, 1)
      this.#emit({ op: 0x41, value: 1 }, 0, 1)
      this.#emit({ op: 0x6e }, 2, 1)
      this.#emit({ op: 0x1a }, 1)
      call()
      return
    }
    const body = this.#within(call)
    this.#labels.pop()
    this.#emit({ op: 0x04, result: undefined, body, otherwise: undefined }, 1)
  }

  /** The code that `make` emits, as the body of a construct. */
  #within(make: () => void): Instruction[] {
    const outer = { code: this.#code, real: this.#real }
    const body: Instruction[] = []
    this.#code = body
    this.#real = undefined
    this.#depth++
    make()
    this.#depth--
    this.#code = outer.code
    this.#real = outer.real
    return body
  }

  #callIndirect(result: ValueType | undefined): boolean {
    const random = this.#random
    const { module, functionTypes: types } = this.#parent
    const fitting = module.types.flatMap((type, index) => (type.result === result ? [{ type, index }] : []))
    if (fitting.length === 0) return false
    // Elements that would go well; any other traps.
    const members = new Map<number, number>()
    for (const { offset, members: all } of module.elements) {
      for (const [at, member] of all.entries()) members.set(offset + at, member)
    }
    const right = [...members].filter(([, member]) => types[member]!.result === result && this.#isLater(member))
    let { type, index } = random.pick(fitting)
    let element: number | undefined
    if (right.length > 0 && random.chance(0.9)) {
      const [at, member] = random.pick(right)
      element = at
      const same = fitting.filter(({ type }) => type.params.join() === types[member]!.params.join())
      if (same.length > 0) ({ type, index } = random.pick(same))
    } else if (random.chance(0.8)) return false
    this.#arguments(type)
    if (element === undefined) this.#expression(i32)
    else this.#emit({ op: 0x41, value: element }, 0, 1)
    this.#emit({ op: 0x11, index }, type.params.length + 1, result === undefined ? 0 : 1)
    return true
  }

  #arguments({ params }: FunctionType): void {
    for (const param of params) this.#expression(param)
  }

  /** Host functions with pointers that mostly fit. */
  #callHost(): void {
    const random = this.#random
    const { imported, functionTypes: types } = this.#parent
    const index = random.below(imported.length)
    const field = imported[index]!
    const { params, result } = types[index]!
    const text = () => {
      const at = random.below(textBytes.length)
      const offset = textBytes.slice(0, at).reduce((sum, bytes) => sum + bytes.length, textsAt)
      this.#emit({ op: 0x41, value: offset }, 0, 1)
      this.#emit({ op: 0x41, value: textBytes[at]!.length }, 0, 1)
    }
    const number = (value: number) => this.#emit({ op: 0x41, value }, 0, 1)
    if (random.chance(0.1)) this.#arguments({ params, result })
    else if (field === 'gas') number(random.chance(0.05) ? random.u32() : random.below(100))
    else if (field === 'ret' || field === 'eprint' || field === 'write_eth_bridge') {
      number(random.below(1000))
      number(random.below(100))
      if (field === 'write_eth_bridge') number(random.below(1000))
    } else if (field.startsWith('fetch')) {
      if (params.length > 0) number(random.below(1000))
    } else {
      text()
      if (field === 'write_state') text()
      if (field === 'read_state') number(random.below(1000))
    }
    this.#emit({ op: 0x10, index }, params.length, result === undefined ? 0 : 1)
    if (result !== undefined) this.#consume(result)
  }

  #expression(type: ValueType): void {
    const random = this.#random
    if (this.#real === 0 && random.chance(0.4)) return
    if (this.#depth > 7 || this.#parent.budget <= 0) {
      this.#leaf(type)
      return
    }
    this.#depth++
    this.#compound(type)
    this.#depth--
  }

  #leaf(type: ValueType): void {
    const random = this.#random
    const { globals } = this.#parent.module
    const locals = this.#locals.flatMap((local, index) => (local === type ? [index] : []))
    if (locals.length > 0 && random.chance(0.5)) {
      this.#emit({ op: 0x20, index: random.pick(locals) }, 0, 1)
      return
    }
    const readable = globals.flatMap((global, index) => (global.type === type ? [index] : []))
    if (readable.length > 0 && random.chance(0.3)) {
      this.#emit({ op: 0x23, index: random.pick(readable) }, 0, 1)
      return
    }
    this.#emit(this.#parent.constant(type), 0, 1)
  }

  #compound(type: ValueType): void {
    const random = this.#random
    const memory = memoryOf(this.#parent.module) !== undefined
    switch (random.below(26)) {
      case 0:
      case 1:
        if (!memory) break
        this.#address()
        this.#load(type)
        return
      case 2: {
        const op = random.pick(loads.get(type)!)
        if (!memory) break
        this.#address()
        this.#emit({ op, ...this.#immediates(op) }, 1, 1)
        return
      }
      case 3:
        this.#expression(type)
        this.#expression(type)
        this.#expression(i32)
        this.#emit({ op: 0x1b }, 3, 1)
        return
      case 4:
        this.#block(random.chance(0.9) ? 0x02 : 0x03, type)
        return
      case 5:
        this.#ifElse(type)
        return
      case 6:
      case 7:
        if (this.#callAnything(type)) return
        break
      case 8: {
        const writable = this.#locals.flatMap((local, index) =>
          local === type && index < this.#locals.length - this.#counters ? [index] : [],
        )
        if (writable.length === 0) break
        this.#expression(type)
        this.#emit({ op: 0x22, index: random.pick(writable) }, 1, 1)
        return
      }
      case 9: {
        const labels = this.#labelsOf(type)
        if (labels.length === 0) break
        this.#expression(type)
        this.#expression(i32)
        this.#emit({ op: 0x0d, index: random.pick(labels) }, 2, 1)
        return
      }
      case 10:
        if (random.chance(0.1)) {
          this.#leave()
          this.#expression(type)
          return
        }
        break
      case 11:
        if (type !== i32 || !memory) break
        if (random.chance(0.5)) {
          this.#emit({ op: 0x3f }, 0, 1)
          return
        }
        if (random.chance(0.9)) this.#emit({ op: 0x41, value: random.pick([0, 0, 0, 1, 1, 3]) }, 0, 1)
        else this.#expression(i32)
        this.#emit({ op: 0x40 }, 1, 1)
        return
      case 12:
      case 13:
        this.#leaf(type)
        return
    }
    this.#numeric(type)
  }

  #load(type: ValueType): void {
    const op = this.#random.pick(loads.get(type)!)
    this.#emit({ op, ...this.#immediates(op) }, 1, 1)
  }

  #numeric(type: ValueType): void {
    const random = this.#random
    const op = random.pick(byResult.get(type)!)
    const { params } = numeric.get(op)!
    // Numbers that fit the integer, or nearly every truncation would end the run.
    if (isTruncation(op) && random.chance(0.6)) {
      if (params[0] === f32)
        this.#emit({ op: 0x43, value: random.pick([0, 0x3f80_0000, 0x3fc0_0000, 0x4eff_ffff]) }, 0, 1)
      else
        this.#emit(
          { op: 0x44, value: random.pick([0n, 0x3ff0000000000000n, 0x41dfffffffc00000n, 0x40934a456d5cfaadn]) },
          0,
          1,
        )
      this.#emit({ op }, 1, 1)
      return
    }
    for (const param of params) this.#expression(param)
    // Likewise a division by zero.
    if (isDivision(op) && random.chance(0.6)) {
      this.#emit(type === i32 ? { op: 0x41, value: 1 } : { op: 0x42, value: 1n }, 0, 1)
      this.#emit({ op: type === i32 ? 0x72 : 0x84 }, 2, 1)
    }
    this.#emit({ op }, params.length, 1)
  }
}

function isTruncation(op: number): boolean {
  return (op >= 0xa8 && op <= 0xab) || (op >= 0xae && op <= 0xb1)
}

function isDivision(op: number): boolean {
  return (op >= 0x6d && op <= 0x70) || (op >= 0x7f && op <= 0x82)
}
