import { gasPerGrownPage } from '../gasCosts.ts'
import { codeBytesPerSlot, freeLocals, localsPerGas, runLimits } from '../limits.ts'
import { ByteWriter } from '../wasm/byteWriter.ts'
import { InstructionReader } from '../wasm/instructionReader.ts'
import {
  declaredMemories,
  type Export,
  type FunctionBody,
  type FunctionType,
  type Global,
  importedFunctionTypes,
  importedGlobals,
  type WasmModule,
} from '../wasm/module.ts'
import { emptyBlockType, Op, ValueType } from '../wasm/opcodes.ts'
import type { FunctionAnalysis } from './analysis.ts'
import { canonicalisationOf, resultToCanonicalise } from './canonicalNan.ts'
import { emptyStack, overflowMask, passedLimit, type StackUse, stackAddend, stackAddendWords } from './stackCounter.ts'

/** Exports of an instrumented module; it has no others. */
export const instrumentedExports = {
  entry: 'call',
  gasLeft: 'gasLeft',
  stack: 'stack',
  /** See `runLimits.idleLocals`. */
  localsLeft: 'localsLeft',
} as const

/** Export of what a defined function has paid, if the module is profiled; behind the last, what growing the memory cost. */
export const paidExport = (counter: number): string => `paid${counter}`

/** Stack use of the helper that grows the memory: the reference's has one param and up to three operands. */
const growHelper = { stackCost: 3, slots: 4 }

/** Pages of a memory that names no maximum. */
const maxPages = 65_536

const noUse: StackUse = { height: 0, depth: 0, slots: 0 }

/** Activations that a call through a thunk adds: the thunk and the function behind it. */
const thunkDepth = 2

/** Locals that every function gets: the gas that is left, and the stack counter. NaNs may add one of each float type. */
const gasAndStack: readonly number[] = [ValueType.i64, ValueType.i64]

/**
 * Adds gas metering and the stack limits to a valid module without a start function, and makes its NaNs canonical.
 *
 * - A global holds the gas that is left. Every charge subtracts from it and traps below zero; the host reads and charges
 *   the same global. A function works on a copy in a local, which the engine keeps in a register: it writes the global
 *   at each charge, since any instruction behind it may trap, and reads it again only behind calls. Loops would
 *   otherwise wait for their own last write to come back from memory.
 * - A second global is the stack counter (see stackCounter.ts). What it is on entry is checked, before the first block is
 *   paid for, and stays in a local; each call sets the global to that and what the call adds. So nothing has to be taken
 *   back, but for calls through the table: what they reach may be a host function, which checks nothing.
 * - The entry and the members of element segments are reached through thunks that do what a caller does.
 *
 * Globals, helpers and locals are appended, so no index of the contract's own code changes. The module must have been
 * validated before, or its code could refer to what is appended.
 *
 * @param entry    function index of the entry
 * @param analyses one per defined function
 * @param profiled whether more globals count what each function pays, see `paidExport`
 */
export function instrument(
  module: WasmModule,
  entry: number,
  analyses: readonly FunctionAnalysis[],
  profiled: boolean,
): WasmModule {
  return new Instrumentation(module, analyses, profiled).build(entry)
}

/**
 * What a run is sure to be charged before anything else can end it: nothing, if the entry is a host function, or if its
 * activation alone passes a limit of the stack.
 *
 * @param entry       function index
 * @param stackBefore change of the stack counter before the entry is called
 */
export function entryCharge(
  module: WasmModule,
  entry: number,
  analyses: readonly FunctionAnalysis[],
  stackBefore: bigint,
): number {
  const defined = entry - importedFunctionTypes(module).length
  const analysis = analyses[defined]
  if (analysis === undefined) return 0
  const frame = activationSlots(analysis, module, defined)
  return passedLimit(emptyStack + stackBefore + thunkAddend(analysis, 0, frame)) === undefined ? analysis.entryGas : 0
}

/** What a thunk adds for the function behind it. */
function thunkAddend({ stackCost }: FunctionAnalysis, params: number, frame: number): bigint {
  return stackAddend({ height: stackCost, depth: thunkDepth, slots: params + frame })
}

function activationSlots(analysis: FunctionAnalysis, module: WasmModule, defined: number): number {
  return frameSlots(analysis, module.types[module.functions[defined]!]!) + hiddenSlots(module.bodies[defined]!)
}

