import { getAddress, hexlify } from 'ethers'
import fc from 'fast-check'

/** AssemblyScript's name of a Solidity type. */
export function sourceType(type: string): string {
  if (type.endsWith('[]')) return `Array<${sourceType(type.slice(0, -2))}>`
  const [, length] = /^bytes(\d+)$/.exec(type) ?? []
  if (length !== undefined) return `Bytes${length}`
  return names[type]!
}

const names: Readonly<Record<string, string>> = {
  uint32: 'u32',
  uint64: 'u64',
  int32: 'i32',
  int64: 'i64',
  uint256: 'U256',
  bool: 'bool',
  address: 'Address',
  bytes: 'Bytes',
  string: 'string',
}

/** Any value of a Solidity type, as the encoder gives it back. */
export function arbitraryOf(type: string): fc.Arbitrary<unknown> {
  if (type.endsWith('[]')) return fc.array(arbitraryOf(type.slice(0, -2)), { maxLength: 5 })
  if (type === 'bool') return fc.boolean()
  if (type === 'string') return fc.string({ unit: 'binary', maxLength: 80 })
  if (type === 'bytes') return fc.uint8Array({ maxLength: 100 }).map((bytes) => hexlify(bytes))
  if (type === 'address') return bytesOf(20).map((bytes) => getAddress(bytes))
  const [, kind, size] = /^(uint|int|bytes)(\d+)$/.exec(type)!
  if (kind === 'bytes') return bytesOf(Number(size))
  const bits = Number(size)
  return kind === 'uint'
    ? edgedBigInt(0n, 2n ** BigInt(bits) - 1n)
    : edgedBigInt(-(2n ** BigInt(bits - 1)), 2n ** BigInt(bits - 1) - 1n)
}

function bytesOf(length: number): fc.Arbitrary<string> {
  return fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => hexlify(bytes))
}

/** Numbers of every length in bits, and often the limits of 32 and 64 bits. */
export function edgedBigInt(min: bigint, max: bigint): fc.Arbitrary<bigint> {
  const bits = max.toString(2).length
  const anyLength = fc
    .tuple(fc.bigInt({ min, max }), fc.integer({ min: 0, max: bits }))
    .map(([value, shift]) => (value < 0n ? -(-value >> BigInt(shift)) : value >> BigInt(shift)))
    .filter((value) => value >= min)
  const edges = [0n, 1n, 2n ** 32n, 2n ** 64n, 2n ** 128n, 2n ** 192n, max, min]
    .flatMap((edge) => [edge - 1n, edge, edge + 1n, -edge])
    .filter((edge) => edge >= min && edge <= max)
  return fc.oneof({ weight: 3, arbitrary: anyLength }, { weight: 1, arbitrary: fc.constantFrom(...edges) })
}
