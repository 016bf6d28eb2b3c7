import { type Pieces, parseHex } from '@bletchley/bytes'
import type { JsonObject, JsonValue } from './internal/jsonReader.ts'
import { ExactNumber, LongString, Repeated } from './internal/jsonReader.ts'
import { type JsonWriter, pieceBytes } from './internal/jsonWriter.ts'

/**
 * One value, from the wire to memory and back. Decoding is liberal, encoding writes the one canonical form; both check.
 *
 * @typeParam Out what decoding gives
 * @typeParam In  what encoding takes; differs from `Out` only where one side knows more than the other
 */
export interface Codec<Out, In = Out> {
  /** The canonical form in the notation of the reference page. */
  readonly notation: string
  /** @throws FieldError */
  decode(value: JsonValue): Out
  /** @throws FieldError if the value in memory is not what the type promises */
  encode(writer: JsonWriter, value: In): void
  /** As `encode`, with a stop behind each moderate piece of work; absent where there is never much to write. */
  encodeInPieces?(writer: JsonWriter, value: In): Pieces
}
type AnyCodec = Codec<unknown, never>

/** What decoding with a codec gives. */
export type Decoded<C> = C extends { decode(value: never): infer Out } ? Out : never
/** What encoding with a codec takes. */
export type Encodable<C> = C extends { encode(writer: JsonWriter, value: infer In): void } ? In : never

/** A field that is not of its shape. The text names the field and the shape; it never repeats the value. */
export class FieldError extends TypeError {
  override readonly name = 'FieldError'
  readonly #problem: string
  #path = ''

  constructor(problem: string) {
    super(problem)
    this.#problem = problem
  }

  /** Puts the name of the enclosing field, or the number of the row, before the path. */
  within(segment: string | number): this {
    const outer = typeof segment === 'number' ? `[${segment}]` : segment
    this.#path = this.#path === '' || this.#path.startsWith('[') ? outer + this.#path : `${outer}.${this.#path}`
    this.message = `${this.#path}: ${this.#problem}`
    return this
  }
}

/** A missing field for which peers expect a fixed text, without the path. */
class MissingFieldError extends FieldError {
  override within(): this {
    return this
  }
}

function located(error: unknown, segment: string | number): unknown {
  return error instanceof FieldError ? error.within(segment) : error
}

/** Runs `action` so that a FieldError it throws names `segment` as the enclosing field. */
export function within<T>(segment: string | number, action: () => T): T {
  try {
    return action()
  } catch (error) {
    throw located(error, segment)
  }
}

function unexpected(wanted: string, value: JsonValue | undefined): FieldError {
  return new FieldError(`expected ${wanted}, got ${describe(value)}`)
}

/** Kind and size of a value, nothing of its content. */
function describe(value: JsonValue | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'null'
  if (typeof value === 'string' || value instanceof LongString) return `a string of ${value.length} characters`
  if (typeof value === 'number' || value instanceof ExactNumber) return 'a number'
  if (typeof value === 'boolean') return 'a boolean'
  if (value instanceof Repeated) return 'the member more than once'
  return value instanceof Map ? 'an object' : `an array of ${value.length}`
}

/** Items of a JSON array, also of one that the reader took for bytes. */
function itemsOf(value: JsonValue): ArrayLike<JsonValue> | undefined {
  return value instanceof Uint8Array || Array.isArray(value) ? value : undefined
}

/** The only item of a list of one that holds no bytes, else the value itself: peers wrap single values in a list. */
function unwrapped(value: JsonValue): JsonValue {
  return Array.isArray(value) && value.length === 1 ? (value[0] as JsonValue) : value
}

// --- bytes ---

type Lengths = readonly number[] | undefined

function decodeBytes(value: JsonValue, lengths: Lengths): Uint8Array {
  const wanted = () => {
    const hexLengths = lengths?.map((length) => length * 2).join(' or ')
    return lengths
      ? `${hexLengths} hex characters (0x allowed) or an array of ${lengths.join(' or ')} bytes`
      : 'hex characters (0x allowed) or an array of bytes'
  }
  const bytes = typeof value === 'string' ? parseHex(value) : value instanceof LongString ? value.bytes : value
  if (bytes instanceof Uint8Array) {
    if (lengths && !lengths.includes(bytes.length)) throw unexpected(wanted(), value)
    return bytes
  }
  if (bytes === undefined) throw new FieldError(`expected ${wanted()}, got a string that is not hex of whole bytes`)
  throw unexpected(wanted(), value)
}

