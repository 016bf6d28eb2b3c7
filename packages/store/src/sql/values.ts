import { types } from 'pg'

/** The number that PostgreSQL, and whoever speaks its protocol, has for the type `bytea`. */
const bytea = types.builtins.BYTEA

/**
 * A parameter of the type `bytea[]`, in the protocol's binary form: the driver sends a Buffer as it is. As text, each byte
 * would take two digits.
 */
export function byteArrays(values: readonly (Uint8Array | null)[]): Buffer {
  const header = values.length === 0 ? 12 : 20
  let length = header
  for (const value of values) length += 4 + (value?.length ?? 0)
  const array = Buffer.allocUnsafe(length)
  array.writeInt32BE(values.length === 0 ? 0 : 1, 0) // dimensions
  array.writeInt32BE(1, 4) // there may be nulls
  array.writeInt32BE(bytea, 8)
  if (values.length === 0) return array
  array.writeInt32BE(values.length, 12)
  array.writeInt32BE(1, 16) // the first index
  let offset = header
  for (const value of values) {
    offset = array.writeInt32BE(value?.length ?? -1, offset)
    if (value === null) continue
    array.set(value, offset)
    offset += value.length
  }
  return array
}

/** A parameter that is an array of a type with short texts: `bigint[]`, `boolean[]`. */
export function list(values: readonly (number | bigint | boolean | null)[]): string {
  return `{${values.map((value) => value ?? 'null').join()}}`
}

const parseBytes = types.getTypeParser(bytea, 'text')

/** How values come out: `bytea` as a Uint8Array of its own, `bigint` as text, which is a number or a bigint to who knows it. */
export const resultTypes: Pick<typeof types, 'getTypeParser'> = {
  getTypeParser(oid: number, format?: string) {
    if (oid === bytea) return (text: string) => new Uint8Array(parseBytes(text) as Buffer)
    return types.getTypeParser(oid, format as 'text')
  },
}
