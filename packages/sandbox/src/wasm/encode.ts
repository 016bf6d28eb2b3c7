import { ByteWriter } from './byteWriter.ts'
import {
  type ConstantExpression,
  type Export,
  externalKinds,
  type FunctionBody,
  type FunctionType,
  type Import,
  type Limits,
  SectionId,
  type WasmModule,
} from './module.ts'
import { Op } from './opcodes.ts'

const functionForm = 0x60
const functionReference = 0x70

/**
 * Encodes a module: sections in standard order, integers in their shortest form, no custom sections. A section with
 * nothing in it is written only if `module.emptied` names it.
 */
export function encodeModule(module: WasmModule): Uint8Array<ArrayBuffer> {
  const out = new ByteWriter()
  const section = new ByteWriter()
  out.raw(Uint8Array.of(0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00))

  function finish(id: number): void {
    out.byte(id)
    out.u32(section.length)
    out.raw(section.view())
    section.clear()
  }

  function list<T>(id: number, entries: readonly T[], writeEntry: (writer: ByteWriter, entry: T) => void): void {
    if (entries.length === 0 && !module.emptied.has(id)) return
    section.u32(entries.length)
    for (const entry of entries) writeEntry(section, entry)
    finish(id)
  }

  list(SectionId.type, module.types, writeFunctionType)
  list(SectionId.import, module.imports, writeImport)
  list(SectionId.function, module.functions, (writer, type) => writer.u32(type))
  list(SectionId.table, module.tables, writeTableType)
  list(SectionId.memory, module.memories, writeLimits)
  list(SectionId.global, module.globals, (writer, global) => {
    writer.byte(global.valueType)
    writer.byte(global.mutable ? 1 : 0)
    writeConstantExpression(writer, global.init)
  })
  list(SectionId.export, module.exports, writeExport)
  if (module.start !== undefined) {
    section.u32(module.start)
    finish(SectionId.start)
  }
  list(SectionId.element, module.elements, (writer, segment) => {
    writer.byte(0)
    writeConstantExpression(writer, segment.offset)
    writer.u32(segment.members.length)
    for (const member of segment.members) writer.u32(member)
  })
  const header = new ByteWriter()
  list(SectionId.code, module.bodies, (writer, body) => writeBody(writer, body, header))
  list(SectionId.data, module.data, (writer, segment) => {
    writer.byte(0)
    writeConstantExpression(writer, segment.offset)
    writer.u32(segment.bytes.length)
    writer.raw(segment.bytes)
  })
  return out.toBytes()
}

function writeFunctionType(writer: ByteWriter, type: FunctionType): void {
  writer.byte(functionForm)
  writer.u32(type.params.length)
  writer.raw(type.params)
  writer.byte(type.result === undefined ? 0 : 1)
  if (type.result !== undefined) writer.byte(type.result)
}

function writeImport(writer: ByteWriter, entry: Import): void {
  writer.name(entry.module)
  writer.name(entry.field)
  writer.byte(externalKinds.indexOf(entry.kind))
  switch (entry.kind) {
    case 'function':
      writer.u32(entry.type)
      break
    case 'table':
      writeTableType(writer, entry.limits)
      break
    case 'memory':
      writeLimits(writer, entry.limits)
      break
    case 'global':
      writer.byte(entry.global.valueType)
      writer.byte(entry.global.mutable ? 1 : 0)
      break
  }
}

function writeTableType(writer: ByteWriter, limits: Limits): void {
  writer.byte(functionReference)
  writeLimits(writer, limits)
}

function writeLimits(writer: ByteWriter, limits: Limits): void {
  writer.byte(limits.maximum === undefined ? 0 : 1)
  writer.u32(limits.initial)
  if (limits.maximum !== undefined) writer.u32(limits.maximum)
}

function writeExport(writer: ByteWriter, entry: Export): void {
  writer.name(entry.name)
  writer.byte(externalKinds.indexOf(entry.kind))
  writer.u32(entry.index)
}

function writeConstantExpression(writer: ByteWriter, expression: ConstantExpression): void {
  if (expression.kind === 'constant') writer.raw(expression.code)
  else {
    writer.byte(Op.globalGet)
    writer.u32(expression.index)
  }
  writer.byte(Op.end)
}

/** @param header room for the local declarations, whose size is written before them */
function writeBody(writer: ByteWriter, { locals, code }: FunctionBody, header: ByteWriter): void {
  header.clear()
  header.u32(locals.length / 2)
  for (let index = 0; index < locals.length; index += 2) {
    header.u32(locals[index]!)
    header.byte(locals[index + 1]!)
  }
  writer.u32(header.length + code.length)
  writer.raw(header.view())
  writer.raw(code)
}
