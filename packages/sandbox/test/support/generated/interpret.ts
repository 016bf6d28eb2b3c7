import { JsonSyntaxError } from '@bletchley/bytes'
import { encodeJson, type JsonValue, parseJson } from '@bletchley/state'
import type { Outcome } from '../../../src/index.ts'
import {
  type Access,
  type FunctionType,
  f32,
  f64,
  functionTypes,
  type Instruction,
  i32,
  i64,
  importedFunctions,
  type Limits,
  type Module,
  memoryAccess,
  memoryOf,
  numeric,
  type ValueType,
} from './ast.ts'
import { decode } from './decode.ts'
import { type Bits, evaluate, Trap } from './operators.ts'
import { type FrameUse, frameUse } from './stackModel.ts'

/** What a run starts from; `state` is changed as the run goes. */
export interface Task {
  /** What runs: `call`, or `deploy` as the constructor of that many bytes of exeCode. */
  entry: { name: 'call' } | { name: 'deploy'; codeBytes: number }
  functionName: string
  args: Uint8Array
  gasLimit: bigint
  state: Map<string, JsonValue>
}

/** How the run ended, as the sandbox reports it, and the gas that it took; a refund lowers the bill only. */
export interface Interpretation {
  outcome: Outcome
  takenGas: bigint
}

/**
 * The reference interpreter: walks a contract's own code, one instruction after the other, and counts gas by the
 * documented block rule. Slow and obvious on purpose; it shares nothing with the sources under test but the JSON of
 * state values.
 *
 * The module must be valid and instantiable, and export the entry, a function `() -> ()`.
 *
 * @param executed counts how often each opcode ran, if given
 * @see spec/runtime.md 2 (gas), 3 (stack), 5 (host functions, trap texts)
 */
export function interpret(bytes: Uint8Array, task: Task, executed?: Uint32Array): Interpretation {
  const run = new Run(decode(bytes), task, executed ?? new Uint32Array(256))
  return { outcome: outcomeOf(run, task), takenGas: run.gas }
}

function outcomeOf(run: Run, task: Task): Outcome {
  try {
    run.enter()
  } catch (error) {
    if (error instanceof OutOfGas) {
      return { kind: 'failure', message: 'Invocation resulted in gas limit violated', usedGas: task.gasLimit }
    }
    if (!(error instanceof Trap)) throw error
    return { kind: 'failure', message: `Error in execution of WASM code: ${error.message}`, usedGas: run.gas }
  }
  return { kind: 'success', output: run.output, usedGas: run.billed, ethereum: run.ethereum }
}

class OutOfGas extends Error {}

const gasPerCompute = 10_000n
/** Of the function from which the reference calls `deploy`, and its use of the stack. */
const gasPerDeploy = 5n
const deployCaller = { slots: 0, height: 2, depth: 1 }
const gasPerPage = 8192n
const pageBytes = 65_536

const maxHeight = 65_536
const maxDepth = 65_536
const maxSlots = 65_536

/** What the reference's helper behind `memory.grow` takes of the stack. */
const growHelper = { height: 3, slots: 4 }

/** How a sequence of instructions ended: it ran through, it branches `n` labels out, or its function returns. */
type End = number
const ranThrough: End = -1
const returns: End = Number.POSITIVE_INFINITY

/** @see spec/runtime.md 2.2 */
function instructionGas(op: number): number {
  if (op >= 0x28 && op <= 0x3e) return 2
  if (op === 0x6c || op === 0x7e) return 4
  if ((op >= 0x6d && op <= 0x70) || (op >= 0x7f && op <= 0x82)) return 16
  return 1
}

/** Cost of entering a block: 1, and what stands directly in it. */
export function blockGas(body: readonly Instruction[]): number {
  return body.reduce((sum, { op }) => sum + instructionGas(op), 1)
}

/** An activation. */
interface Frame {
  locals: Bits[]
  /** Length of the operand stack at the start of the activation. */
  base: number
  /** Value-stack slots below the activation's first param. */
  slots: number
  /** Slots that it takes besides operands. */
  fixed: number
  /** Of the limiter, this activation included. */
  height: number
  depth: number
}

