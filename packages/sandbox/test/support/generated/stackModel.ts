import { type Func, functionTypes, type Instruction, type Module, memoryAccess, numeric } from './ast.ts'
import { codeBytes } from './encode.ts'

/** What an activation of one function takes. @see spec/runtime.md 3 */
export interface FrameUse {
  /** Of the reference's limiter: declaration groups of locals, and the highest operand of its model. */
  height: number
  /** Of the value stack: params, locals and the highest operand; room for what the reference adds around calls. */
  slots: number
  /** What of the slots is taken besides operands: params and locals, and the sandbox's surcharge for long code. */
  fixed: number
}

/** The sandbox counts one slot more for so many bytes of code. */
const codeBytesPerSlot = 512

export function frameUse(module: Module, { type, locals, body }: Func): FrameUse {
  const { params, result } = module.types[type]!
  const count = locals.reduce((sum, group) => sum + group.count, params.length)
  const results = result === undefined ? 0 : 1
  const peak = new OperandPeak(module).of(body, results)
  const surcharge = Math.floor(codeBytes(body) / codeBytesPerSlot)
  return {
    height: locals.length + new LimiterModel(module, results).peakOf(body),
    slots: Math.max(count + peak, params.length + 2, results + 2) + surcharge,
    fixed: count + surcharge,
  }
}

/** What an instruction that is neither control nor `select` takes from the stack and leaves there. */
function effect(module: Module, { op, index }: Instruction): [taken: number, left: number] {
  const signature = numeric.get(op)
  if (signature !== undefined) return [signature.params.length, 1]
  if (memoryAccess.has(op)) return op < 0x36 ? [1, 1] : [2, 0]
  switch (op) {
    case 0x01: // nop
      return [0, 0]
    case 0x10: {
      const callee = functionTypes(module)[index!]!
      return [callee.params.length, callee.result === undefined ? 0 : 1]
    }
    case 0x11: {
      const callee = module.types[index!]!
      return [callee.params.length, callee.result === undefined ? 0 : 1]
    }
    case 0x1a: // drop, local.set, global.set
    case 0x21:
    case 0x24:
      return [1, 0]
    case 0x1b: // select
      return [3, 1]
    case 0x22: // local.tee, memory.grow
    case 0x40:
      return [1, 1]
    case 0x20: // local.get, global.get, memory.size, constants
    case 0x23:
    case 0x3f:
    case 0x41:
    case 0x42:
    case 0x43:
    case 0x44:
      return [0, 1]
    default:
      throw new Error(`no effect of opcode ${op}`)
  }
}

interface ControlFrame {
  start: number
  endArity: number
  branchArity: number
  polymorphic: boolean
}

/** The reference's model of the operand stack, over its metered code, with its mistakes. */
class LimiterModel {
  readonly #module: Module
  readonly #frames: ControlFrame[]
  #height = 0
  #peak = 0

  constructor(module: Module, results: number) {
    this.#module = module
    this.#frames = [{ start: 0, endArity: results, branchArity: results, polymorphic: false }]
  }

  peakOf(body: readonly Instruction[]): number {
    this.#block(body)
    this.#end()
    return this.#peak
  }

  /** The charge (a constant, and a call that takes it) and the instructions. */
  #block(body: readonly Instruction[]): void {
    this.#look()
    this.#height += 1
    this.#look()
    this.#pop(1)
    for (const instruction of body) this.#step(instruction)
  }

  #end(): void {
    this.#look()
    const { start, endArity } = this.#frames.pop()!
    this.#height = start + endArity
  }

  #step(instruction: Instruction): void {
    this.#look()
    const { op, index, body, otherwise } = instruction
    const innermost = this.#frames[this.#frames.length - 1]!
    const branchArity = this.#frames[this.#frames.length - 1 - (index ?? 0)]?.branchArity ?? 0
    if (body !== undefined) {
      const endArity = instruction.result === undefined ? 0 : 1
      const branchArity = op === 0x03 ? 0 : endArity
      this.#frames.push({ start: this.#height, endArity, branchArity, polymorphic: false })
      this.#block(body)
      if (otherwise !== undefined) {
        this.#look() // else
        this.#block(otherwise)
      }
      this.#end()
      return
    }
    switch (op) {
      case 0x00:
        innermost.polymorphic = true
        break
      case 0x0c:
      case 0x0e:
        this.#pop(branchArity)
        innermost.polymorphic = true
        break
      case 0x0d:
        this.#pop(branchArity)
        this.#pop(1)
        this.#height += branchArity
        break
      case 0x0f:
        this.#pop(this.#frames[0]!.endArity)
        innermost.polymorphic = true
        break
      case 0x1b: // select takes its operands in two steps
        this.#pop(2)
        this.#pop(1)
        this.#height += 1
        break
      default: {
        const [taken, left] = effect(this.#module, instruction)
        this.#pop(taken)
        this.#height += left
      }
    }
  }

  #look(): void {
    if (!this.#frames[this.#frames.length - 1]!.polymorphic) this.#peak = Math.max(this.#peak, this.#height)
  }

  /** Where the reference refuses valid dead code, this goes on. */
  #pop(count: number): void {
    const { start } = this.#frames[this.#frames.length - 1]!
    if (count > 0 && this.#height !== start) this.#height = Math.max(0, this.#height - count)
  }
}

/** The true height of the operand stack, where code can be reached; each metered block holds its cost at its start. */
class OperandPeak {
  readonly #module: Module
  #peak = 0

  constructor(module: Module) {
    this.#module = module
  }

  of(body: readonly Instruction[], results: number): number {
    this.#block(body, 0)
    return Math.max(this.#peak, results)
  }

  #block(body: readonly Instruction[], start: number): void {
    this.#look(start + 1)
    let height = start
    for (const instruction of body) {
      const { op } = instruction
      // What follows in this block is never reached.
      if (op === 0x00 || op === 0x0c || op === 0x0e || op === 0x0f) return
      if (instruction.body !== undefined) {
        if (op === 0x04) height -= 1
        this.#block(instruction.body, height)
        if (instruction.otherwise !== undefined) this.#block(instruction.otherwise, height)
        if (instruction.result !== undefined) height += 1
      } else if (op === 0x0d) height -= 1
      else {
        const [taken, left] = effect(this.#module, instruction)
        height += left - taken - (op === 0x11 ? 1 : 0)
      }
      this.#look(height)
    }
  }

  #look(height: number): void {
    this.#peak = Math.max(this.#peak, height)
  }
}