class Instrumentation {
  readonly #module: WasmModule
  readonly #analyses: readonly FunctionAnalysis[]
  readonly #functionTypes: number[]
  readonly #imported: number
  readonly #gasLeft: number
  readonly #stack: number
  readonly #localsLeft: number
  /** Slots that an activation of each defined function may take, see `frameSlots` and `hiddenSlots`. */
  readonly #frames: number[]
  /** Appended functions: the grow helper first, then thunks. */
  readonly #addedTypes: number[]
  readonly #addedBodies: FunctionBody[]
  readonly #thunks = new Map<number, number>()
  /** Global index of each counter of paid gas; none unless the module is profiled. */
  readonly #counters: number[]
  readonly #writer = new ByteWriter()

  constructor(module: WasmModule, analyses: readonly FunctionAnalysis[], profiled: boolean) {
    const imported = importedFunctionTypes(module)
    this.#module = module
    this.#analyses = analyses
    this.#imported = imported.length
    this.#functionTypes = [...imported, ...module.functions]
    this.#gasLeft = importedGlobals(module).length + module.globals.length
    this.#stack = this.#gasLeft + 1
    this.#localsLeft = this.#stack + 1
    this.#frames = analyses.map((analysis, index) => activationSlots(analysis, module, index))
    const counted = profiled ? analyses.length + 1 : 0
    this.#counters = Array.from({ length: counted }, (_, counter) => this.#localsLeft + 1 + counter)
    const canGrow = declaredMemories(module).length > 0
    this.#addedTypes = canGrow ? [module.types.length] : []
    this.#addedBodies = canGrow ? [this.#growHelperBody()] : []
  }

