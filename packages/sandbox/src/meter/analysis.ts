import { gasPerBlock, opcodeGas } from '../gasCosts.ts'
import { InstructionReader, opensBlock } from '../wasm/instructionReader.ts'
import { type FunctionBody, type FunctionType, importedFunctionTypes, type WasmModule } from '../wasm/module.ts'
import { emptyBlockType, Op } from '../wasm/opcodes.ts'
import { type InstructionFacts, LimiterHeight, OperandHeight } from './heightModel.ts'

/** What the instrumentation of one function needs to know in advance. */
export interface FunctionAnalysis {
  /** Gas of each metered block, in the order in which the blocks open. */
  blockGas: number[]
  /** True operand height at each `call`, `call_indirect` and `memory.grow`, without what it takes, in code order. */
  callHeights: number[]
  /** Blocks, loops and ifs. */
  blocks: number
  /** Branches and calls. */
  transfers: number
  /** What the reference's stack limiter counts per activation. */
  stackCost: number
  /** Params and locals. */
  locals: number
  /** Highest true operand height. */
  operandPeak: number
}

/** Analyses every defined function of a valid module. */
export function analyseFunctions(module: WasmModule): FunctionAnalysis[] {
  const types = [...importedFunctionTypes(module), ...module.functions].map((index) => module.types[index]!)
  const imported = types.length - module.functions.length
  return module.bodies.map((body, index) => analyseFunction(body, types[imported + index]!, types, module.types))
}

/**
 * @param functions type of each function of the index space
 * @param types     the type section
 */
function analyseFunction(
  { locals, code }: FunctionBody,
  type: FunctionType,
  functions: readonly FunctionType[],
  types: readonly FunctionType[],
): FunctionAnalysis {
  const result = type.result === undefined ? 0 : 1
  const limiter = new LimiterHeight(result)
  const operands = new OperandHeight(result)
  const blocks = new BlockGas()
  const callHeights: number[] = []
  let nested = 0
  let transfers = 0

  function openBlock(): void {
    blocks.open()
    limiter.stepCharge()
    operands.stepCharge()
  }

  openBlock()
  const instruction = new InstructionReader(code)
  const facts: InstructionFacts = { opcode: 0, arity: 0, label: 0, callee: undefined }
  while (!instruction.atEnd) {
    instruction.next()
    const { opcode } = instruction
    facts.opcode = opcode
    facts.arity = instruction.blockType === emptyBlockType ? 0 : 1
    facts.label = opcode === Op.brTable ? defaultTarget(code, instruction) : instruction.index
    if (opcode === Op.call) facts.callee = functions[instruction.index]!
    else if (opcode === Op.callIndirect) facts.callee = types[instruction.index]!
    limiter.step(facts)
    const before = operands.height
    operands.step(facts)
    if (opcode === Op.call) callHeights.push(Math.max(0, before - facts.callee!.params.length))
    else if (opcode === Op.callIndirect) callHeights.push(Math.max(0, before - facts.callee!.params.length - 1))
    else if (opcode === Op.memoryGrow) callHeights.push(Math.max(0, before - 1))

    if (opcode >= Op.br && opcode <= Op.callIndirect) transfers++
    blocks.add(opcodeGas[opcode]!)
    if (opcode === Op.end || opcode === Op.else) blocks.close()
    if (opcode === Op.else) openBlock()
    if (opensBlock(opcode)) {
      nested++
      openBlock()
    }
  }
  let localCount = type.params.length
  for (let group = 0; group < locals.length; group += 2) localCount += locals[group]!
  return {
    blockGas: blocks.costs,
    callHeights,
    blocks: nested,
    transfers,
    stackCost: locals.length / 2 + limiter.peak,
    locals: localCount,
    operandPeak: operands.peak,
  }
}

/** The metered blocks of one function. @see spec/runtime.md 2.1 */
class BlockGas {
  readonly costs: number[] = []
  readonly #open: number[] = []

  open(): void {
    this.#open.push(this.costs.length)
    this.costs.push(gasPerBlock)
  }

  add(gas: number): void {
    this.costs[this.#open[this.#open.length - 1]!]! += gas
  }

  close(): void {
    this.#open.pop()
  }
}

/** The last number of a `br_table`. */
function defaultTarget(code: Uint8Array, { position }: InstructionReader): number {
  let start = position - 1
  while (code[start - 1]! & 0x80) start--
  let value = 0
  for (let at = position - 1; at >= start; at--) value = value * 128 + (code[at]! & 0x7f)
  return value
}
