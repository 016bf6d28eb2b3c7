import { gasPerGrownPage } from '../gasCosts.ts'
import { ByteWriter } from '../wasm/byteWriter.ts'
import { InstructionReader, opensBlock } from '../wasm/instructionReader.ts'
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
import { resultToCanonicalise, writeCanonicalisation } from './canonicalNan.ts'
import { emptyStack, overflowMask, stackAddend } from './stackCounter.ts'

/** Exports of an instrumented module; it has no others. */
export const instrumentedExports = { entry: 'call', gasLeft: 'gasLeft', stack: 'stack' } as const

/** Stack use of the helper that grows the memory: the reference's has one param and up to three operands. */
const growHelper = { stackCost: 3, slots: 4 }

/** Activations that a call through a thunk adds: the thunk and the function behind it. */
const thunkDepth = 2

/**
 * Adds gas metering and the stack limits to a valid module without a start function, and makes its NaNs canonical.
 *
 * - A global holds the gas that is left. Every metered block subtracts its cost and traps below zero; the host reads
 *   and charges the same global.
 * - A second global is the stack counter (see stackCounter.ts). Callers add and take back, callees check on entry,
 *   before they pay for their first block.
 * - The entry and the members of element segments are reached through thunks that do what a caller does.
 *
 * Both globals, all helpers and the scratch locals of canonicalNan.ts are appended, so no index of the contract's own
 * code changes. The module must have been validated before, or its code could refer to what is appended.
 *
 * @param entry    function index of the entry
 * @param analyses one per defined function
 */
export function instrument(module: WasmModule, entry: number, analyses: readonly FunctionAnalysis[]): WasmModule {
  return new Instrumentation(module, analyses).build(entry)
}

class Instrumentation {
  readonly #module: WasmModule
  readonly #analyses: readonly FunctionAnalysis[]
  readonly #functionTypes: number[]
  readonly #imported: number
  readonly #gasLeft: number
  readonly #stack: number
  /** Slots that an activation of each defined function may take, see `frameSlots`. */
  readonly #frames: number[]
  /** Appended functions: the grow helper first, then thunks. */
  readonly #addedTypes: number[]
  readonly #addedBodies: FunctionBody[]
  readonly #thunks = new Map<number, number>()
  readonly #writer = new ByteWriter(4096)

  constructor(module: WasmModule, analyses: readonly FunctionAnalysis[]) {
    const imported = importedFunctionTypes(module)
    this.#module = module
    this.#analyses = analyses
    this.#imported = imported.length
    this.#functionTypes = [...imported, ...module.functions]
    this.#gasLeft = importedGlobals(module).length + module.globals.length
    this.#stack = this.#gasLeft + 1
    this.#frames = analyses.map((analysis, index) => frameSlots(analysis, module.types[module.functions[index]!]!))
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
    ]
    return {
      ...module,
      types: [...module.types, { params: Uint8Array.of(ValueType.i32), result: ValueType.i32 }],
      functions: [...module.functions, ...this.#addedTypes],
      globals: [...module.globals, counter(0n), counter(emptyStack)],
      exports,
      elements,
      bodies: [...bodies, ...this.#addedBodies],
      emptied: new Set(),
    }
  }

  get #growHelperIndex(): number {
    return this.#functionTypes.length
  }