  build(entry: number): WasmModule {
    const module = this.#module
    const bodies = module.bodies.map((body, index) => this.#instrumentBody(body, this.#analyses[index]!, index))
    const elements = module.elements.map(({ offset, members }) => ({
      offset,
      members: members.map((member) => this.#thunkOf(member)),
    }))
    const exports: Export[] = [
      { name: instrumentedExports.entry, kind: 'function', index: this.#thunkOf(entry) },
      { name: instrumentedExports.gasLeft, kind: 'global', index: this.#gasLeft },
      { name: instrumentedExports.stack, kind: 'global', index: this.#stack },
      { name: instrumentedExports.localsLeft, kind: 'global', index: this.#localsLeft },
      ...this.#counters.map((index, counter): Export => ({ name: paidExport(counter), kind: 'global', index })),
    ]
    return {
      ...module,
      types: [...module.types, { params: Uint8Array.of(ValueType.i32), result: ValueType.i32 }],
      functions: [...module.functions, ...this.#addedTypes],
      globals: [
        ...module.globals,
        counter(0n),
        counter(emptyStack),
        counter(BigInt(runLimits.idleLocals.value)),
        ...this.#counters.map(() => counter(0n)),
      ],
      exports,
      elements,
      bodies: [...bodies, ...this.#addedBodies],
      emptied: new Set(),
    }
  }

  get #growHelperIndex(): number {
    return this.#functionTypes.length
  }

  #instrumentBody(body: FunctionBody, analysis: FunctionAnalysis, defined: number): FunctionBody {
    const { locals, code } = body
    const writer = this.#writer
    const { charges, calls, callHeights, nans } = analysis
    const gas = analysis.locals
    const stack = gas + 1
    // The same at every charge: to copy it is faster than to write it anew.
    writer.clear()
    this.#subtractGas(gas)
    const subtraction = writer.toBytes()
    writer.clear()
    // What the counter loses from this activation while it waits in a call, but for the operands below the arguments.
    const waiting = analysis.locals + hiddenSlots(body) - this.#frames[defined]!
    /** Value types of the locals that are appended. */
    const added = [...gasAndStack]
    const canonicalisations = new Map<number, Uint8Array>()
    this.#global(Op.globalGet, this.#stack)
    this.#local(Op.localTee, stack)
    this.#trapIfOverflown()
    this.#countIdleLocals(analysis, this.#module.types[this.#module.functions[defined]!]!)
    this.#global(Op.globalGet, this.#gasLeft)
    this.#local(Op.localSet, gas)
    const instruction = new InstructionReader(code)
    let [charge, call, nan, copied] = [0, 0, 0, 0]
    // Goes from one place that something is added at to the next. A charge stands in front of what else is there.
    for (;;) {
      const chargeAt = charges[charge]?.at ?? code.length
      const callAt = calls[call] ?? code.length
      const nanAt = nans[nan] ?? code.length
      const at = Math.min(chargeAt, callAt, nanAt)
      if (at === code.length) break
      if (at === chargeAt) {
        writer.range(code, copied, at)
        copied = at
        const { gas: amount, opensElse } = charges[charge++]!
        if (opensElse) writer.byte(Op.else)
        this.#local(Op.localGet, gas)
        this.#i64Of(amount)
        writer.range(subtraction, 0, subtraction.length)
        this.#count(defined, () => this.#i64Of(amount))
      } else if (at === callAt) {
        instruction.seek(at)
        instruction.next()
        const { opcode, index, position } = instruction
        writer.range(code, copied, at)
        copied = position
        const use = this.#callUse(opcode, index, waiting + callHeights[call++]!)
        if (use !== undefined) this.#setStack(stack, use)
        if (opcode === Op.memoryGrow) this.#call(this.#growHelperIndex)
        else writer.range(code, at, position)
        if (opcode === Op.callIndirect) this.#setStack(stack, noUse)
        this.#global(Op.globalGet, this.#gasLeft)
        this.#local(Op.localSet, gas)
      } else {
        nan++
        writer.range(code, copied, at + 1)
        copied = at + 1
        const type = resultToCanonicalise(code[at]!, code[copied]!)!
        let canonicalisation = canonicalisations.get(type)
        if (canonicalisation === undefined) {
          canonicalisation = canonicalisationOf(type, analysis.locals + added.length)
          canonicalisations.set(type, canonicalisation)
          added.push(type)
        }
        writer.range(canonicalisation, 0, canonicalisation.length)
      }
    }
    writer.range(code, copied, code.length)
    return { locals: [...locals, ...added.flatMap((type) => [1, type])], code: writer.toBytes() }
  }

  /** Counts the locals that the call of a function sets to zero, where its gas is too little for them. */
  #countIdleLocals({ locals, entryGas }: FunctionAnalysis, { params }: FunctionType): void {
    const idle = locals - params.length - freeLocals - localsPerGas * entryGas
    if (idle <= 0) return
    this.#global(Op.globalGet, this.#localsLeft)
    this.#i64Of(idle)
    this.#writer.byte(Op.i64Sub)
    this.#global(Op.globalSet, this.#localsLeft)
    this.#global(Op.globalGet, this.#localsLeft)
    this.#i64Of(0)
    this.#writer.byte(Op.i64LtS)
    this.#trapIf()
  }

  /**
   * @param slots change of the slots until the callee's frame begins
   * @returns what a call adds to the stack counter; undefined for a host function, which does not look at it
   */
  #callUse(opcode: number, index: number, slots: number): StackUse | undefined {
    if (opcode === Op.memoryGrow) {
      return { height: growHelper.stackCost, depth: 1, slots: slots + growHelper.slots }
    }
    // Behind an indirect call stands a thunk, which adds the rest.
    if (opcode === Op.callIndirect) return { ...noUse, slots }
    if (index < this.#imported) return undefined
    const defined = index - this.#imported
    return { height: this.#analyses[defined]!.stackCost, depth: 1, slots: slots + this.#frames[defined]! }
  }

  /** Index of the function that stands for `index` where calls come from outside or through the table. */
  #thunkOf(index: number): number {
    // A host function needs no thunk: it costs no stack.
    if (index < this.#imported) return index
    const known = this.#thunks.get(index)
    if (known !== undefined) return known
    const thunk = this.#functionTypes.length + this.#addedBodies.length
    this.#thunks.set(index, thunk)
    this.#addedTypes.push(this.#functionTypes[index]!)
    this.#addedBodies.push(this.#thunkBody(index))
    return thunk
  }

  #thunkBody(index: number): FunctionBody {
    const writer = this.#writer
    writer.clear()
    const defined = index - this.#imported
    const params = this.#module.types[this.#functionTypes[index]!]!.params.length
    this.#global(Op.globalGet, this.#stack)
    this.#i64(thunkAddend(this.#analyses[defined]!, params, this.#frames[defined]!))
    writer.byte(Op.i64Add)
    this.#global(Op.globalSet, this.#stack)
    for (let param = 0; param < params; param++) {
      this.#local(Op.localGet, param)
    }
    this.#call(index)
    writer.byte(Op.end)
    return { locals: [], code: writer.toBytes() }
  }

  /** `(pages) -> previous pages or -1`. The product wraps at 2^32, as in the reference, and is charged first. */
  #growHelperBody(): FunctionBody {
    const writer = this.#writer
    writer.clear()
    const [pages, gas] = [0, 1]
    this.#global(Op.globalGet, this.#stack)
    this.#trapIfOverflown()
    const pushCost = () => {
      this.#local(Op.localGet, pages)
      this.#i32Of(gasPerGrownPage)
      writer.byte(Op.i32Mul)
      writer.byte(Op.i64ExtendI32U)
    }
    this.#global(Op.globalGet, this.#gasLeft)
    pushCost()
    this.#subtractGas(gas)
    this.#count(this.#counters.length - 1, pushCost)
    // What changes nothing is not left to the engine, which makes a new buffer of each: it is asked for 1 to `free` pages.
    const { maximum } = declaredMemories(this.#module)[0]!
    this.#local(Op.localGet, pages)
    this.#i32Of(1)
    writer.byte(Op.i32Sub)
    this.#i32Of(maximum ?? maxPages)
    this.#memorySize()
    writer.byte(Op.i32Sub)
    writer.byte(Op.i32GeU)
    writer.byte(Op.if)
    writer.byte(ValueType.i32)
    this.#memorySize()
    this.#i32Of(-1)
    this.#local(Op.localGet, pages)
    writer.byte(Op.i32Eqz)
    writer.byte(Op.select)
    writer.byte(Op.else)
    this.#local(Op.localGet, pages)
    writer.byte(Op.memoryGrow)
    writer.byte(0)
    writer.byte(Op.end)
    writer.byte(Op.end)
    return { locals: [1, ValueType.i64], code: writer.toBytes() }
  }

  /** Adds gas that has been paid to its counter, if there is one. */
  #count(counter: number, pushGas: () => void): void {
    const global = this.#counters[counter]
    if (global === undefined) return
    this.#global(Op.globalGet, global)
    pushGas()
    this.#writer.byte(Op.i64Add)
    this.#global(Op.globalSet, global)
  }

  /** With the old gas and an amount on the stack: `gasLeft = gas = old - amount; if (gas < 0) trap`. */
  #subtractGas(gas: number): void {
    this.#writer.byte(Op.i64Sub)
    this.#local(Op.localTee, gas)
    this.#global(Op.globalSet, this.#gasLeft)
    this.#local(Op.localGet, gas)
    this.#i64Of(0)
    this.#writer.byte(Op.i64LtS)
    this.#trapIf()
  }

  /**
   * With the stack counter on the stack: `if ((counter & overflowMask) > 0) trap`.
   *
   * Unsigned, and not `!= 0`: V8 would put the trap of that into the path of the code that goes on.
   */
  #trapIfOverflown(): void {
    this.#i64(overflowMask)
    this.#writer.byte(Op.i64And)
    this.#i64Of(0)
    this.#writer.byte(Op.i64GtU)
    this.#trapIf()
  }

  /** Sets the stack counter to what it was on entry, and what a call uses. */
  #setStack(stack: number, use: StackUse): void {
    this.#local(Op.localGet, stack)
    const { upper, lower } = stackAddendWords(use)
    if (upper !== 0 || lower !== 0) {
      this.#writer.byte(Op.i64Const)
      this.#writer.i64Words(upper, lower)
      this.#writer.byte(Op.i64Add)
    }
    this.#global(Op.globalSet, this.#stack)
  }

  #trapIf(): void {
    this.#writer.byte(Op.if)
    this.#writer.byte(emptyBlockType)
    this.#writer.byte(Op.unreachable)
    this.#writer.byte(Op.end)
  }