class Run {
  output: Uint8Array = new Uint8Array()
  ethereum = { payload: new Uint8Array(), address: new Uint8Array(20) }
  gas = 0n
  readonly #module: Module
  readonly #task: Task
  readonly #executed: Uint32Array
  readonly #types: FunctionType[]
  readonly #imported: string[]
  readonly #frames: FrameUse[]
  readonly #blockGas = new Map<readonly Instruction[], bigint>()
  readonly #globals: Bits[]
  readonly #table: (number | undefined)[]
  readonly #memoryLimits: Limits | undefined
  #memory: Uint8Array
  readonly #stack: Bits[] = []
  #refund = 0n
  /** What `eprint` got, if that was the last host function. */
  #lastWords = ''

  constructor(module: Module, task: Task, executed: Uint32Array) {
    this.#module = module
    this.#task = task
    this.#executed = executed
    this.#types = functionTypes(module)
    this.#imported = importedFunctions(module).map(({ field }) => field)
    this.#frames = module.functions.map((func) => frameUse(module, func))
    this.#globals = module.globals.map(({ init }) => init.value!)
    this.#table = new Array<number | undefined>(module.table?.initial ?? 0).fill(undefined)
    for (const { offset, members } of module.elements) {
      for (const [at, member] of members.entries()) this.#table[offset + at] = member
    }
    this.#memoryLimits = memoryOf(module)
    this.#memory = new Uint8Array((this.#memoryLimits?.initial ?? 0) * pageBytes)
    for (const { offset, bytes } of module.data) this.#memory.set(bytes, offset)
  }

  enter(): void {
    const { entry } = this.#task
    const { index } = this.#module.exports.find(({ name }) => name === entry.name)!
    if (entry.name === 'call') {
      this.#invoke(index, { slots: 0, height: 0, depth: 0 }, true)
      this.#charge(gasPerCompute)
    } else {
      this.#charge(gasPerDeploy)
      this.#invoke(index, deployCaller, true)
      this.#charge(BigInt(entry.codeBytes))
    }
  }

  get billed(): bigint {
    return this.gas > this.#refund ? this.gas - this.#refund : 0n
  }

  #charge(amount: bigint): void {
    if (this.gas + amount > this.#task.gasLimit) throw new OutOfGas()
    this.gas += amount
  }

