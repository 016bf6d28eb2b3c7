import type { FunctionType, Instruction, Limits, Module, ValueType } from './ast.ts'

/** Decides for each integer whether it is written longer than it needs to be. */
type Padding = () => boolean

const text = new TextEncoder()
const emptyBlock = 0x40
const kinds = ['function', 'table', 'memory', 'global']

/** The sections of a module, each as its id and payload; ones without entries are left out. */
export type Sections = [id: number, payload: number[]][]

/** A module in the binary format. Integers take the fewest bytes unless `padding` asks for more. */
export function encode(module: Module, padding?: Padding): Uint8Array {
  return joinSections(sectionsOf(module, padding))
}

/** Bytes of a body's instructions in their shortest form, with the closing `end`. */
export function codeBytes(body: readonly Instruction[]): number {
  return new Encoder(() => false).code(body).length
}

export function joinSections(sections: Sections): Uint8Array {
  const bytes = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  const size = new Encoder(() => false)
  for (const [id, payload] of sections) append(append(bytes, [id], size.unsigned(payload.length)), payload)
  return Uint8Array.from(bytes)
}

export function sectionsOf(module: Module, padding?: Padding): Sections {
  return new Encoder(padding ?? (() => false)).sections(module)
}

class Encoder {
  readonly #padding: Padding

  constructor(padding: Padding) {
    this.#padding = padding
  }

  sections(module: Module): Sections {
    const all: [number, number[][]][] = [
      [1, module.types.map((type) => this.#type(type))],
      [2, module.imports.map((entry) => this.#import(entry))],
      [3, module.functions.map(({ type }) => this.unsigned(type))],
      [4, module.table ? [[0x70, ...this.#limits(module.table)]] : []],
      [5, module.memory ? [this.#limits(module.memory)] : []],
      [6, module.globals.map(({ type, mutable, init }) => [type, mutable ? 1 : 0, ...this.code([init])])],
      [
        7,
        module.exports.map(({ name, kind, index }) => [
          ...this.#name(name),
          kinds.indexOf(kind),
          ...this.unsigned(index),
        ]),
      ],
      [
        9,
        module.elements.map(({ offset, members }) => [
          ...this.#offset(offset),
          ...this.#list(members.map((index) => this.unsigned(index))),
        ]),
      ],
      [
        10,
        module.functions.map(({ locals, body }) =>
          this.#sized([
            ...this.#list(locals.map(({ count, type }) => [...this.unsigned(count), type])),
            ...this.code(body),
          ]),
        ),
      ],
      [11, module.data.map(({ offset, bytes }) => [...this.#offset(offset), ...this.#sized([...bytes])])],
    ]
    return all.filter(([, entries]) => entries.length > 0).map(([id, entries]) => [id, this.#list(entries)])
  }

  unsigned(value: number): number[] {
    const bytes: number[] = []
    let rest = value
    while (rest > 0x7f) {
      bytes.push((rest & 0x7f) | 0x80)
      rest = Math.floor(rest / 128)
    }
    bytes.push(rest)
    if (bytes.length < 5 && this.#padding()) {
      bytes[bytes.length - 1]! |= 0x80
      bytes.push(0)
    }
    return bytes
  }

  #signed(value: bigint): number[] {
    const bytes: number[] = []
    for (let rest = value; ; ) {
      const low = Number(rest & 0x7fn)
      rest >>= 7n
      if (rest === (low & 0x40 ? -1n : 0n)) return [...bytes, low]
      bytes.push(low | 0x80)
    }
  }

  #list(entries: number[][]): number[] {
    return append(this.unsigned(entries.length), ...entries)
  }

  #sized(bytes: number[]): number[] {
    return append(this.unsigned(bytes.length), bytes)
  }

  #name(name: string): number[] {
    return this.#sized([...text.encode(name)])
  }

  #type({ params, result }: FunctionType): number[] {
    return [0x60, ...this.#list(params.map((type) => [type])), ...(result === undefined ? [0] : [1, result])]
  }

  #import(entry: Module['imports'][number]): number[] {
    if (entry.kind === 'memory')
      return [...this.#name('env'), ...this.#name('memory'), 2, ...this.#limits(entry.limits)]
    return [...this.#name('env'), ...this.#name(entry.field), 0, ...this.unsigned(entry.type)]
  }

  #limits({ initial, maximum }: Limits): number[] {
    return maximum === undefined
      ? [0, ...this.unsigned(initial)]
      : [1, ...this.unsigned(initial), ...this.unsigned(maximum)]
  }

  /** Of a segment of memory or table 0. */
  #offset(offset: number): number[] {
    return [0, ...this.code([{ op: 0x41, value: offset }])]
  }

  /** Instructions and the `end` behind them. */
  code(body: readonly Instruction[]): number[] {
    const code: number[] = []
    this.#instructions(body, code)
    code.push(0x0b)
    return code
  }

  #instructions(body: readonly Instruction[], code: number[]): void {
    for (const instruction of body) this.#instruction(instruction, code)
  }

  #instruction(
    { op, index, labels, value, align, offset, result, body, otherwise }: Instruction,
    code: number[],
  ): void {
    code.push(op)
    if (body !== undefined) {
      code.push(blockType(result))
      this.#instructions(body, code)
      if (otherwise !== undefined) {
        code.push(0x05)
        this.#instructions(otherwise, code)
      }
      code.push(0x0b)
      return
    }
    if (labels !== undefined) append(code, this.#list(labels.map((label) => this.unsigned(label))))
    if (index !== undefined) append(code, this.unsigned(index))
    if (align !== undefined) append(code, this.unsigned(align), this.unsigned(offset!))
    if (op === 0x11 || op === 0x3f || op === 0x40) code.push(0)
    if (op === 0x41) append(code, this.#signed(BigInt.asIntN(32, BigInt(value!))))
    if (op === 0x42) append(code, this.#signed(BigInt.asIntN(64, BigInt(value!))))
    if (op === 0x43) for (let byte = 0; byte < 4; byte++) code.push((Number(value) >>> (8 * byte)) & 0xff)
    if (op === 0x44) for (let byte = 0n; byte < 8n; byte++) code.push(Number((BigInt(value!) >> (8n * byte)) & 0xffn))
  }
}

function blockType(result: ValueType | undefined): number {
  return result ?? emptyBlock
}

function append(to: number[], ...parts: number[][]): number[] {
  for (const part of parts) for (const byte of part) to.push(byte)
  return to
}
