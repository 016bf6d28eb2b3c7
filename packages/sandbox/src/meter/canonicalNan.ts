import { ByteWriter } from '../wasm/byteWriter.ts'
import { Op, ValueType } from '../wasm/opcodes.ts'

/**
 * WebAssembly leaves sign and payload of a NaN that arithmetic makes to the engine, and V8 makes other ones in
 * optimised code than before. So every such NaN becomes the canonical one, 0x7fc00000 or 0x7ff8000000000000, at no gas.
 * Whatever only moves bits (loads, stores, constants, reinterpretation, abs, neg, copysign) is exact and stays as it is.
 *
 * @see spec/runtime.md 9, row 1
 */

/** Type of each opcode's result if that may be a NaN of the engine's choice. */
const arithmetic = new Uint8Array(256)
arithmetic.fill(ValueType.f32, 0x8d, 0x98) // ceil, floor, trunc, nearest, sqrt, add, sub, mul, div, min, max
arithmetic.fill(ValueType.f64, 0x9b, 0xa6) // likewise
arithmetic[0xb6] = ValueType.f32 // f32.demote_f64
arithmetic[0xbb] = ValueType.f64 // f64.promote_f32

/** Opcodes that take a float and give the same for every NaN. */
const ignoresNanBits = arithmetic.map((type, opcode) =>
  type !== 0 || isComparison(opcode) || isTruncation(opcode) ? 1 : 0,
)

function isComparison(opcode: number): boolean {
  return opcode >= 0x5b && opcode <= 0x66
}

function isTruncation(opcode: number): boolean {
  return (opcode >= 0xa8 && opcode <= 0xab) || (opcode >= 0xae && opcode <= 0xb1)
}

/**
 * Type of the result if it has to be made canonical, or undefined.
 *
 * @param next the opcode that follows; what it takes and ignores the bits of can stay as it is
 */
export function resultToCanonicalise(opcode: number, next: number): number | undefined {
  const type = arithmetic[opcode]!
  return type === 0 || ignoresNanBits[next] === 1 ? undefined : type
}

const canonicalNan = new Map<number, Uint8Array>([
  [ValueType.f32, Uint8Array.of(Op.f32Const, 0, 0, 0xc0, 0x7f)],
  [ValueType.f64, Uint8Array.of(Op.f64Const, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f)],
])

/**
 * Code for `x == x ? x : NaN`, of the float on top of the stack.
 *
 * A `select` is as fast as a branch here (loops of little but float arithmetic take 1.05 to 1.3 times as long), and it
 * opens no block, for which the compiler would keep a picture of all locals.
 *
 * @param scratch a local of that type which nothing else uses
 */
export function canonicalisationOf(type: number, scratch: number): Uint8Array {
  const writer = new ByteWriter(32)
  writer.byte(Op.localTee)
  writer.u32(scratch)
  writer.raw(canonicalNan.get(type)!)
  for (let operand = 0; operand < 2; operand++) {
    writer.byte(Op.localGet)
    writer.u32(scratch)
  }
  writer.byte(type === ValueType.f32 ? Op.f32Eq : Op.f64Eq)
  writer.byte(Op.select)
  return writer.toBytes()
}
