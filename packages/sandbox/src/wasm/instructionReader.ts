import { decodeError, validationError } from '../errors.ts'
import { ByteReader } from './byteReader.ts'
import type { ByteWriter } from './byteWriter.ts'
import { emptyBlockType, Immediate, immediates, isValueType, Op } from './opcodes.ts'

/**
 * Walks instructions one by one without building objects.
 *
 * After `next()` the fields describe the instruction just read. Throws a ModuleError on anything that the first
 * version of WebAssembly does not have.
 */
export class InstructionReader {
  readonly #bytes: ByteReader
  /** Where the instruction starts in the byte array. */
  start = 0
  opcode = 0
  /** Function, type, global, local or label; the number of listed targets for `br_table`; the value for `i32.const`. */
  index = 0
  /** Block type byte. */
  blockType = 0

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.#bytes = new ByteReader(bytes, position, end)
  }

  /** Where the instruction ends. */
  get position(): number {
    return this.#bytes.position
  }

  get atEnd(): boolean {
    return this.#bytes.atEnd
  }

  /** True once an integer was longer than it needed to be. */
  get padded(): boolean {
    return this.#bytes.padded
  }

  /** Goes to where an instruction starts, for `next` to read. */
  seek(position: number): void {
    this.#bytes.position = position
  }

  next(): void {
    const bytes = this.#bytes
    this.start = bytes.position
    const opcode = bytes.byte()
    this.opcode = opcode
    switch (immediates[opcode]) {
      case Immediate.none:
        return
      case Immediate.index:
        this.index = bytes.u32()
        return
      case Immediate.memory:
        // An alignment beyond 2^3 is never valid; later versions of WebAssembly give its upper bits a meaning.
        if (bytes.u32() > 3) throw validationError('alignment is too large')
        bytes.u32()
        return
      case Immediate.i32:
        this.index = bytes.i32()
        return
      case Immediate.blockType:
        this.blockType = bytes.byte()
        if (this.blockType !== emptyBlockType && !isValueType(this.blockType)) {
          throw decodeError(`Unknown value type ${this.blockType}`)
        }
        return
      case Immediate.branchTable:
        this.index = bytes.u32()
        // The list and, after it, the default target.
        for (let count = 0; count <= this.index; count++) bytes.u32()
        return
      case Immediate.callIndirect:
        this.index = bytes.u32()
        this.#zeroByte()
        return
      case Immediate.zeroByte:
        this.#zeroByte()
        return
      case Immediate.i64:
        bytes.skipI64()
        return
      case Immediate.f32:
        bytes.take(4)
        return
      case Immediate.f64:
        bytes.take(8)
        return
      default:
        throw decodeError(`Unknown opcode ${opcode}`)
    }
  }

  /** Writes the instruction just read with every integer in its shortest form. */
  writeShortest(writer: ByteWriter): void {
    const source = this.#bytes.bytes
    const reader = new ByteReader(source, this.start + 1, this.position)
    const kind = immediates[this.opcode]
    if (kind === Immediate.i64) {
      writer.byte(this.opcode)
      writeShortestSigned(writer, source, this.start + 1, this.position)
    } else if (kind === Immediate.i32) {
      writer.byte(this.opcode)
      writer.i32(this.index)
    } else if (kind === Immediate.index || kind === Immediate.branchTable || kind === Immediate.memory) {
      writer.byte(this.opcode)
      while (!reader.atEnd) writer.u32(reader.u32())
    } else if (kind === Immediate.callIndirect) {
      writer.byte(this.opcode)
      writer.u32(this.index)
      writer.byte(0)
    } else {
      writer.range(source, this.start, this.position)
    }
  }

  #zeroByte(): void {
    const value = this.#bytes.byte()
    if (value !== 0) throw decodeError(`Invalid reserved byte ${value}`)
  }
}

/** A signed LEB128 integer without the closing bytes that only repeat its sign. */
function writeShortestSigned(writer: ByteWriter, source: Uint8Array, start: number, end: number): void {
  let last = end - 1
  while (last > start) {
    const negative = (source[last - 1]! & 0x40) !== 0
    if ((source[last]! & 0x7f) !== (negative ? 0x7f : 0)) break
    last--
  }
  writer.range(source, start, last)
  writer.byte(source[last]! & 0x7f)
}

/** Whether the instruction names a function, a type or a global, which may get another index. */
export function namesIndex(opcode: number): boolean {
  return opcode === Op.call || opcode === Op.callIndirect || opcode === Op.globalGet || opcode === Op.globalSet
}

/** Whether the opcode opens a construct that `end` closes. */
export function opensBlock(opcode: number): boolean {
  return opcode === Op.block || opcode === Op.loop || opcode === Op.if
}
