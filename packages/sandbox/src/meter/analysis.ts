import { gasPerBlock, opcodeGas } from '../gasCosts.ts'
import { InstructionReader, opensBlock } from '../wasm/instructionReader.ts'
import { type FunctionBody, type FunctionType, importedFunctionTypes, type WasmModule } from '../wasm/module.ts'
import { emptyBlockType, isPlain, Op, pops, pushes } from '../wasm/opcodes.ts'
import { resultToCanonicalise } from './canonicalNan.ts'
import { type InstructionFacts, LimiterHeight, OperandHeight } from './heightModel.ts'

/** A charge in front of an instruction. */
export interface Charge {
  /** Offset of that instruction in the function's code. */
  at: number
  gas: number
  /** Whether an `else` goes in front of the charge: it is the arm that an `if` does not have. */
  opensElse: boolean
}

/** What the instrumentation of one function needs to know in advance. */
export interface FunctionAnalysis {
  /** Where gas is charged, in code order. */
  charges: Charge[]
  /** What entering the function costs: the gas of its outermost block, wherever it is charged. */
  entryGas: number
  /** Offset of each `call`, `call_indirect` and `memory.grow`, in code order. */
  calls: number[]
  /** True operand height at each of these, without what it takes. */
  callHeights: number[]
  /** Offset of each instruction whose result may be a NaN that has to be made canonical, in code order. */
  nans: number[]
  /** Blocks, loops and ifs. */
  blocks: number
  /** Branches and calls, each target of a `br_table` counted, and `memory.grow`, which becomes a call. */
  transfers: number
  /** `nans`, and truncations of floats to 64 bits. */
  slowInstructions: number
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
  const calls: number[] = []
  const callHeights: number[] = []
  const nans: number[] = []
  let nested = 0
  let transfers = 0
  let truncations = 0

  function openBlock(opcode: number | undefined, at: number): void {
    blocks.open(opcode, at)
    limiter.stepCharge()
    operands.stepCharge()
  }

  openBlock(undefined, 0)
  const instruction = new InstructionReader(code)
  const facts: InstructionFacts = { opcode: 0, arity: 0, label: 0, callee: undefined }
  while (!instruction.atEnd) {
    instruction.next()
    const { opcode, start, position } = instruction
    if (isPlain[opcode] === 1) {
      const taken = pops[opcode]!
      const left = pushes[opcode]!
      limiter.stepPlain(taken, left)
      if (opcode === Op.memoryGrow) {
        calls.push(start)
        callHeights.push(Math.max(0, operands.height - 1))
        transfers++
      } else if (resultToCanonicalise(opcode, code[position]!) !== undefined) nans.push(start)
      else if (opcode >= 0xae && opcode <= 0xb1) truncations++
      operands.stepPlain(taken, left)
      blocks.add(opcode)
      continue
    }
    facts.opcode = opcode
    facts.arity = instruction.blockType === emptyBlockType ? 0 : 1
    facts.label = opcode === Op.brTable ? defaultTarget(code, instruction) : instruction.index
    if (opcode === Op.call) facts.callee = functions[instruction.index]!
    else if (opcode === Op.callIndirect) facts.callee = types[instruction.index]!
    limiter.step(facts)
    const before = operands.height
    operands.step(facts)
    if (opcode === Op.call || opcode === Op.callIndirect) {
      calls.push(start)
      callHeights.push(Math.max(0, before - facts.callee!.params.length - (opcode === Op.call ? 0 : 1)))
    }
    if (opcode >= Op.br && opcode <= Op.callIndirect) transfers += opcode === Op.brTable ? instruction.index + 1 : 1
    blocks.add(opcode)
    if (opcode === Op.end || opcode === Op.else) blocks.close(opcode, start)
    if (opcode === Op.else) openBlock(opcode, position)
    if (opensBlock(opcode)) {
      nested++
      openBlock(opcode, position)
    }
  }
  let localCount = type.params.length
  for (let group = 0; group < locals.length; group += 2) localCount += locals[group]!
  // Charges that are moved in front of a block make it larger, and those that are left to the arms of an `if` smaller.
  const { entryGas } = blocks
  return {
    charges: blocks.charges(),
    entryGas,
    calls,
    callHeights,
    nans,
    blocks: nested,
    transfers,
    slowInstructions: nans.length + truncations,
    stackCost: locals.length / 2 + limiter.peak,
    locals: localCount,
    operandPeak: operands.peak,
  }
}

