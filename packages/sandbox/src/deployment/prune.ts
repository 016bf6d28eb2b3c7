import { constructorError } from '../errors.ts'
import { ByteWriter } from '../wasm/byteWriter.ts'
import { InstructionReader } from '../wasm/instructionReader.ts'
import {
  type ConstantExpression,
  type DecodedModule,
  type FunctionBody,
  type Import,
  importedFunctionTypes,
  importedGlobals,
  SectionId,
  type WasmModule,
} from '../wasm/module.ts'
import { Op } from '../wasm/opcodes.ts'

/**
 * Keeps what the export `root` needs: itself, the start function, all functions in element segments, globals in
 * segment offsets, and whatever these use. Table and memory imports, tables, elements and data always stay.
 *
 * The encoding of the result is byte for byte what the reference's packer makes of the same module; a section that
 * had entries and lost them all is kept empty, as there.
 *
 * @throws ModuleError if something that is kept refers to an index that does not exist
 * @see spec/runtime.md 4
 */
export function prune(module: DecodedModule, root: string): WasmModule {
  const uses = new Uses(module)
  const exports = module.exports.filter((entry) => entry.name === root)
  for (const entry of exports) {
    if (entry.kind === 'function') uses.addFunction(entry.index)
    if (entry.kind === 'global') uses.addGlobal(entry.index)
  }
  if (module.start !== undefined) uses.addFunction(module.start)
  for (const segment of module.data) uses.addInitialiser(segment.offset)
  for (const segment of module.elements) {
    uses.addInitialiser(segment.offset)
    for (const member of segment.members) uses.addFunction(member)
  }
  uses.close()
  return rebuild(module, exports, uses)
}

/** The types, functions and globals that are reached so far. */
class Uses {
  readonly types: Uint8Array
  readonly functions: Uint8Array
  readonly globals: Uint8Array
  readonly #module: DecodedModule
  readonly #functionTypes: number[]
  readonly #importedFunctions: number
  readonly #importedGlobals: number
  readonly #unvisited: number[] = []

