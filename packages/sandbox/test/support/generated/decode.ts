import {
  type FunctionType,
  type Import,
  type Instruction,
  type Limits,
  type Module,
  memoryAccess,
  type ValueType,
} from './ast.ts'

/** Decodes a valid module of the first version of WebAssembly, with imports of module `env` only; no start section. */
export function decode(bytes: Uint8Array): Module {
  return new Decoder(bytes).module()
}

const text = new TextDecoder()
const kinds = ['function', 'table', 'memory', 'global'] as const

class Decoder {
  readonly #bytes: Uint8Array
  #at = 8

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  module(): Module {
    const module: Module = {
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
    let functions: number[] = []
    while (this.#at < this.#bytes.length) {
      const id = this.#byte()
      const end = this.#unsigned() + this.#at
      switch (id) {
        case 1:
          module.types = this.#list(() => this.#type())
          break
        case 2:
          module.imports = this.#list(() => this.#import())
          break
        case 3:
          functions = this.#list(() => this.#unsigned())
          break
        case 4:
          module.table = this.#list(() => {
            this.#byte()
            return this.#limits()
          })[0]
          break
        case 5:
          module.memory = this.#list(() => this.#limits())[0]
          break
        case 6:
          module.globals = this.#list(() => ({
            type: this.#byte() as ValueType,
            mutable: this.#byte() === 1,
            init: this.#body()[0]!,
          }))
          break
        case 7:
          module.exports = this.#list(() => ({
            name: this.#name(),
            kind: kinds[this.#byte()]!,
            index: this.#unsigned(),
          }))
          break
        case 9:
          module.elements = this.#list(() => ({
            offset: this.#offset(),
            members: this.#list(() => this.#unsigned()),
          }))
          break
        case 10: {
          let next = 0
          module.functions = this.#list(() => {
            this.#unsigned()
            const locals = this.#list(() => ({ count: this.#unsigned(), type: this.#byte() as ValueType }))
            return { type: functions[next++]!, locals, body: this.#body() }
          })
          break
        }
        case 11:
          module.data = this.#list(() => ({ offset: this.#offset(), bytes: this.#take(this.#unsigned()) }))
          break
        default:
          this.#at = end
      }
      if (this.#at !== end) throw new Error(`section ${id} ends at ${this.#at} and not at ${end}`)
    }
    return module
  }

  #byte(): number {
    return this.#bytes[this.#at++]!
  }

  #take(length: number): Uint8Array {
    this.#at += length
    return this.#bytes.slice(this.#at - length, this.#at)
  }

  #unsigned(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.#byte()
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
  }

  #signed(): bigint {
    let value = 0n
    for (let shift = 0n; ; ) {
      const byte = this.#byte()
      value |= BigInt(byte & 0x7f) << shift
      shift += 7n
      if (byte < 0x80) return BigInt.asIntN(Number(shift), value)
    }
  }

  #list<T>(entry: () => T): T[] {
    const list: T[] = []
    for (let left = this.#unsigned(); left > 0; left--) list.push(entry())
    return list
  }

  #name(): string {
    return text.decode(this.#take(this.#unsigned()))
  }

  #type(): FunctionType {
    this.#byte()
    const params = this.#list(() => this.#byte() as ValueType)
    return { params, result: this.#list(() => this.#byte() as ValueType)[0] }
  }

  #import(): Import {
    const names = [this.#name(), this.#name()]
    const kind = this.#byte()
    if (names[0] !== 'env' || (kind !== 0 && kind !== 2)) throw new Error(`unexpected import ${names.join('.')}`)
    return kind === 0
      ? { kind: 'function', field: names[1]!, type: this.#unsigned() }
      : { kind: 'memory', limits: this.#limits() }
  }

  #limits(): Limits {
    const bounded = this.#byte() === 1
    return { initial: this.#unsigned(), maximum: bounded ? this.#unsigned() : undefined }
  }

  /** Of a segment of memory or table 0. */
  #offset(): number {
    this.#byte()
    return Number(this.#body()[0]!.value)
  }

  /** Instructions up to the `end` that belongs to them. */
  #body(): Instruction[] {
    const { body, otherwise } = this.#block()
    if (otherwise !== undefined) throw new Error('else without if')
    return body
  }

  #block(): { body: Instruction[]; otherwise: Instruction[] | undefined } {
    const arms: Instruction[][] = [[]]
    for (;;) {
      const op = this.#byte()
      if (op === 0x0b) return { body: arms[0]!, otherwise: arms[1] }
      if (op === 0x05) arms.push([])
      else arms[arms.length - 1]!.push(this.#instruction(op))
    }
  }

  #instruction(op: number): Instruction {
    if (op >= 0x02 && op <= 0x04) {
      const type = this.#byte()
      return { op, result: type === 0x40 ? undefined : (type as ValueType), ...this.#block() }
    }
    if (memoryAccess.has(op)) return { op, align: this.#unsigned(), offset: this.#unsigned() }
    switch (op) {
      case 0x0e:
        return { op, labels: this.#list(() => this.#unsigned()), index: this.#unsigned() }
      case 0x0c: // br, br_if, call, local.*, global.*
      case 0x0d:
      case 0x10:
      case 0x20:
      case 0x21:
      case 0x22:
      case 0x23:
      case 0x24:
        return { op, index: this.#unsigned() }
      case 0x11: {
        const index = this.#unsigned()
        this.#byte()
        return { op, index }
      }
      case 0x3f:
      case 0x40:
        this.#byte()
        return { op }
      case 0x41:
        return { op, value: Number(BigInt.asUintN(32, this.#signed())) }
      case 0x42:
        return { op, value: BigInt.asUintN(64, this.#signed()) }
      case 0x43:
        return { op, value: this.#take(4).reduceRight((value, byte) => value * 256 + byte, 0) }
      case 0x44:
        return { op, value: this.#take(8).reduceRight((value, byte) => value * 256n + BigInt(byte), 0n) }
      default:
        return { op }
    }
  }
}