  #enter(body: readonly Instruction[]): void {
    const gas = this.#blockGas.get(body) ?? BigInt(blockGas(body))
    this.#blockGas.set(body, gas)
    this.#charge(gas)
  }

  #pop(): Bits {
    return this.#stack.pop()!
  }

  #popU32(): number {
    return this.#stack.pop() as number
  }

  /**
   * Calls a function with the arguments on the operand stack.
   *
   * @param caller stack use up to the arguments
   * @param thunk  whether the reference puts a function of its own in between
   */
  #invoke(index: number, caller: Pick<Frame, 'slots' | 'height' | 'depth'>, thunk: boolean): void {
    const { params, result } = this.#types[index]!
    const args = this.#stack.splice(this.#stack.length - params.length)
    if (index < this.#imported.length) {
      const returned = this.#host(this.#imported[index]!, args as number[])
      if (returned !== undefined) this.#stack.push(returned >>> 0)
      return
    }
    const use = this.#frames[index - this.#imported.length]!
    const { locals, body } = this.#module.functions[index - this.#imported.length]!
    const frame: Frame = {
      locals: args,
      base: this.#stack.length,
      slots: caller.slots + (thunk ? params.length : 0),
      fixed: use.fixed,
      height: caller.height + use.height,
      depth: caller.depth + (thunk ? 2 : 1),
    }
    checkStack(frame, use.slots)
    for (const { count, type } of locals) {
      for (let left = count; left > 0; left--) frame.locals.push(type === i32 || type === f32 ? 0 : 0n)
    }
    this.#enter(body)
    this.#run(body, frame)
    const returned = result === undefined ? [] : [this.#pop()]
    this.#stack.length = frame.base
    this.#stack.push(...returned)
  }

  /** Stack use of an activation that waits in a call which takes `operands` from the stack. */
  #waiting({ fixed, base, slots, height, depth }: Frame, operands: number) {
    return { slots: slots + fixed + this.#stack.length - base - operands, height, depth }
  }

  #run(body: readonly Instruction[], frame: Frame): End {
    for (const instruction of body) {
      this.#executed[instruction.op]!++
      const end = instruction.op <= 0x11 ? this.#control(instruction, frame) : this.#simple(instruction, frame)
      if (end !== ranThrough) return end
    }
    return ranThrough
  }

  #control(instruction: Instruction, frame: Frame): End {
    switch (instruction.op) {
      case 0x00:
        throw new Trap(this.#lastWords === '' ? 'unreachable' : `unreachable: ${this.#lastWords}`)
      case 0x01:
        return ranThrough
      case 0x02: // block
        return this.#construct(instruction.body!, instruction, frame)
      case 0x03: {
        const height = this.#stack.length
        for (;;) {
          this.#enter(instruction.body!)
          const end = this.#run(instruction.body!, frame)
          if (end > 0) return end - 1
          if (end === ranThrough) return end
          this.#stack.length = height
        }
      }
      case 0x04: {
        const arm = this.#popU32() !== 0 ? instruction.body : instruction.otherwise
        return arm === undefined ? ranThrough : this.#construct(arm, instruction, frame)
      }
      case 0x0c:
        return instruction.index!
      case 0x0d:
        return this.#popU32() !== 0 ? instruction.index! : ranThrough
      case 0x0e:
        return instruction.labels![this.#popU32()] ?? instruction.index!
      case 0x0f:
        return returns
      case 0x10: {
        const { params } = this.#types[instruction.index!]!
        this.#invoke(instruction.index!, this.#waiting(frame, params.length), false)
        return ranThrough
      }
      case 0x11: {
        const element = this.#popU32()
        if (element >= this.#table.length) throw new Trap('table access out of bounds')
        const callee = this.#table[element]
        const expected = this.#module.types[instruction.index!]!
        // The engine does not tell an empty element from one of another type.
        if (callee === undefined || !sameType(this.#types[callee]!, expected)) throw new Trap('unexpected signature')
        this.#invoke(callee, this.#waiting(frame, expected.params.length), true)
        return ranThrough
      }
      default:
        throw new Error(`unknown opcode ${instruction.op}`)
    }
  }

  /** A block, or one arm of an `if`. */
  #construct(body: readonly Instruction[], { result }: Instruction, frame: Frame): End {
    const height = this.#stack.length
    this.#enter(body)
    const end = this.#run(body, frame)
    if (end > 0) return end - 1
    if (end === 0) {
      const carried = result === undefined ? [] : [this.#pop()]
      this.#stack.length = height
      this.#stack.push(...carried)
    }
    return ranThrough
  }

  #simple({ op, index, value, offset }: Instruction, frame: Frame): End {
    const stack = this.#stack
    const signature = numeric.get(op)
    if (signature !== undefined) {
      const right = signature.params.length === 2 ? this.#pop() : 0
      stack.push(evaluate(op, this.#pop(), right))
      return ranThrough
    }
    const access = memoryAccess.get(op)
    if (access !== undefined) {
      if (op < 0x36) stack.push(this.#load(access, this.#popU32() + offset!))
      else {
        const stored = this.#pop()
        this.#store(access, this.#popU32() + offset!, stored)
      }
      return ranThrough
    }
    switch (op) {
      case 0x1a:
        this.#pop()
        break
      case 0x1b: {
        const condition = this.#popU32()
        const second = this.#pop()
        const first = this.#pop()
        stack.push(condition !== 0 ? first : second)
        break
      }
      case 0x20:
        stack.push(frame.locals[index!]!)
        break
      case 0x21:
        frame.locals[index!] = this.#pop()
        break
      case 0x22:
        frame.locals[index!] = stack[stack.length - 1]!
        break
      case 0x23:
        stack.push(this.#globals[index!]!)
        break
      case 0x24:
        this.#globals[index!] = this.#pop()
        break
      case 0x3f:
        stack.push(this.#memory.length / pageBytes)
        break
      case 0x40: {
        const { slots, height, depth } = this.#waiting(frame, 1)
        checkStack({ slots, height: height + growHelper.height, depth: depth + 1 }, growHelper.slots)
        stack.push(this.#grow(this.#popU32()))
        break
      }
      case 0x41: // constants
      case 0x42:
      case 0x43:
      case 0x44:
        stack.push(value!)
        break
      default:
        throw new Error(`unknown opcode ${op}`)
    }
    return ranThrough
  }

  /** Previous pages, or -1. Pays for the pages first, granted or not; the product wraps at 2^32. */
  #grow(pages: number): number {
    this.#charge((BigInt(pages) * gasPerPage) % 2n ** 32n)
    const before = this.#memory.length / pageBytes
    if (before + pages > (this.#memoryLimits!.maximum ?? pageBytes)) return 0xffff_ffff
    const grown = new Uint8Array((before + pages) * pageBytes)
    grown.set(this.#memory)
    this.#memory = grown
    return before
  }

  #load({ type, bytes, signed }: Access, address: number): Bits {
    this.#checkAccess(address, bytes)
    let value = 0n
    for (let at = bytes - 1; at >= 0; at--) value = value * 256n + BigInt(this.#memory[address + at]!)
    if (signed) value = BigInt.asIntN(8 * bytes, value)
    return bitsOf(type, value)
  }

  #store({ bytes }: Access, address: number, value: Bits): void {
    this.#checkAccess(address, bytes)
    let rest = BigInt(value)
    for (let at = 0; at < bytes; at++) {
      this.#memory[address + at] = Number(rest & 0xffn)
      rest >>= 8n
    }
  }

  #checkAccess(address: number, bytes: number): void {
    if (address + bytes > this.#memory.length) throw new Trap('memory access out of bounds')
  }

  #read(pointer: number, length: number): Uint8Array<ArrayBuffer> {
    const size = this.#memory.length
    if (pointer + length > size) {
      throw new Trap(`Memory: trying to access region [${pointer}..${pointer + length}] in memory [0..${size}]`)
    }
    return Uint8Array.from(this.#memory.subarray(pointer, pointer + length))
  }

  #write(pointer: number, bytes: Uint8Array): void {
    this.#read(pointer, bytes.length)
    this.#memory.set(bytes, pointer)
  }

  #key(pointer: number, length: number): string {
    const bytes = this.#read(pointer, length)
    // docs/limits.md. The length is looked at before the text.
    if (length > 4096) throw new Trap('state key is longer than 4096 bytes')
    const key = utf8(bytes)
    if (key === undefined) throw new Trap('invalid state key')
    return key
  }

  /** @see spec/runtime.md 2.7, 5 */
  #host(field: string, [a, b, c, d]: number[]): number | undefined {
    const { state, args, functionName } = this.#task
    this.#lastWords = ''
    switch (field) {
      case 'ret':
        this.output = this.#read(a!, b!)
        return
      case 'gas':
        this.#charge(BigInt(a!))
        return
      case 'eprint': {
        const bytes = this.#read(a!, b!)
        if (utf8(bytes) !== undefined) this.#lastWords = textUpTo(1024, bytes)
        return
      }
      case 'fetch_function_name_length':
        return new TextEncoder().encode(functionName).length
      case 'fetch_function_name':
        this.#write(a!, new TextEncoder().encode(functionName))
        return
      case 'fetch_args_length':
        return args.length
      case 'fetch_args':
        this.#write(a!, args)
        return
      case 'write_eth_bridge':
        this.ethereum = { payload: this.#read(a!, b!), address: this.#read(c!, 20) }
        return
      case 'read_state_len':
        return encodeJson(state.get(this.#key(a!, b!)) ?? null).length
      case 'read_state':
        this.#write(c!, encodeJson(state.get(this.#key(a!, b!)) ?? null))
        return
      case 'remove_from_state':
        state.delete(this.#key(a!, b!))
        return
      case 'write_state': {
        const key = this.#key(a!, b!)
        const old = state.get(key) ?? null
        const oldLength = old === null ? 0 : encodeJson(old).length
        if (d! >= oldLength) this.#charge(10n + BigInt(d! - oldLength))
        else this.#refund += BigInt(oldLength - d!)
        state.set(key, parseStateValue(this.#read(c!, d!)))
        return
      }
      default:
        throw new Error(`unknown host function ${field}`)
    }
  }
}

/** @throws Trap if an activation with so many slots passes one of the limits */
export function checkStack(
  { height, depth, slots }: Pick<Frame, 'height' | 'depth' | 'slots'>,
  frameSlots: number,
): void {
  if (height > maxHeight) throw new Trap('unreachable')
  if (depth >= maxDepth || slots + frameSlots > maxSlots) throw new Trap('stack overflow')
}

function sameType(left: FunctionType, right: FunctionType): boolean {
  return left.result === right.result && left.params.join() === right.params.join()
}

function bitsOf(type: ValueType, value: bigint): Bits {
  if (type === i64 || type === f64) return BigInt.asUintN(64, value)
  return Number(BigInt.asUintN(32, value))
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** What whole characters `maximum` bytes hold; one that the cut goes through stays in the decoder. */
function textUpTo(maximum: number, bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(0, maximum), { stream: true })
}

function parseStateValue(bytes: Uint8Array): JsonValue {
  try {
    return parseJson(bytes)
  } catch (error) {
    if (error instanceof JsonSyntaxError) throw new Trap('invalid state value')
    throw error
  }
}
