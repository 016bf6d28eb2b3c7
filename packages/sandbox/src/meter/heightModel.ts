import type { FunctionType } from '../wasm/module.ts'
import { Op } from '../wasm/opcodes.ts'

/** What a height model has to know of an instruction that its opcode does not say. */
export interface InstructionFacts {
  opcode: number
  /** Results of a block, loop or if. */
  arity: number
  /** Nesting depth that a branch leaves; the default target for `br_table`. */
  label: number
  /** Type of the function that `call` or `call_indirect` calls. */
  callee: FunctionType | undefined
}

/**
 * Operand stack height as the reference's stack limiter models it, over its metered code.
 *
 * The model is wrong on purpose, in the way the reference is: `if` and `call_indirect` do not take their condition and
 * table index, and `else` changes nothing. Where the reference would refuse valid dead code, this one goes on.
 *
 * @see spec/runtime.md 3
 */
export class LimiterHeight {
  peak = 0
  #height = 0
  /** Of the innermost block, as are the last ones of the lists: most instructions look at these two only. */
  #start = 0
  #isPolymorphic = false
  readonly #starts: number[] = []
  readonly #arities: number[] = []
  readonly #branchArities: number[] = []
  readonly #polymorphic: boolean[] = []
  readonly #result: number

  constructor(result: number) {
    this.#result = result
    this.#open(result, result)
  }

  /** Accounts for an instruction that only takes and leaves operands. */
  stepPlain(taken: number, left: number): void {
    this.#notePeak()
    this.#pop(taken)
    this.#height += left
  }

  /** Accounts for any other instruction. */
  step(facts: InstructionFacts): void {
    this.#notePeak()
    const { opcode } = facts
    switch (opcode) {
      case Op.block:
      case Op.if:
        this.#open(facts.arity, facts.arity)
        break
      case Op.loop:
        this.#open(facts.arity, 0)
        break
      case Op.else:
        break
      case Op.end:
        this.#close()
        break
      case Op.unreachable:
        this.#markPolymorphic()
        break
      case Op.br:
      case Op.brTable:
        this.#pop(this.#branchArity(facts.label))
        this.#markPolymorphic()
        break
      case Op.brIf: {
        const arity = this.#branchArity(facts.label)
        this.#pop(arity)
        this.#pop(1)
        this.#height += arity
        break
      }
      case Op.return:
        this.#pop(this.#result)
        this.#markPolymorphic()
        break
      case Op.call:
      case Op.callIndirect:
        this.#pop(facts.callee!.params.length)
        if (facts.callee!.result !== undefined) this.#height++
        break
      case Op.select:
        this.#pop(2)
        this.#pop(1)
        this.#height++
        break
    }
  }

  /** Accounts for the two instructions that charge a metered block: a constant and a call that takes it. */
  stepCharge(): void {
    this.#height++
    this.#notePeak()
    this.#height--
  }

  #notePeak(): void {
    if (this.#height > this.peak && !this.#isPolymorphic) this.peak = this.#height
  }

  #open(arity: number, branchArity: number): void {
    this.#starts.push(this.#height)
    this.#arities.push(arity)
    this.#branchArities.push(branchArity)
    this.#polymorphic.push(false)
    this.#start = this.#height
    this.#isPolymorphic = false
  }

  #close(): void {
    this.#height = this.#starts.pop()! + this.#arities.pop()!
    this.#branchArities.pop()
    this.#polymorphic.pop()
    this.#start = this.#starts[this.#starts.length - 1] ?? 0
    this.#isPolymorphic = this.#polymorphic[this.#polymorphic.length - 1] ?? false
  }

  #markPolymorphic(): void {
    this.#polymorphic[this.#polymorphic.length - 1] = true
    this.#isPolymorphic = true
  }

  #branchArity(label: number): number {
    return this.#branchArities[this.#branchArities.length - 1 - label]!
  }

  #pop(count: number): void {
    if (count === 0 || this.#height === this.#start) return
    this.#height = Math.max(0, this.#height - count)
  }
}

/** The true operand stack height of valid code. In code that is never reached the height says nothing. */
export class OperandHeight {
  height = 0
  peak = 0
  /** Of the innermost block, the last one of the list. */
  #start = 0
  readonly #starts: number[] = [0]
  readonly #arities: number[]
  #unreachableFrom = Number.POSITIVE_INFINITY

  constructor(result: number) {
    this.#arities = [result]
  }

  /** Accounts for an instruction that only takes and leaves operands. */
  stepPlain(taken: number, left: number): void {
    this.#pop(taken)
    this.height += left
    this.#notePeak(this.height)
  }

  /** Accounts for any other instruction. */
  step(facts: InstructionFacts): void {
    const { opcode } = facts
    switch (opcode) {
      case Op.if:
        this.#pop(1)
        this.#open(facts.arity)
        break
      case Op.block:
      case Op.loop:
        this.#open(facts.arity)
        break
      case Op.else:
        this.height = this.#start
        if (this.#unreachableFrom === this.#starts.length) this.#unreachableFrom = Number.POSITIVE_INFINITY
        break
      case Op.end:
        if (this.#unreachableFrom === this.#starts.length) this.#unreachableFrom = Number.POSITIVE_INFINITY
        this.height = this.#starts.pop()! + this.#arities.pop()!
        this.#start = this.#starts[this.#starts.length - 1] ?? 0
        break
      case Op.br:
      case Op.brTable:
      case Op.return:
      case Op.unreachable:
        this.#markUnreachable()
        break
      case Op.brIf:
        this.#pop(1)
        break
      case Op.call:
      case Op.callIndirect:
        this.#pop(facts.callee!.params.length + (opcode === Op.callIndirect ? 1 : 0))
        if (facts.callee!.result !== undefined) this.height++
        break
      case Op.select:
        this.#pop(3)
        this.height++
        break
    }
    this.#notePeak(this.height)
  }

  /** Accounts for the constant that charges a metered block. */
  stepCharge(): void {
    this.#notePeak(this.height + 1)
  }

  #notePeak(height: number): void {
    if (height > this.peak && this.#unreachableFrom === Number.POSITIVE_INFINITY) this.peak = height
  }

  #open(arity: number): void {
    this.#starts.push(this.height)
    this.#arities.push(arity)
    this.#start = this.height
  }

  #markUnreachable(): void {
    this.height = this.#start
    this.#unreachableFrom = Math.min(this.#unreachableFrom, this.#starts.length)
  }

  #pop(count: number): void {
    this.height = Math.max(this.#start, this.height - count)
  }
}
