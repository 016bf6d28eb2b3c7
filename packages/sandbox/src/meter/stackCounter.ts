import { callDepthLimit, maxStackHeight, maxValueSlots } from '../limits.ts'

/**
 * Three deterministic stack limits in one 64-bit counter:
 *
 * - height: the reference's stack-height limiter (its trap reads `unreachable`);
 * - depth: activations, thunks included, of the reference's interpreter (`stack overflow`);
 * - slots: values on that interpreter's stack (`stack overflow`).
 *
 * Each field takes 20 bits and starts so high that bit 17 is set exactly when its limit is passed. So a call adds one
 * constant, and one mask tells whether any limit is passed.
 *
 * @see spec/runtime.md 3
 */

const fieldBits = 20n
const flag = 1n << 17n
const fieldMask = (1n << fieldBits) - 1n

/** Nothing may add more than this to a field, or it could run into the next one; it passes every limit anyway. */
const maxAddend = 65_537

/** Change of the three fields by one call. */
export interface StackUse {
  height: number
  depth: number
  slots: number
}

function pack({ height, depth, slots }: StackUse): bigint {
  return BigInt(height) + (BigInt(depth) << fieldBits) + (BigInt(slots) << (2n * fieldBits))
}

/** What a call adds before and takes back after. */
export function stackAddend({ height, depth, slots }: StackUse): bigint {
  return pack({ height: Math.min(height, maxAddend), depth, slots: Math.min(slots, maxAddend) })
}

/** `stackAddend` in two words of 32 bits, the upper one signed: the fields of a call do not run into each other. */
export function stackAddendWords({ height, depth, slots }: StackUse): { upper: number; lower: number } {
  const lower = Math.min(height, maxAddend) | (depth << Number(fieldBits))
  return { upper: Math.min(slots, maxAddend) << (2 * Number(fieldBits) - 32), lower }
}

/** The counter before the first call. */
export const emptyStack: bigint = pack({
  height: Number(flag) - maxStackHeight - 1,
  depth: Number(flag) - callDepthLimit,
  slots: Number(flag) - maxValueSlots - 1,
})

/** Not zero in common with the counter: a limit is passed. */
export const overflowMask: bigint = pack({ height: Number(flag), depth: Number(flag), slots: Number(flag) })

/** Which limit the counter has passed, the limiter's first, since the reference checks it first. */
export function passedLimit(counter: bigint): 'height' | 'depth or slots' | undefined {
  if ((counter & overflowMask) === 0n) return undefined
  return (counter & fieldMask & flag) !== 0n ? 'height' : 'depth or slots'
}
