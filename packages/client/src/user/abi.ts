import { bytesToHex, bytesToUtf8, hexToBytes, parseHex } from '@bletchley/bytes'
import * as AbiParameters from 'ox/AbiParameters'
import { UserError } from './userError.ts'

/** A value of the ABI as this package gives it: integers always as bigint, bytes and addresses as 0x… text. */
export type AbiValue = bigint | boolean | string | AbiValue[]

/** `name(type,…)`, taken apart. */
export interface Callable {
  name: string
  types: string[]
}

/** What the codec underneath is asked for: the widest type, so that ranges are checked here and nothing is rounded. */
type WireType = 'uint256' | 'int256' | 'bool' | 'address' | 'string' | 'bytes' | `bytes${number}`
type ElementaryType =
  | { kind: 'integer'; name: string; wire: WireType; min: bigint; max: bigint }
  | { kind: 'bytes'; name: string; wire: WireType; length: number | undefined }
  | { kind: 'bool' | 'string'; name: string; wire: WireType }
interface ArrayType {
  kind: 'array'
  name: string
  element: ParsedType
  length: number | undefined
}
type ParsedType = ElementaryType | ArrayType

/** What JavaScript, and with it the contracts' language, takes for a name; Solidity has those in ASCII. */
const identifier = '[\\p{ID_Start}$_][\\p{ID_Continue}$]*'
const wholeIdentifier = new RegExp(`^${identifier}$`, 'u')
const wholeCallable = new RegExp(`^\\s*(${identifier})\\(([^()]*)\\)\\s*$`, 'u')

/** Whether a function or a parameter can have this name; every tool of this project takes the same ones. */
export function isAbiName(name: string): boolean {
  return wholeIdentifier.test(name)
}

/**
 * Takes the text of a call apart: `transfer(address,uint256)`.
 *
 * @throws UserError invalid_arguments if it has another form or a type that contracts do not have (tuples above all)
 */
export function parseCallable(callable: string): Callable {
  const match = wholeCallable.exec(callable)
  if (match === null) throw new UserError('invalid_arguments', 'A call has the form name(type,…)')
  const list = match[2]!.trim()
  const types = list === '' ? [] : list.split(',').map((type) => type.trim())
  for (const type of types) parseType(type)
  return { name: match[1]!, types }
}

/**
 * Turns arguments as they are typed at a prompt into values.
 *
 * Integers decimal or 0x…; booleans `true` or `false`; bytes and addresses hexadecimal, with or without 0x; strings as
 * they are; arrays as JSON, where integers above 2^53 stand in quotes.
 *
 * @throws UserError invalid_arguments, which names the position and the type but never the value
 */
export function parseArguments(types: readonly string[], texts: readonly string[]): AbiValue[] {
  assertCount(types, texts)
  return types.map((name, i) => {
    const type = parseType(name)
    return checkedValue(type, type.kind === 'array' ? parseJsonArray(texts[i]!, type, i) : texts[i]!, i)
  })
}

/**
 * Encodes values by the Solidity ABI.
 *
 * @param values as `parseArguments` gives them; also numbers that are safe integers, the texts that it takes, and bytes
 * @throws UserError invalid_arguments
 */
export function encodeArguments(types: readonly string[], values: readonly unknown[]): Uint8Array {
  const parameters = types.map((type) => parameterOf(parseType(type)))
  return hexToBytes(AbiParameters.encode(parameters, exactArguments(types, values) as never).slice(2))
}

/**
 * Values in any form that `encodeArguments` takes, as `parseArguments` gives them.
 *
 * @throws UserError invalid_arguments
 */
export function exactArguments(types: readonly string[], values: readonly unknown[]): AbiValue[] {
  assertCount(types, values)
  return types.map((type, i) => checkedValue(parseType(type), values[i], i))
}

/**
 * Decodes what a function returned.
 *
 * @param types  of the returned values, `['uint256', 'string']`; not part of the call, so the contract's author says
 * @param output the decrypted bytes; what follows the values is ignored
 * @throws UserError undecodable if the bytes are not such values; invalid_arguments for an unknown type
 */
export function decodeOutput(types: readonly string[], output: Uint8Array): AbiValue[] {
  const parsed = types.map(parseType)
  if (parsed.length === 0) return []
  try {
    const parameters = parsed.map((type) => parameterOf(type, readAs))
    const values: readonly unknown[] = AbiParameters.decode(parameters, output)
    return parsed.map((type, i) => decodedValue(type, values[i]))
  } catch {
    // The codec's own errors quote the data, which is secret.
    throw new UserError('undecodable', `The output of ${output.length} bytes does not encode (${types.join(',')})`)
  }
}

/**
 * Decodes what a function returned, as one value: nothing, the only result, or several as an object by their names; a list
 * if one has no name.
 *
 * @param outputs of the function, as in the JSON ABI of Solidity
 * @throws UserError like `decodeOutput`
 */
export function decodeResult(
  outputs: readonly { name: string; type: string }[],
  output: Uint8Array,
): AbiValue | Record<string, AbiValue> | undefined {
  const values = decodeOutput(
    outputs.map(({ type }) => type),
    output,
  )
  if (outputs.length <= 1) return values[0]
  if (outputs.some(({ name }) => name === '')) return values
  return Object.fromEntries(outputs.map(({ name }, i) => [name, values[i]!]))
}

