import { decodeError, validationError } from '../errors.ts'
import { type Limit, moduleLimits } from '../limits.ts'
import { ByteReader } from './byteReader.ts'
import { ByteWriter } from './byteWriter.ts'
import { InstructionReader, namesIndex, opensBlock } from './instructionReader.ts'
import {
  type ConstantExpression,
  type DataSegment,
  type DecodedModule,
  type ElementSegment,
  type Export,
  externalKinds,
  type FunctionBody,
  type FunctionType,
  type Global,
  type GlobalType,
  type Import,
  type Limits,
  SectionId,
} from './module.ts'
import { isValueType, Op } from './opcodes.ts'

/**
 * Decodes a module of the first version of WebAssembly and nothing newer; custom sections are dropped.
 *
 * The result is well-formed, not validated: indices may point nowhere and types may not fit. Views into `bytes` stay
 * in it, so the caller must not change them.
 *
 * @throws ModuleError with the texts of spec/runtime.md 1.6
 */
export function decodeModule(bytes: Uint8Array): DecodedModule {
  requireWithin(moduleLimits.moduleBytes, bytes.length)
  const reader = new ByteReader(bytes)
  readPreamble(reader)
  const module: DecodedModule = {
    types: [],
    imports: [],
    functions: [],
    tables: [],
    memories: [],
    globals: [],
    exports: [],
    start: undefined,
    elements: [],
    bodies: [],
    references: [],
    data: [],
    emptied: new Set(),
  }
  let last = 0
  while (!reader.atEnd) {
    const id = reader.byte()
    if (id > SectionId.data) throw decodeError(`Invalid section id: ${id}`)
    const section = reader.slice(reader.u32())
    if (id === SectionId.custom) continue
    if (id === last) throw decodeError(`Dupliated sections (${id})`)
    if (id < last) throw decodeError('Sections out of order')
    last = id
    readSection(module, id, section)
    if (!section.atEnd) throw decodeError('I/O Error: InvalidData')
  }
  if (module.functions.length !== module.bodies.length) {
    throw decodeError('Number of function body entries and signatures does not match')
  }
  return module
}

function requireWithin({ value, text }: Limit, count: number): void {
  if (count > value) throw decodeError(text)
}

function readPreamble(reader: ByteReader): void {
  const magic = reader.take(4)
  if (magic[0] !== 0x00 || magic[1] !== 0x61 || magic[2] !== 0x73 || magic[3] !== 0x6d) {
    throw decodeError('Invalid magic number at start of file')
  }
  const version = reader.take(4).reduceRight((value, byte) => value * 256 + byte, 0)
  if (version !== 1) throw decodeError(`Unsupported wasm version ${version}`)
}

function readSection(module: DecodedModule, id: number, section: ByteReader): void {
  switch (id) {
    case SectionId.type:
      module.types = readList(section, readFunctionType, moduleLimits.types)
      break
    case SectionId.import:
      module.imports = readList(section, readImport, moduleLimits.imports)
      break
    case SectionId.function:
      module.functions = readList(section, (reader) => reader.u32(), moduleLimits.functions)
      break
    case SectionId.table:
      module.tables = readList(section, readTableType)
      break
    case SectionId.memory:
      module.memories = readList(section, readLimits)
      break
    case SectionId.global:
      module.globals = readList(section, readGlobal, moduleLimits.globals)
      break
    case SectionId.export:
      module.exports = readList(section, readExport, moduleLimits.exports)
      break
    case SectionId.start:
      module.start = section.u32()
      break
    case SectionId.element:
      module.elements = readList(section, readElementSegment, moduleLimits.elementSegments)
      break
    case SectionId.code:
      module.bodies = readList(section, (reader) => readBody(reader, module.references), moduleLimits.functions)
      break
    case SectionId.data:
      module.data = readList(section, readDataSegment, moduleLimits.dataSegments)
      break
  }
}

/** A counted list. The claimed count reserves nothing: each entry has to come out of the bytes. */
function readList<T>(reader: ByteReader, readEntry: (reader: ByteReader) => T, limit?: Limit): T[] {
  const count = reader.u32()
  if (limit !== undefined) requireWithin(limit, count)
  const entries: T[] = []
  for (let index = 0; index < count; index++) entries.push(readEntry(reader))
  return entries
}

function readValueType(reader: ByteReader): number {
  const byte = reader.byte()
  if (!isValueType(byte)) throw decodeError(`Unknown value type ${byte}`)
  return byte
}

function readFunctionType(reader: ByteReader): FunctionType {
  const form = reader.byte()
  if (form !== 0x60) throw decodeError(`Unknown function form: 0x${form.toString(16).padStart(2, '0')}`)
  const params = reader.take(reader.u32())
  const unknown = params.find((byte) => !isValueType(byte))
  if (unknown !== undefined) throw decodeError(`Unknown value type ${unknown}`)
  const results = reader.u32()
  if (results > 1) throw decodeError('Enable the multi_value feature to deserialize more than one function result')
  return { params, result: results === 1 ? readValueType(reader) : undefined }
}