  constructor(module: DecodedModule) {
    const imported = importedFunctionTypes(module)
    this.#module = module
    this.#importedFunctions = imported.length
    this.#importedGlobals = importedGlobals(module).length
    this.#functionTypes = [...imported, ...module.functions]
    this.types = new Uint8Array(module.types.length)
    this.functions = new Uint8Array(this.#functionTypes.length)
    this.globals = new Uint8Array(this.#importedGlobals + module.globals.length)
  }

  addType(index: number): void {
    mark(this.types, index, 'type')
  }

  addFunction(index: number): void {
    if (!mark(this.functions, index, 'function')) return
    this.addType(this.#functionTypes[index]!)
    if (index >= this.#importedFunctions) this.#unvisited.push(index)
  }

  addGlobal(index: number): void {
    if (!mark(this.globals, index, 'global') || index < this.#importedGlobals) return
    this.addInitialiser(this.#module.globals[index - this.#importedGlobals]!.init)
  }

  addInitialiser(init: ConstantExpression): void {
    if (init.kind !== 'global') return
    if (init.index >= this.#importedGlobals) throw constructorError('initialiser reads a global that is not imported')
    this.addGlobal(init.index)
  }

  /** Follows the bodies of all functions reached until nothing new turns up. */
  close(): void {
    for (let index = this.#unvisited.pop(); index !== undefined; index = this.#unvisited.pop()) {
      const defined = index - this.#importedFunctions
      const instruction = new InstructionReader(this.#module.bodies[defined]!.code)
      for (const start of this.#module.references[defined]!) {
        instruction.seek(start)
        instruction.next()
        switch (instruction.opcode) {
          case Op.call:
            this.addFunction(instruction.index)
            break
          case Op.callIndirect:
            this.addType(instruction.index)
            break
          case Op.globalGet:
          case Op.globalSet:
            this.addGlobal(instruction.index)
            break
        }
      }
    }
  }
}

/** Whether the index is newly marked. */
function mark(marks: Uint8Array, index: number, space: string): boolean {
  if (index >= marks.length) throw constructorError(`${space} ${index} does not exist`)
  if (marks[index] === 1) return false
  marks[index] = 1
  return true
}

/** New index of everything that is marked. */
function renumber(marks: Uint8Array): Uint32Array {
  const indices = new Uint32Array(marks.length)
  let next = 0
  for (let index = 0; index < marks.length; index++) {
    indices[index] = next
    next += marks[index]!
  }
  return indices
}

interface Renumbering {
  types: Uint32Array
  functions: Uint32Array
  globals: Uint32Array
}

function rebuild(module: DecodedModule, exports: WasmModule['exports'], uses: Uses): WasmModule {
  const to: Renumbering = {
    types: renumber(uses.types),
    functions: renumber(uses.functions),
    globals: renumber(uses.globals),
  }
  const functionImports = importedFunctionTypes(module).length
  const globalImports = importedGlobals(module).length
  const keptFunction = (_: unknown, index: number) => uses.functions[functionImports + index] === 1
  const pruned: WasmModule = {
    types: module.types.filter((_, index) => uses.types[index] === 1),
    imports: pruneImports(module.imports, uses, to),
    functions: module.functions.filter(keptFunction).map((type) => to.types[type]!),
    tables: module.tables,
    memories: module.memories,
    globals: module.globals
      .filter((_, index) => uses.globals[globalImports + index] === 1)
      .map((global) => ({ ...global, init: renumberInitialiser(global.init, to) })),
    exports: exports.map((entry) => ({ ...entry, index: renumberExport(entry, to) })),
    start: module.start === undefined ? undefined : to.functions[module.start]!,
    elements: module.elements.map(({ offset, members }) => ({
      offset: renumberInitialiser(offset, to),
      members: members.map((member) => to.functions[member]!),
    })),
    bodies: rewriteBodies(module.bodies.filter(keptFunction), module.references.filter(keptFunction), to),
    data: module.data.map((segment) => ({ ...segment, offset: renumberInitialiser(segment.offset, to) })),
    emptied: new Set(),
  }
  return { ...pruned, emptied: emptiedSections(module, pruned) }
}

function pruneImports(imports: readonly Import[], uses: Uses, to: Renumbering): Import[] {
  let functions = 0
  let globals = 0
  return imports.flatMap((entry): Import[] => {
    switch (entry.kind) {
      case 'function':
        return uses.functions[functions++] === 1 ? [{ ...entry, type: to.types[entry.type]! }] : []
      case 'global':
        return uses.globals[globals++] === 1 ? [entry] : []
      default:
        return [entry]
    }
  })
}

function renumberInitialiser(init: ConstantExpression, to: Renumbering): ConstantExpression {
  return init.kind === 'global' ? { kind: 'global', index: to.globals[init.index]! } : init
}

function renumberExport({ kind, index }: WasmModule['exports'][number], to: Renumbering): number {
  if (kind === 'function') return to.functions[index]!
  return kind === 'global' ? to.globals[index]! : index
}

function emptiedSections(before: WasmModule, after: WasmModule): ReadonlySet<number> {
  const pairs: [number, unknown[], unknown[]][] = [
    [SectionId.type, before.types, after.types],
    [SectionId.import, before.imports, after.imports],
    [SectionId.function, before.functions, after.functions],
    [SectionId.global, before.globals, after.globals],
    [SectionId.export, before.exports, after.exports],
    [SectionId.code, before.bodies, after.bodies],
  ]
  return new Set(pairs.filter(([, old, now]) => old.length > 0 && now.length === 0).map(([id]) => id))
}

/** The bodies with new indices. */
function rewriteBodies(
  bodies: readonly FunctionBody[],
  references: DecodedModule['references'],
  to: Renumbering,
): FunctionBody[] {
  const writer = new ByteWriter()
  return bodies.map((body, index) => {
    writer.clear()
    rewriteCode(body.code, references[index]!, to, writer)
    return writer.length === 0 ? body : { locals: body.locals, code: writer.toBytes() }
  })
}

/** Writes nothing if the code stays as it is. */
function rewriteCode(code: Uint8Array, references: readonly number[], to: Renumbering, writer: ByteWriter): void {
  const instruction = new InstructionReader(code)
  let copied = 0
  for (const start of references) {
    instruction.seek(start)
    instruction.next()
    const { opcode, index } = instruction
    let target: number | undefined
    if (opcode === Op.call) target = to.functions[index]
    else if (opcode === Op.callIndirect) target = to.types[index]
    else target = to.globals[index]
    if (target === undefined || target === index) continue
    writer.range(code, copied, start + 1)
    writer.u32(target)
    // The table index of call_indirect follows and is copied with the rest.
    copied = opcode === Op.callIndirect ? instruction.position - 1 : instruction.position
  }
  if (copied > 0) writer.range(code, copied, code.length)
}
