import { type Import, type Instruction, importedFunctions, type Module } from './ast.ts'
import { joinSections, type Sections, sectionsOf } from './encode.ts'

/** The module with its own memory replaced by the import that deployment gives it. @see spec/runtime.md 4, step 1 */
export function withImportedMemory(module: Module): Module {
  const imports = module.imports.filter(({ kind }) => kind !== 'memory')
  const memory: Import = { kind: 'memory', limits: { initial: 120, maximum: 128 } }
  return { ...module, imports: [...imports, memory], memory: undefined }
}

/**
 * exeCode of pre-code by the rule of spec/runtime.md 4, as slowly as it is said there: what is needed grows by one
 * look at everything after the other, until nothing more turns up.
 */
export function exeCodeOf(preCode: Module): Uint8Array {
  const module = withImportedMemory(preCode)
  const needed = neededBy(module, 'call')
  const pruned = without(module, needed)
  const sections = sectionsOf(pruned)
  const left = new Set(sections.map(([id]) => id))
  const emptied: Sections = sectionsOf(module).flatMap(([id]) => (left.has(id) ? [] : [[id, [0]]]))
  return joinSections([...sections, ...emptied].sort(([one], [other]) => one - other))
}

interface Needed {
  types: Set<number>
  functions: Set<number>
  globals: Set<number>
}

/** All instructions, at any depth. */
function flat(body: readonly Instruction[]): Instruction[] {
  return body.flatMap((instruction) => [
    instruction,
    ...flat(instruction.body ?? []),
    ...flat(instruction.otherwise ?? []),
  ])
}

function neededBy(module: Module, root: string): Needed {
  const imported = importedFunctions(module)
  const all = [...imported, ...module.functions]
  const needed: Needed = { types: new Set(), functions: new Set(), globals: new Set() }
  for (const { name, kind, index } of module.exports) {
    if (name === root && kind === 'function') needed.functions.add(index)
  }
  for (const { members } of module.elements) for (const member of members) needed.functions.add(member)
  for (let size = -1; size !== needed.types.size + needed.functions.size + needed.globals.size; ) {
    size = needed.types.size + needed.functions.size + needed.globals.size
    for (const index of [...needed.functions]) {
      needed.types.add(all[index]!.type)
      for (const { op, index: operand } of flat(module.functions[index - imported.length]?.body ?? [])) {
        if (op === 0x10) needed.functions.add(operand!)
        if (op === 0x11) needed.types.add(operand!)
        if (op === 0x23 || op === 0x24) needed.globals.add(operand!)
      }
    }
  }
  return needed
}

function without(module: Module, { types, functions, globals }: Needed): Module {
  /** The place among those that are needed. */
  const renumber = (needed: Set<number>, index: number) => [...needed].filter((other) => other < index).length
  const body = (instructions: readonly Instruction[]): Instruction[] =>
    instructions.map((instruction) => {
      const { op, index } = instruction
      const space = op === 0x10 ? functions : op === 0x11 ? types : op === 0x23 || op === 0x24 ? globals : undefined
      return {
        ...instruction,
        ...(space === undefined ? {} : { index: renumber(space, index!) }),
        ...(instruction.body === undefined ? {} : { body: body(instruction.body) }),
        ...(instruction.otherwise === undefined ? {} : { otherwise: body(instruction.otherwise) }),
      }
    })
  const imported = importedFunctions(module)
  const isNeeded = (entry: Import) => entry.kind !== 'function' || functions.has(imported.indexOf(entry))
  return {
    ...module,
    types: module.types.filter((_, index) => types.has(index)),
    imports: module.imports
      .filter(isNeeded)
      .map((entry) => (entry.kind === 'function' ? { ...entry, type: renumber(types, entry.type) } : entry)),
    functions: module.functions
      .filter((_, index) => functions.has(imported.length + index))
      .map((func) => ({ ...func, type: renumber(types, func.type), body: body(func.body) })),
    globals: module.globals.filter((_, index) => globals.has(index)),
    exports: module.exports
      .filter(({ name }) => name === 'call')
      .map((entry) => ({ ...entry, index: renumber(functions, entry.index) })),
    elements: module.elements.map(({ offset, members }) => ({
      offset,
      members: members.map((member) => renumber(functions, member)),
    })),
  }
}