function checkBytes(value: Uint8Array, lengths: Lengths): void {
  const right = value instanceof Uint8Array && (lengths === undefined || lengths.includes(value.length))
  if (!right) throw new FieldError(`expected a Uint8Array${lengths ? ` of ${lengths.join(' or ')} bytes` : ''}`)
}

/** Bytes that are written as lower-case hex without `0x`. @param lengths allowed numbers of bytes; any if none is given */
export function hex(...lengths: number[]): Codec<Uint8Array> {
  const allowed = lengths.length > 0 ? lengths : undefined
  return {
    notation: allowed ? `hex(${allowed.join('|')})` : 'hex',
    decode: (value) => decodeBytes(value, allowed),
    encode(writer, value) {
      checkBytes(value, allowed)
      writer.hex(value)
    },
    // Those of a fixed length are short.
    ...(allowed === undefined && {
      encodeInPieces(writer: JsonWriter, value: Uint8Array) {
        checkBytes(value, allowed)
        return writer.hexInPieces(value)
      },
    }),
  }
}

/** Bytes that are written as an array of numbers. */
export const byteArray: Codec<Uint8Array> = {
  notation: 'bytes[]',
  decode: (value) => decodeBytes(value, undefined),
  encode(writer, value) {
    checkBytes(value, undefined)
    writer.byteArray(value)
  },
  encodeInPieces(writer, value) {
    checkBytes(value, undefined)
    return writer.byteArrayInPieces(value)
  },
}

/** Address of a secret contract, 32 bytes. */
export const address: Codec<Uint8Array> = { ...hex(32), notation: 'address' }

/** A user's secp256k1 key: 64 bytes, or 65 with the leading 04, or 33 compressed. Whether it is on the curve is not checked. */
export const publicKey: Codec<Uint8Array> = { ...hex(64, 65, 33), notation: 'public key' }

// --- numbers ---

/** Index of a delta, u32; 0 is the deployment. */
export const index = integer('index', 0, 0xffffffff)

/** 0 = done, -1 = failed. */
export const status = integer('status', -1, 0) as Codec<0 | -1>

function integer(notation: string, min: number, max: number): Codec<number> {
  const inRange = (value: unknown): value is number =>
    Number.isInteger(value) && Number(value) >= min && Number(value) <= max
  const wanted = `an integer from ${min} to ${max}`
  return {
    notation,
    decode(value) {
      if (!inRange(value)) throw unexpected(wanted, value)
      return value
    },
    encode(writer, value) {
      if (!inRange(value)) throw new FieldError(`expected ${wanted}`)
      writer.raw(String(value))
    },
  }
}

/** Index in an error row, where -1 stands for the contract's state. */
export const indexOrState = integer('index', -1, 0xffffffff)

const maxGas = 2n ** 64n - 1n

/** Gas, u64, exact: a JSON number (also `1.0` or `1e3`) or a string of decimal digits. */
export const gas: Codec<bigint> = {
  notation: 'gas',
  decode(value) {
    const amount = exactInteger(value)
    if (amount === undefined || amount > maxGas) {
      throw unexpected(`an exact integer from 0 to ${maxGas}, as a number or a decimal string`, value)
    }
    return amount
  },
  encode(writer, value) {
    if (typeof value !== 'bigint' || value < 0n || value > maxGas) {
      throw new FieldError(`expected a bigint from 0 to ${maxGas}`)
    }
    writer.raw(String(value))
  },
}

/** Value of a JSON number or decimal string that is a non-negative integer; undefined for others and absurdly long ones. */
function exactInteger(value: JsonValue): bigint | undefined {
  if (typeof value === 'number') return value >= 0 ? BigInt(value) : undefined
  const text = value instanceof ExactNumber ? value.text : typeof value === 'string' && /^\d+$/.test(value) ? value : ''
  const match = text.length <= 64 ? /^(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) : null
  if (!match) return undefined
  const [, whole = '', fraction = '', exponent = '0'] = match
  // whole.fraction * 10^exponent becomes digits * 10^zeros, without zeros at either end of the digits
  const all = (whole + fraction).replace(/^0+/, '')
  const digits = all.replace(/0+$/, '')
  const zeros = all.length - digits.length - fraction.length + Number(exponent)
  if (digits === '') return 0n
  return zeros < 0 || digits.length + zeros > 20 ? undefined : BigInt(digits + '0'.repeat(zeros))
}

