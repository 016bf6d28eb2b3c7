import {
  type FunctionType,
  f32,
  f64,
  type Instruction,
  i32,
  type Module,
  memoryAccess,
  memoryOf,
  numeric,
  type ValueType,
  valueTypes,
} from './ast.ts'
import type { Random } from './random.ts'

/** Where the texts below begin. */
export const textsAt = 40_000
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
export const textBytes = [...texts.map((text) => [...new TextEncoder().encode(text)]), [0xff, 0xfe]]
/** Globals that every module has. */
const mixedGlobal = 0
const fuelGlobal = 1

const numericOpcodes = [...numeric.keys()]
const byResult = new Map(
  valueTypes.map((type) => [type, numericOpcodes.filter((op) => numeric.get(op)!.result === type)]),
)
const loads = new Map(valueTypes.map((type) => [type, accessOpcodes(0x28, 0x35, type)]))
export const stores = new Map(valueTypes.map((type) => [type, accessOpcodes(0x36, 0x3e, type)]))

function accessOpcodes(first: number, last: number, type: ValueType): number[] {
  return [...memoryAccess.keys()].filter((op) => op >= first && op <= last && memoryAccess.get(op)!.type === type)
}

/** A construct around the code that is being made. */
interface Label {
  /** What a branch to it carries. */
  carries: ValueType | undefined
  loop: boolean
}

/** What a body needs of the module that is being made around it. */
interface Surroundings {
  readonly random: Random
  readonly module: Module
  /** Type of each function of the index space. */
  readonly functionTypes: FunctionType[]
  readonly imported: string[]
  /** Function index of `call`. */
  readonly entry: number
  /** Instructions that all bodies may still take together. */
  budget: number
  constant(type: ValueType): Instruction
}

/**
 * Makes one body. Expressions leave one value on the stack, statements none.
 *
 * Behind an unconditional branch the stack is polymorphic: while nothing real lies on it, an operand may be left out.
 */
export class FunctionGenerator {
  readonly #parent: Surroundings
  readonly #random: Random
  readonly #index: number
  readonly #typeIndex: number
  readonly #result: ValueType | undefined
  /** Params and locals. */
  readonly #locals: ValueType[]
  readonly #params: number
  /** How many there are without the counters of loops, which follow. */
  readonly #declared: number
  readonly #labels: Label[]
  #code: Instruction[] = []
  /** Operands that really lie on the stack of the current construct; counted in dead code only. */
  #real: number | undefined = undefined
  #depth = 0

  constructor(parent: Surroundings, index: number, type: FunctionType, typeIndex: number) {
    this.#parent = parent
    this.#random = parent.random
    this.#index = index
    this.#typeIndex = typeIndex
    this.#result = type.result
    this.#params = type.params.length
    const declared = Array.from({ length: this.#random.below(5) }, () => this.#random.pick(valueTypes))
    this.#locals = [...type.params, ...declared]
    this.#declared = this.#locals.length
    this.#labels = [{ carries: type.result, loop: false }]
  }

  generate(): Module['functions'][number] {
    const body = this.#sequence(this.#random.between(1, 6), this.#result)
    const locals = this.#locals.slice(this.#params, this.#declared).map((type) => ({ count: 1, type }))
    const counters = this.#locals.slice(this.#declared)
    if (counters.length > 0) locals.push({ count: counters.length, type: i32 })
    if (this.#random.chance(0.1)) locals.splice(this.#random.below(0), 0, { count: 0, type: f32 })
    return { type: this.#typeIndex, locals, body }
  }

  /** Statements, and a value if one is asked for, as the body of a construct of its own. */
  #sequence(statements: number, result: ValueType | undefined): Instruction[] {
    return this.#within(() => {
      for (let left = statements; left > 0 && this.#parent.budget > 0; left--) this.#statement()
      if (result !== undefined) this.#expression(result)
    })
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
    const writable = this.#locals.slice(0, this.#declared).map((type, index) => ({ type, index }))
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

  #countedLoop(): void {
    const counter = this.#locals.length
    // A counter is nobody else's, also after its loop.
    this.#locals.push(i32)
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
          local === type && index < this.#declared ? [index] : [],
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