  #instrumentBody({ locals, code }: FunctionBody, analysis: FunctionAnalysis, defined: number): FunctionBody {
    const writer = this.#writer
    writer.clear()
    const { blockGas, callHeights } = analysis
    // What the counter loses from this activation while it waits in a call, but for the operands below the arguments.
    const waiting = analysis.locals - this.#frames[defined]!
    let block = 0
    let call = 0
    let copied = 0
    /** Value types of the locals that are appended, at most one of each float type. */
    const scratch: number[] = []
    this.#checkStack()
    this.#charge(blockGas[block++]!)
    const instruction = new InstructionReader(code)
    while (!instruction.atEnd) {
      instruction.next()
      const { opcode, index, start, position } = instruction
      if (opensBlock(opcode) || opcode === Op.else) {
        writer.range(code, copied, position)
        copied = position
        this.#charge(blockGas[block++]!)
      } else if (opcode === Op.call || opcode === Op.callIndirect || opcode === Op.memoryGrow) {
        const addend = this.#callAddend(opcode, index, waiting + callHeights[call++]!)
        if (addend === 0n) continue
        writer.range(code, copied, start)
        copied = position
        this.#changeStack(Op.i64Add, addend)
        if (opcode === Op.memoryGrow) this.#call(this.#growHelperIndex)
        else writer.range(code, start, position)
        this.#changeStack(Op.i64Sub, addend)
      } else {
        const type = resultToCanonicalise(opcode, code[position]!)
        if (type === undefined) continue
        if (!scratch.includes(type)) scratch.push(type)
        writer.range(code, copied, position)
        copied = position
        writeCanonicalisation(writer, type, analysis.locals + scratch.indexOf(type))
      }
    }
    writer.range(code, copied, code.length)
    return { locals: [...locals, ...scratch.flatMap((type) => [1, type])], code: writer.toBytes() }
  }

  /** @param slots change of the slots until the callee's frame begins */
  #callAddend(opcode: number, index: number, slots: number): bigint {
    if (opcode === Op.memoryGrow) {
      return stackAddend({ height: growHelper.stackCost, depth: 1, slots: slots + growHelper.slots })
    }
    // Behind an indirect call stands a thunk, which adds the rest.
    if (opcode === Op.callIndirect) return stackAddend({ height: 0, depth: 0, slots })
    if (index < this.#imported) return 0n
    const defined = index - this.#imported
    return stackAddend({
      height: this.#analyses[defined]!.stackCost,
      depth: 1,
      slots: slots + this.#frames[defined]!,
    })
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
    const addend = stackAddend({
      height: this.#analyses[defined]!.stackCost,
      depth: thunkDepth,
      slots: params + this.#frames[defined]!,
    })
    this.#changeStack(Op.i64Add, addend)
    for (let param = 0; param < params; param++) {
      writer.byte(Op.localGet)
      writer.u32(param)
    }
    this.#call(index)
    this.#changeStack(Op.i64Sub, addend)
    writer.byte(Op.end)
    return { locals: [], code: writer.toBytes() }
  }

  /** `(pages) -> previous pages or -1`. The product wraps at 2^32, as in the reference, and is charged first. */
  #growHelperBody(): FunctionBody {
    const writer = this.#writer
    writer.clear()
    this.#checkStack()
    this.#global(Op.globalGet, this.#gasLeft)
    writer.byte(Op.localGet)
    writer.u32(0)
    writer.byte(Op.i32Const)
    writer.i32(gasPerGrownPage)
    writer.byte(Op.i32Mul)
    writer.byte(Op.i64ExtendI32U)
    this.#subtractGas()
    writer.byte(Op.localGet)
    writer.u32(0)
    writer.byte(Op.memoryGrow)
    writer.byte(0)
    writer.byte(Op.end)
    return { locals: [], code: writer.toBytes() }
  }

  #charge(gas: number): void {
    this.#global(Op.globalGet, this.#gasLeft)
    this.#writer.byte(Op.i64Const)
    this.#writer.i32(gas)
    this.#subtractGas()
  }

  /** With the old gas and an amount on the stack: `gasLeft -= amount; if (gasLeft < 0) trap`. */
  #subtractGas(): void {
    this.#writer.byte(Op.i64Sub)
    this.#global(Op.globalSet, this.#gasLeft)
    this.#global(Op.globalGet, this.#gasLeft)
    this.#i64(0n)
    this.#writer.byte(Op.i64LtS)
    this.#trapIf()
  }

  /** `if (stack & overflowMask) trap`. */
  #checkStack(): void {
    this.#global(Op.globalGet, this.#stack)
    this.#i64(overflowMask)
    this.#writer.byte(Op.i64And)
    this.#i64(0n)
    this.#writer.byte(Op.i64Ne)
    this.#trapIf()
  }

  #changeStack(operator: number, addend: bigint): void {
    this.#global(Op.globalGet, this.#stack)
    this.#i64(addend)
    this.#writer.byte(operator)
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

  #call(index: number): void {
    this.#writer.byte(Op.call)
    this.#writer.u32(index)
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