// --- lists and structs ---

/** A list; on input, one value that is no array counts as a list of one. @param max most items when decoding */
export function list<Out, In>(item: Codec<Out, In>, max = Number.POSITIVE_INFINITY): Codec<Out[], readonly In[]> {
  return {
    notation: `[${item.notation}, ...]`,
    decode(value) {
      const items = itemsOf(value)
      if (!items) return [item.decode(value)]
      return decodeItems(item, items, max)
    },
    encode(writer, values) {
      if (!Array.isArray(values)) throw new FieldError('expected an array')
      writer.raw('[')
      let at = 0
      try {
        writer.items(values, (value: In, index) => {
          at = index
          item.encode(writer, value)
        })
      } catch (error) {
        throw located(error, at)
      }
      writer.raw(']')
    },
    *encodeInPieces(writer, values) {
      if (!Array.isArray(values)) throw new FieldError('expected an array')
      writer.raw('[')
      let at = 0
      let stoppedAt = writer.length
      try {
        for (; at < values.length; at++) {
          if (at > 0) writer.raw(',')
          const value = values[at] as In
          // Most items are small, and a generator for each costs as much as writing it.
          if (item.encodeInPieces === undefined || isSmall(value)) item.encode(writer, value)
          else yield* item.encodeInPieces(writer, value)
          if (writer.length - stoppedAt < pieceBytes) continue
          yield
          stoppedAt = writer.length
        }
      } catch (error) {
        throw located(error, at)
      }
      writer.raw(']')
    },
  }
}

/** Whether a value is written in one piece: bytes that are not many, or an object with no others, and nothing inside of that. */
function isSmall(value: unknown): boolean {
  if (value instanceof Uint8Array) return value.length <= pieceBytes
  for (const name in value as object) {
    const member = (value as Record<string, unknown>)[name]
    if (member instanceof Uint8Array ? member.length > pieceBytes : typeof member === 'object') return false
  }
  return true
}

/** Encodes with any codec, with the stops that there are inside of the value. */
export function* inPieces<In>(codec: Codec<unknown, In>, writer: JsonWriter, value: In): Pieces {
  if (codec.encodeInPieces !== undefined) yield* codec.encodeInPieces(writer, value)
  else codec.encode(writer, value)
}

function decodeItems<Out>(item: Codec<Out, never>, items: ArrayLike<JsonValue>, max: number): Out[] {
  if (items.length > max) throw new FieldError(`expected at most ${max} entries, got ${items.length}`)
  let at = 0
  try {
    const decoded: Out[] = []
    for (; at < items.length; at++) decoded.push(item.decode(items[at] as JsonValue))
    return decoded
  } catch (error) {
    throw located(error, at)
  }
}

/** A list of addresses, where the list may stand inside one more list. */
export function addressList(max: number): Codec<Uint8Array[], readonly Uint8Array[]> {
  const addresses = list(address, max)
  return {
    ...addresses,
    decode(value) {
      if (value instanceof Uint8Array && value.length > 0) return [address.decode(value)]
      return addresses.decode(Array.isArray(value) ? value.flatMap(flattened) : value)
    },
  }
}

function flattened(item: JsonValue): readonly JsonValue[] {
  const isEmptyList = item instanceof Uint8Array && item.length === 0
  return isEmptyList ? [] : Array.isArray(item) ? (item as readonly JsonValue[]) : [item]
}

/** A value that may also stand as the only one in a list. */
export function single<Out, In>(codec: Codec<Out, In>): Codec<Out, In> {
  return { ...codec, decode: (value) => codec.decode(unwrapped(value)) }
}

/** A field that may be absent; null counts as absent. */
export type Optional<C> = C & { readonly optional: true }
export function optional<C extends AnyCodec>(codec: C): Optional<C> {
  return { ...codec, optional: true }
}

/** A required field for whose absence peers expect a fixed text. */
export function required<C extends AnyCodec>(codec: C, missingText: string): C & { readonly missingText: string } {
  return { ...codec, missingText }
}