/** All blocks have the same shape, which the engine handles faster: a module may have a million. */
interface MeteredBlock extends Charge {
  /** The earlier block whose charge always covers this one. */
  coveredBy: MeteredBlock | undefined
  /** Of an `if`'s first arm: the block whose charge its arms take over. */
  condition: MeteredBlock | undefined
  /** The arms that take over this block's charge. */
  arms: MeteredBlock[] | undefined
}

function meteredBlock(at: number, gas: number, opensElse: boolean): MeteredBlock {
  return { at, gas, opensElse, coveredBy: undefined, condition: undefined, arms: undefined }
}

/**
 * The metered blocks of one function, and where their gas is charged.
 *
 * A charge can be made earlier or later as long as nobody can tell: no branch, no call and nothing that traps lies in
 * between, so whoever looks at the gas sees the same sums. Two such moves leave fewer charges in what runs most:
 *
 * - a `block` is paid for by the charge before it (a `switch` opens one block a case);
 * - the charge before an `if` is left to its arms, which have charges of their own (most loops begin with their
 *   condition, and so charge once a round instead of twice).
 *
 * @see spec/runtime.md 2.1
 */
class BlockGas {
  /** In code order. */
  readonly #blocks: MeteredBlock[] = []
  readonly #open: MeteredBlock[] = []
  /** The last of these. */
  #innermost: MeteredBlock | undefined
  /** The block whose charge was the last, if it could be made here as well. */
  #movable: MeteredBlock | undefined
  /** What the `else` that opens next has in common with the arm before it. */
  #condition: MeteredBlock | undefined

  /**
   * @param opcode that opens the block, undefined for the function itself
   * @param at     where its first instruction is
   */
  open(opcode: number | undefined, at: number): void {
    const block = meteredBlock(at, gasPerBlock, false)
    this.#blocks.push(block)
    this.#open.push(block)
    this.#innermost = block
    if (opcode === Op.block && this.#movable !== undefined) {
      block.coveredBy = this.#movable
      return
    }
    if (opcode === Op.if && this.#movable !== undefined) {
      block.condition = this.#movable
      block.condition.arms = [block]
    } else if (opcode === Op.else) this.#condition?.arms?.push(block)
    this.#movable = block
  }

  add(opcode: number): void {
    this.#innermost!.gas += opcodeGas[opcode]!
    if (silent[opcode] === 0) this.#movable = undefined
  }

  /**
   * @param opcode `else` or `end`
   * @param at     where it is
   */
  close(opcode: number, at: number): void {
    const { condition } = this.#open.pop()!
    this.#innermost = this.#open[this.#open.length - 1]
    this.#condition = condition
    if (opcode === Op.else || condition?.arms === undefined) return
    const missingArm = meteredBlock(at, 0, true)
    this.#blocks.push(missingArm)
    condition.arms.push(missingArm)
  }

  /** Of the function's own block, before anything is moved. */
  get entryGas(): number {
    return this.#blocks[0]!.gas
  }

  charges(): Charge[] {
    for (const block of this.#blocks) if (block.coveredBy !== undefined) move(block, [block.coveredBy])
    for (const block of this.#blocks) if (block.arms !== undefined) move(block, block.arms)
    return this.#blocks.filter(({ gas }) => gas > 0)
  }
}

function move(from: MeteredBlock, to: readonly MeteredBlock[]): void {
  for (const block of to) block.gas += from.gas
  from.gas = 0
}

/** Opcodes behind which a run always goes on with the next instruction, unseen: no branch, no call, no trap. */
const silent = new Uint8Array(256).fill(1)
silent.fill(0, Op.else, Op.callIndirect + 1) // all control but for what opens a block
silent[Op.unreachable] = 0
silent.fill(0, 0x28, 0x3f) // loads and stores
silent[Op.memoryGrow] = 0
silent.fill(0, 0x6d, 0x71) // i32 divisions and remainders
silent.fill(0, 0x7f, 0x83) // i64
silent.fill(0, 0xa8, 0xac) // truncations to i32
silent.fill(0, 0xae, 0xb2) // to i64

/** The last number of a `br_table`. */
function defaultTarget(code: Uint8Array, { position }: InstructionReader): number {
  let start = position - 1
  while (code[start - 1]! & 0x80) start--
  let value = 0
  for (let at = position - 1; at >= start; at--) value = value * 128 + (code[at]! & 0x7f)
  return value
}
