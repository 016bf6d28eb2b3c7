/** A module of the first version of WebAssembly, as the sandbox handles it between decoder and encoder. */
export interface WasmModule {
  types: FunctionType[]
  imports: Import[]
  /** Type index of each defined function. */
  functions: number[]
  tables: Limits[]
  memories: Limits[]
  globals: Global[]
  exports: Export[]
  start: number | undefined
  elements: ElementSegment[]
  bodies: FunctionBody[]
  data: DataSegment[]
  /** Ids of sections that are written although nothing is left in them. */
  emptied: ReadonlySet<number>
}

/** A module with what the decoder noticed in its code, so that nobody has to walk through it for that again. */
export interface DecodedModule extends WasmModule {
  /** For each defined function, where in its code a function, a type or a global is named: see `namesIndex`. */
  references: (readonly number[])[]
}

export interface FunctionType {
  /** One value type per byte. */
  params: Uint8Array
  result: number | undefined
}

/** Pages for memories, entries for tables. */
export interface Limits {
  initial: number
  maximum: number | undefined
}

export interface GlobalType {
  valueType: number
  mutable: boolean
}

export type Import = { module: string; field: string } & (
  | { kind: 'function'; type: number }
  | { kind: 'table'; limits: Limits }
  | { kind: 'memory'; limits: Limits }
  | { kind: 'global'; global: GlobalType }
)

export interface Global extends GlobalType {
  init: ConstantExpression
}

export const externalKinds = ['function', 'table', 'memory', 'global'] as const
export type ExternalKind = (typeof externalKinds)[number]

export interface Export {
  name: string
  kind: ExternalKind
  index: number
}

/** `value` is set for `i32.const` only; `code` is the instruction without the closing `end`, in shortest form. */
export type ConstantExpression =
  | { kind: 'constant'; code: Uint8Array; value: number | undefined }
  | { kind: 'global'; index: number }

export interface ElementSegment {
  offset: ConstantExpression
  members: number[]
}

export interface DataSegment {
  offset: ConstantExpression
  bytes: Uint8Array
}

export interface FunctionBody {
  /** Declaration groups, flat: count, value type, count, value type, … */
  locals: number[]
  /** Instructions with the closing `end`; well-formed, every integer in its shortest form. */
  code: Uint8Array
}

export const SectionId = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  start: 8,
  element: 9,
  code: 10,
  data: 11,
} as const

/** Type index of each function import, in order: the start of the function index space. */
export function importedFunctionTypes(module: WasmModule): number[] {
  return module.imports.flatMap((entry) => (entry.kind === 'function' ? [entry.type] : []))
}

export function importedGlobals(module: WasmModule): GlobalType[] {
  return module.imports.flatMap((entry) => (entry.kind === 'global' ? [entry.global] : []))
}

/** Memories that the module declares, imported ones first. */
export function declaredMemories(module: WasmModule): Limits[] {
  return [...module.imports.flatMap((entry) => (entry.kind === 'memory' ? [entry.limits] : [])), ...module.memories]
}

export function declaredTables(module: WasmModule): Limits[] {
  return [...module.imports.flatMap((entry) => (entry.kind === 'table' ? [entry.limits] : [])), ...module.tables]
}
