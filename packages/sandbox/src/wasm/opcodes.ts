/** The opcodes that the sandbox has to know by name. @see WebAssembly core specification 1.0, 5.4 */
export const Op = {
  unreachable: 0x00,
  block: 0x02,
  loop: 0x03,
  if: 0x04,
  else: 0x05,
  end: 0x0b,
  br: 0x0c,
  brIf: 0x0d,
  brTable: 0x0e,
  return: 0x0f,
  call: 0x10,
  callIndirect: 0x11,
  select: 0x1b,
  localGet: 0x20,
  localSet: 0x21,
  localTee: 0x22,
  globalGet: 0x23,
  globalSet: 0x24,
  memorySize: 0x3f,
  memoryGrow: 0x40,
  i32Const: 0x41,
  i64Const: 0x42,
  f32Const: 0x43,
  f64Const: 0x44,
  i32Eqz: 0x45,
  i32GeU: 0x4f,
  i64LtS: 0x53,
  i64GtU: 0x56,
  f32Eq: 0x5b,
  f64Eq: 0x61,
  i32Sub: 0x6b,
  i32Mul: 0x6c,
  i64Add: 0x7c,
  i64Sub: 0x7d,
  i64And: 0x83,
  i64ExtendI32U: 0xad,
} as const

export const ValueType = { i32: 0x7f, i64: 0x7e, f32: 0x7d, f64: 0x7c } as const

export const emptyBlockType = 0x40

export function isValueType(byte: number): boolean {
  return byte >= 0x7c && byte <= 0x7f
}

/** What follows an opcode. */
export const Immediate = {
  unknown: 0,
  none: 1,
  blockType: 2,
  index: 3,
  branchTable: 4,
  callIndirect: 5,
  memory: 6,
  zeroByte: 7,
  i32: 8,
  i64: 9,
  f32: 10,
  f64: 11,
} as const

/** Immediate of each opcode. Whatever the first version of WebAssembly does not have is `unknown`. */
export const immediates = new Uint8Array(256)
/** Operands that each opcode takes; control, calls and `select` are handled by name. */
export const pops = new Uint8Array(256)
/** Results that each opcode leaves, likewise. */
export const pushes = new Uint8Array(256)

function define(opcode: number, immediate: number, taken = 0, left = 0): void {
  immediates[opcode] = immediate
  pops[opcode] = taken
  pushes[opcode] = left
}

function defineAll(first: number, last: number, immediate: number, taken = 0, left = 0): void {
  for (let opcode = first; opcode <= last; opcode++) define(opcode, immediate, taken, left)
}

/** Whether an opcode does no more than take and leave operands, as `pops` and `pushes` say: no control, no call, no `select`. */
export const isPlain = new Uint8Array(256).fill(1)
isPlain.fill(0, 0x02, 0x12)
isPlain[0x00] = 0
isPlain[0x1b] = 0

defineAll(0x00, 0x01, Immediate.none) // unreachable, nop
defineAll(0x02, 0x04, Immediate.blockType) // block, loop, if
define(0x05, Immediate.none) // else
define(0x0b, Immediate.none) // end
defineAll(0x0c, 0x0d, Immediate.index) // br, br_if
define(0x0e, Immediate.branchTable)
define(0x0f, Immediate.none) // return
define(0x10, Immediate.index) // call
define(0x11, Immediate.callIndirect)
define(0x1a, Immediate.none, 1, 0) // drop
define(0x1b, Immediate.none) // select
define(0x20, Immediate.index, 0, 1) // local.get
define(0x21, Immediate.index, 1, 0) // local.set
define(0x22, Immediate.index, 1, 1) // local.tee
define(0x23, Immediate.index, 0, 1) // global.get
define(0x24, Immediate.index, 1, 0) // global.set
defineAll(0x28, 0x35, Immediate.memory, 1, 1) // loads
defineAll(0x36, 0x3e, Immediate.memory, 2, 0) // stores
define(0x3f, Immediate.zeroByte, 0, 1) // memory.size
define(0x40, Immediate.zeroByte, 1, 1) // memory.grow
define(0x41, Immediate.i32, 0, 1)
define(0x42, Immediate.i64, 0, 1)
define(0x43, Immediate.f32, 0, 1)
define(0x44, Immediate.f64, 0, 1)
defineAll(0x45, 0xbf, Immediate.none, 1, 1) // unary operators and conversions
defineAll(0x46, 0x4f, Immediate.none, 2, 1) // i32 comparisons
defineAll(0x51, 0x66, Immediate.none, 2, 1) // i64, f32, f64 comparisons
defineAll(0x6a, 0x78, Immediate.none, 2, 1) // i32 binary operators
defineAll(0x7c, 0x8a, Immediate.none, 2, 1) // i64 binary operators
defineAll(0x92, 0x98, Immediate.none, 2, 1) // f32 binary operators
defineAll(0xa0, 0xa6, Immediate.none, 2, 1) // f64 binary operators
