/**
 * WebAssembly modules as trees, for the tests: the generator makes them, the reference interpreter walks them. Written
 * from the WebAssembly core specification 1.0; nothing here comes from the sources under test.
 */

export const i32 = 0x7f
export const i64 = 0x7e
export const f32 = 0x7d
export const f64 = 0x7c

export type ValueType = typeof i32 | typeof i64 | typeof f32 | typeof f64
export const valueTypes: readonly ValueType[] = [i32, i64, f32, f64]

export interface FunctionType {
  params: ValueType[]
  result: ValueType | undefined
}

export interface Instruction {
  op: number
  /** Label, function, type, local or global; the default label of `br_table`. */
  index?: number
  /** Labels of `br_table` before the default one. */
  labels?: number[]
  /** i32 and f32 constants as 32-bit patterns (u32), i64 and f64 constants as 64-bit patterns (u64). */
  value?: number | bigint
  align?: number
  offset?: number
  /** Result of a block, loop or if. */
  result?: ValueType | undefined
  body?: Instruction[]
  otherwise?: Instruction[] | undefined
}

export interface Limits {
  initial: number
  maximum: number | undefined
}

export interface FunctionImport {
  kind: 'function'
  field: string
  type: number
}

export interface MemoryImport {
  kind: 'memory'
  limits: Limits
}

/** Imports of module `env`. */
export type Import = FunctionImport | MemoryImport

export interface Func {
  type: number
  locals: { count: number; type: ValueType }[]
  body: Instruction[]
}

export interface Global {
  type: ValueType
  mutable: boolean
  init: Instruction
}

export interface Export {
  name: string
  kind: 'function' | 'table' | 'memory' | 'global'
  index: number
}

export interface Module {
  types: FunctionType[]
  imports: Import[]
  functions: Func[]
  table: Limits | undefined
  memory: Limits | undefined
  globals: Global[]
  exports: Export[]
  elements: { offset: number; members: number[] }[]
  data: { offset: number; bytes: Uint8Array }[]
}

export function importedFunctions(module: Module): FunctionImport[] {
  return module.imports.filter((entry) => entry.kind === 'function')
}

/** Limits of the memory, imported or not. */
export function memoryOf(module: Module): Limits | undefined {
  return module.imports.find((entry) => entry.kind === 'memory')?.limits ?? module.memory
}

/** Type of each function of the index space. */
export function functionTypes(module: Module): FunctionType[] {
  return [...importedFunctions(module), ...module.functions].map(({ type }) => module.types[type]!)
}

export interface Signature {
  params: readonly ValueType[]
  result: ValueType
}

const letters: Record<string, ValueType> = { i: i32, I: i64, f: f32, F: f64 }

/** Ranges of opcodes that take operands from the stack only and leave one result. */
const ranges: readonly (readonly [first: number, last: number, params: string, result: string])[] = [
  [0x45, 0x45, 'i', 'i'], // i32.eqz
  [0x46, 0x4f, 'ii', 'i'],
  [0x50, 0x50, 'I', 'i'], // i64.eqz
  [0x51, 0x5a, 'II', 'i'],
  [0x5b, 0x60, 'ff', 'i'],
  [0x61, 0x66, 'FF', 'i'],
  [0x67, 0x69, 'i', 'i'], // clz, ctz, popcnt
  [0x6a, 0x78, 'ii', 'i'],
  [0x79, 0x7b, 'I', 'I'],
  [0x7c, 0x8a, 'II', 'I'],
  [0x8b, 0x91, 'f', 'f'],
  [0x92, 0x98, 'ff', 'f'],
  [0x99, 0x9f, 'F', 'F'],
  [0xa0, 0xa6, 'FF', 'F'],
  [0xa7, 0xa7, 'I', 'i'], // i32.wrap_i64
  [0xa8, 0xa9, 'f', 'i'], // i32.trunc_f32
  [0xaa, 0xab, 'F', 'i'],
  [0xac, 0xad, 'i', 'I'], // i64.extend_i32
  [0xae, 0xaf, 'f', 'I'],
  [0xb0, 0xb1, 'F', 'I'],
  [0xb2, 0xb3, 'i', 'f'], // f32.convert_i32
  [0xb4, 0xb5, 'I', 'f'],
  [0xb6, 0xb6, 'F', 'f'], // f32.demote_f64
  [0xb7, 0xb8, 'i', 'F'],
  [0xb9, 0xba, 'I', 'F'],
  [0xbb, 0xbb, 'f', 'F'], // f64.promote_f32
  [0xbc, 0xbc, 'f', 'i'], // reinterpretations
  [0xbd, 0xbd, 'F', 'I'],
  [0xbe, 0xbe, 'i', 'f'],
  [0xbf, 0xbf, 'I', 'F'],
]

/** Signature of each numeric opcode. */
export const numeric: ReadonlyMap<number, Signature> = new Map(
  ranges.flatMap(([first, last, params, result]) =>
    Array.from({ length: last - first + 1 }, (_, at) => [
      first + at,
      { params: [...params].map((letter) => letters[letter]!), result: letters[result]! },
    ]),
  ),
)

export interface Access {
  type: ValueType
  bytes: number
  signed: boolean
}

const accesses: readonly (readonly [op: number, type: ValueType, bytes: number, signed?: boolean])[] = [
  [0x28, i32, 4],
  [0x29, i64, 8],
  [0x2a, f32, 4],
  [0x2b, f64, 8],
  [0x2c, i32, 1, true],
  [0x2d, i32, 1],
  [0x2e, i32, 2, true],
  [0x2f, i32, 2],
  [0x30, i64, 1, true],
  [0x31, i64, 1],
  [0x32, i64, 2, true],
  [0x33, i64, 2],
  [0x34, i64, 4, true],
  [0x35, i64, 4],
  [0x36, i32, 4],
  [0x37, i64, 8],
  [0x38, f32, 4],
  [0x39, f64, 8],
  [0x3a, i32, 1],
  [0x3b, i32, 2],
  [0x3c, i64, 1],
  [0x3d, i64, 2],
  [0x3e, i64, 4],
]

/** What each load (below 0x36) and store (from there) moves. */
export const memoryAccess: ReadonlyMap<number, Access> = new Map(
  accesses.map(([op, type, bytes, signed]) => [op, { type, bytes, signed: signed ?? false }]),
)