type Field = AnyCodec & { readonly optional?: true; readonly missingText?: string }
export type Fields = Readonly<Record<string, Field>>
type OptionalNames<F> = { [K in keyof F]: F[K] extends { optional: true } ? K : never }[keyof F]
type Simplify<T> = { [K in keyof T]: T[K] } & {}
type StructOut<F> = Simplify<
  { -readonly [K in Exclude<keyof F, OptionalNames<F>>]: Decoded<F[K]> } & {
    -readonly [K in OptionalNames<F>]?: Decoded<F[K]>
  }
>
type StructIn<F> = Simplify<
  { readonly [K in Exclude<keyof F, OptionalNames<F>>]: Encodable<F[K]> } & {
    readonly [K in OptionalNames<F>]?: Encodable<F[K]> | undefined
  }
>

/** An object with fixed members. */
export interface Struct<F extends Fields> extends Codec<StructOut<F>, StructIn<F>> {
  readonly fields: F
  /** Decodes the members of an object that may hold others as well. */
  decodeMembers(object: JsonObject): StructOut<F>
  /** Writes `"name":value,…` without the braces. */
  encodeMembers(writer: JsonWriter, value: StructIn<F>): void
}

/**
 * An object with fixed members. On input it may be a list of one, or an array of the values in the order of the fields
 * (the sequence form of Rust's serde); unknown members are ignored.
 */
export function struct<F extends Fields>(fields: F): Struct<F> {
  const entries = Object.entries(fields).map(([name, codec]) => ({ name, codec, prefix: `${JSON.stringify(name)}:` }))
  const notation = `{${entries.map(({ name, codec }) => `${name}${codec.optional ? '?' : ''}: ${codec.notation}`).join(', ')}}`

  function decodeFields(memberOf: (name: string, position: number) => JsonValue | undefined): StructOut<F> {
    const decoded: Record<string, unknown> = {}
    let name = ''
    try {
      for (let position = 0; position < entries.length; position++) {
        const entry = entries[position] as (typeof entries)[number]
        name = entry.name
        const value = memberOf(name, position)
        if (value === undefined || value === null) {
          if (entry.codec.optional) continue
          if (entry.codec.missingText !== undefined) throw new MissingFieldError(entry.codec.missingText)
          throw new FieldError(`missing, expected ${entry.codec.notation}`)
        }
        decoded[name] = entry.codec.decode(value)
      }
    } catch (error) {
      throw located(error, name)
    }
    return decoded as StructOut<F>
  }

  function membersOf(value: unknown): Readonly<Record<string, unknown>> {
    if (typeof value !== 'object' || value === null) throw new FieldError(`expected an object ${notation}`)
    return value as Readonly<Record<string, unknown>>
  }

  return {
    fields,
    notation,
    decodeMembers: (object) => decodeFields((name) => object.get(name)),
    decode(value) {
      // A list of one row is that row, unless its one value is the first member in sequence form.
      const only = unwrapped(value)
      const row = only instanceof Map || Array.isArray(only) ? only : value
      if (row instanceof Map) return decodeFields((name) => (row as JsonObject).get(name))
      const items = itemsOf(row)
      if (!items) throw unexpected(`an object ${notation}`, value)
      return decodeFields((_, position) => items[position])
    },
    encodeMembers(writer, value) {
      const members = membersOf(value)
      let name = ''
      try {
        let first = true
        for (const entry of entries) {
          name = entry.name
          const member = members[name]
          if (member === undefined && entry.codec.optional) continue
          writer.raw(first ? entry.prefix : `,${entry.prefix}`)
          first = false
          entry.codec.encode(writer, member as never)
        }
      } catch (error) {
        throw located(error, name)
      }
    },
    encode(writer, value) {
      writer.raw('{')
      this.encodeMembers(writer, value)
      writer.raw('}')
    },
    *encodeInPieces(writer, value) {
      const members = membersOf(value)
      let name = ''
      try {
        let before = '{'
        for (const { codec, prefix, ...entry } of entries) {
          name = entry.name
          const member = members[name]
          if (member === undefined && codec.optional) continue
          writer.raw(before + prefix)
          before = ','
          if (codec.encodeInPieces !== undefined) yield* codec.encodeInPieces(writer, member as never)
          else codec.encode(writer, member as never)
        }
        writer.raw(before === '{' ? '{}' : '}')
      } catch (error) {
        throw located(error, name)
      }
    },
  }
}