function readImport(reader: ByteReader): Import {
  const module = reader.name()
  const field = reader.name()
  const kind = reader.byte()
  switch (kind) {
    case 0:
      return { module, field, kind: 'function', type: reader.u32() }
    case 1:
      return { module, field, kind: 'table', limits: readTableType(reader) }
    case 2:
      return { module, field, kind: 'memory', limits: readLimits(reader) }
    case 3:
      return { module, field, kind: 'global', global: readGlobalType(reader) }
    default:
      throw decodeError(`Unknown external kind ${kind}`)
  }
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.byte()
  if (flag > 1) throw decodeError(`Invalid varuint1 ${flag}`)
  return flag === 1
}

function readLimits(reader: ByteReader): Limits {
  const hasMaximum = readFlag(reader)
  const initial = reader.u32()
  return { initial, maximum: hasMaximum ? reader.u32() : undefined }
}

function readTableType(reader: ByteReader): Limits {
  const elementType = reader.byte()
  if (elementType !== 0x70) throw decodeError(`Unknown table element type ${elementType}`)
  return readLimits(reader)
}

function readGlobalType(reader: ByteReader): GlobalType {
  const valueType = readValueType(reader)
  return { valueType, mutable: readFlag(reader) }
}

function readGlobal(reader: ByteReader): Global {
  return { ...readGlobalType(reader), init: readConstantExpression(reader) }
}

function readExport(reader: ByteReader): Export {
  const name = reader.name()
  const code = reader.byte()
  const kind = externalKinds[code]
  if (kind === undefined) throw decodeError(`Unknown internal kind ${code}`)
  return { name, kind, index: reader.u32() }
}

function readConstantExpression(reader: ByteReader): ConstantExpression {
  const instruction = new InstructionReader(reader.bytes, reader.position, reader.end)
  instruction.next()
  const { opcode, index } = instruction
  if (!isConstant(opcode)) throw validationError('initialiser is not a constant')
  const code = new ByteWriter(16)
  instruction.writeShortest(code)
  instruction.next()
  if (instruction.opcode !== Op.end) throw validationError('initialiser is more than one instruction')
  reader.position = instruction.position
  if (opcode === Op.globalGet) return { kind: 'global', index }
  return { kind: 'constant', code: code.toBytes(), value: opcode === Op.i32Const ? index : undefined }
}

function isConstant(opcode: number): boolean {
  return opcode === Op.globalGet || (opcode >= Op.i32Const && opcode <= Op.f64Const)
}

/** The first number of a segment names its memory or table: there is one only, so it can but be 0. */
function readSegmentIndex(reader: ByteReader): void {
  const index = reader.u32()
  if (index !== 0) throw decodeError(`Invalid segment index ${index}`)
}

function readElementSegment(reader: ByteReader): ElementSegment {
  readSegmentIndex(reader)
  return { offset: readConstantExpression(reader), members: readList(reader, (members) => members.u32()) }
}

function readDataSegment(reader: ByteReader): DataSegment {
  readSegmentIndex(reader)
  return { offset: readConstantExpression(reader), bytes: reader.take(reader.u32()) }
}

/** @param references gets those of the body */
function readBody(reader: ByteReader, references: (readonly number[])[]): FunctionBody {
  const body = reader.slice(reader.u32())
  const locals: number[] = []
  const groups = body.u32()
  for (let group = 0; group < groups; group++) locals.push(body.u32(), readValueType(body))
  const instructions = new InstructionReader(body.bytes, body.position, body.end)
  let found: number[] = []
  for (let depth = 1; depth > 0; ) {
    instructions.next()
    const { opcode, index } = instructions
    if (opcode === Op.end) depth--
    else if (opensBlock(opcode)) requireWithin(moduleLimits.nesting, depth++)
    else if (opcode === Op.brTable) requireWithin(moduleLimits.branchTargets, index)
    else if (namesIndex(opcode)) found.push(instructions.start - body.position)
  }
  if (!instructions.atEnd) throw decodeError('I/O Error: InvalidData')
  let code = body.bytes.subarray(body.position, body.end)
  if (instructions.padded) {
    found = []
    code = shortenIntegers(code, found)
  }
  references.push(found)
  return { locals, code }
}

/** @param references gets where the instructions that name an index are in the result */
function shortenIntegers(code: Uint8Array, references: number[]): Uint8Array {
  const instructions = new InstructionReader(code)
  const writer = new ByteWriter(code.length)
  while (!instructions.atEnd) {
    instructions.next()
    if (namesIndex(instructions.opcode)) references.push(writer.length)
    instructions.writeShortest(writer)
  }
  return writer.view()
}