  #global(opcode: number, index: number): void {
    this.#writer.byte(opcode)
    this.#writer.u32(index)
  }

  #local(opcode: number, index: number): void {
    this.#writer.byte(opcode)
    this.#writer.u32(index)
  }

  #call(index: number): void {
    this.#writer.byte(Op.call)
    this.#writer.u32(index)
  }

  #memorySize(): void {
    this.#writer.byte(Op.memorySize)
    this.#writer.byte(0)
  }

  #i32Of(value: number): void {
    this.#writer.byte(Op.i32Const)
    this.#writer.i32(value)
  }

  /** A constant of 64 bits that fits into 32. */
  #i64Of(value: number): void {
    this.#writer.byte(Op.i64Const)
    this.#writer.i32(value)
  }

  #i64(value: bigint): void {
    this.#writer.byte(Op.i64Const)
    this.#writer.i64(value)
  }
}

/**
 * Slots from the start of an activation's params to the highest operand it may hold. The reference's code around a
 * guarded call holds two more operands above the arguments, and above the result.
 */
function frameSlots({ locals, operandPeak }: FunctionAnalysis, type: FunctionType): number {
  return Math.max(locals + operandPeak, type.params.length + 2, (type.result === undefined ? 0 : 1) + 2)
}

/**
 * Slots for what an optimising compiler adds to a frame: it keeps what it finds computed both before and after a call,
 * which can be thousands of values beside a single local. Each takes 8 bytes of code or more.
 */
function hiddenSlots({ code }: FunctionBody): number {
  return Math.floor(code.length / codeBytesPerSlot)
}

function counter(initial: bigint): Global {
  const code = new ByteWriter(16)
  code.byte(Op.i64Const)
  code.i64(initial)
  return {
    valueType: ValueType.i64,
    mutable: true,
    init: { kind: 'constant', code: code.toBytes(), value: undefined },
  }
}