function parseType(name: string): ParsedType {
  // A list of nothing takes no bytes, so that any number of such lists would fit into none: there is none in Solidity.
  const array = /^(.+)\[([1-9][0-9]{0,8}|)\]$/.exec(name)
  if (array !== null) {
    return {
      kind: 'array',
      name,
      element: parseType(array[1]!),
      length: array[2] === '' ? undefined : Number(array[2]),
    }
  }
  if (name === 'bool' || name === 'string') return { kind: name, name, wire: name }
  if (name === 'address') return { kind: 'bytes', name, wire: name, length: 20 }
  if (name === 'bytes') return { kind: 'bytes', name, wire: name, length: undefined }
  const [, family, digits = ''] = /^(bytes|uint|int)([1-9][0-9]{0,2})?$/.exec(name) ?? []
  if (family === 'bytes') {
    const length = Number(digits)
    if (length <= 32) return { kind: 'bytes', name, wire: `bytes${length}`, length }
  } else if (family !== undefined) {
    const bits = digits === '' ? 256n : BigInt(digits)
    if (bits % 8n === 0n && bits <= 256n) {
      if (family === 'uint') return { kind: 'integer', name, wire: 'uint256', min: 0n, max: 2n ** bits - 1n }
      return { kind: 'integer', name, wire: 'int256', min: -(2n ** (bits - 1n)), max: 2n ** (bits - 1n) - 1n }
    }
  }
  throw new UserError('invalid_arguments', `There is no type ${printable(name)}`)
}

function parameterOf(type: ParsedType, wireOf = ({ wire }: ElementaryType): WireType => wire): { type: string } {
  if (type.kind !== 'array') return { type: wireOf(type) }
  return { type: `${parameterOf(type.element, wireOf).type}[${type.length ?? ''}]` }
}

/**
 * What a type is read as. Bytes that are not UTF-8 must not turn into other text, and a word that holds more than its type
 * is none of that type: the codec would cut it off.
 */
function readAs({ kind, wire }: ElementaryType): WireType {
  if (kind === 'string') return 'bytes'
  if (wire === 'address') return 'uint256'
  return kind === 'bytes' && wire !== 'bytes' ? 'bytes32' : wire
}

/** Any accepted form of a value, as its one exact form. */
function checkedValue(type: ParsedType, value: unknown, position: number): AbiValue {
  const exact = exactValue(type, value, position)
  if (exact !== undefined) return exact
  const hint = Number.isInteger(value) && !Number.isSafeInteger(value) ? `: above 2^53, it stands in quotes` : ''
  throw invalidArgument(position, `is no ${type.name}${hint}`)
}

function exactValue(type: ParsedType, value: unknown, position: number): AbiValue | undefined {
  switch (type.kind) {
    case 'bool':
      if (value === true || value === 'true') return true
      return value === false || value === 'false' ? false : undefined
    case 'string':
      return typeof value === 'string' ? value : undefined
    case 'integer': {
      const integer = integerOf(value)
      return integer !== undefined && integer >= type.min && integer <= type.max ? integer : undefined
    }
    case 'bytes': {
      const hex = hexOf(value)
      return hex !== undefined && (type.length === undefined || hex.length === 2 * type.length) ? `0x${hex}` : undefined
    }
    case 'array':
      if (!Array.isArray(value) || (type.length !== undefined && value.length !== type.length)) return undefined
      return value.map((item) => checkedValue(type.element, item, position))
  }
}

function integerOf(value: unknown): bigint | undefined {
  if (typeof value === 'bigint') return value
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined
  const text = typeof value === 'string' ? /^(-?)([0-9]+|0x[0-9a-f]+)$/i.exec(value.trim()) : null
  if (text === null) return undefined
  return text[1] === '-' ? -BigInt(text[2]!) : BigInt(text[2]!)
}

function hexOf(value: unknown): string | undefined {
  if (value instanceof Uint8Array) return bytesToHex(value)
  const bytes = typeof value === 'string' ? parseHex(value.trim()) : undefined
  return bytes && bytesToHex(bytes)
}

function parseJsonArray(text: string, type: ArrayType, position: number): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw invalidArgument(position, `is no ${type.name}: an array is written as JSON`)
  }
}

function decodedValue(type: ParsedType, value: unknown): AbiValue {
  if (type.kind === 'array') return (value as unknown[]).map((item) => decodedValue(type.element, item))
  if (type.kind === 'string') return bytesToUtf8(hexToBytes((value as string).slice(2)))
  if (type.kind === 'integer') {
    const integer = value as bigint
    if (integer < type.min || integer > type.max) throw new RangeError('out of range')
    return integer
  }
  if (type.wire === 'address') {
    if ((value as bigint) >> 160n !== 0n) throw new RangeError('out of range')
    return `0x${(value as bigint).toString(16).padStart(40, '0')}`
  }
  if (type.kind === 'bytes' && type.length !== undefined) {
    const end = 2 + 2 * type.length
    if (!/^0*$/.test((value as string).slice(end))) throw new RangeError('out of range')
    return (value as string).slice(0, end)
  }
  return value as AbiValue
}

function assertCount(types: readonly string[], values: readonly unknown[]): void {
  if (types.length !== values.length) {
    throw new UserError('invalid_arguments', `The call takes ${types.length} arguments, got ${values.length}`)
  }
}

function invalidArgument(position: number, what: string): UserError {
  return new UserError('invalid_arguments', `Argument ${position + 1} ${what}`)
}

function printable(name: string): string {
  return JSON.stringify(name.length > 40 ? `${name.slice(0, 40)}…` : name)
}
