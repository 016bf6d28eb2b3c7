import { assertBytes, bytesToUtf8 } from '@bletchley/bytes'
import { CryptoError } from './cryptoError.ts'

export type MsgPackType = 'nil' | 'bool' | 'int' | 'float' | 'str' | 'bin' | 'array' | 'map'

/** What begins at a byte of MessagePack. `ext` can only be skipped. */
type Token =
  | { type: 'nil'; size: number }
  | { type: 'bool'; size: number; value: boolean }
  | { type: 'int'; size: number; value: number | bigint }
  | { type: 'float'; size: number; value: number }
  /** `size` counts the tag and the length that goes before the content; `length` is the content, in bytes. */
  | { type: 'str'; size: number; length: number }
  | { type: 'bin'; size: number; length: number }
  | { type: 'ext'; size: number; length: number }
  /** `length` is the number of values that follow, two for each entry of a map. */
  | { type: 'array'; size: number; length: number }
  | { type: 'map'; size: number; length: number }

/**
 * Reads MessagePack value by value, from bytes that nobody vouches for.
 *
 * Every read throws `CryptoError` malformed_message when the next value has another type or the bytes end. Lengths
 * are checked against the bytes that are left before anything is allocated, and nothing recurses, so neither a huge
 * length nor deep nesting can hurt. Whoever recurses over the values must bound the depth.
 */
export class MsgPackReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #offset = 0

  constructor(bytes: Uint8Array) {
    assertBytes(bytes, 'bytes')
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  }

  /** Another one that stands where this one does. */
  clone(): MsgPackReader {
    const clone = new MsgPackReader(this.#bytes)
    clone.#offset = this.#offset
    return clone
  }

  /** The type of the next value, which stays unread. */
  peekType(): MsgPackType {
    const { type } = this.#token()
    if (type === 'ext') throw malformed('an extension type')
    return type
  }

  /** Enters an array and returns how many values follow. */
  arrayHeader(): number {
    return this.#take('array').length
  }

  /** Enters a map and returns how many pairs of key and value follow. */
  mapHeader(): number {
    return this.#take('map').length / 2
  }

  /** An integer in any of its forms; a bigint only outside of the safe range. */
  int(): number | bigint {
    return this.#take('int').value
  }

  /** A float of 32 or 64 bits; an integer is none. */
  float(): number {
    return this.#take('float').value
  }

  str(): string {
    const { length } = this.#take('str')
    try {
      return bytesToUtf8(this.#content(length))
    } catch {
      throw malformed('a string that is not UTF-8')
    }
  }

  nil(): void {
    this.#take('nil')
  }

  bool(): boolean {
    return this.#take('bool').value
  }

  /**
   * Bytes, either as an array of integers 0 .. 255 or as binary data; a fresh array.
   *
   * @param maxLength in bytes; more is malformed
   */
  byteArray(maxLength = Number.POSITIVE_INFINITY): Uint8Array {
    const token = this.#token()
    if (token.type !== 'bin' && token.type !== 'array') throw unexpected('bytes', token.type)
    if (token.length > maxLength) throw malformed(`${token.length} bytes where at most ${maxLength} may stand`)
    this.#offset += token.size
    return token.type === 'bin' ? this.#content(token.length).slice() : this.#byteIntegers(token.length)
  }

  /** Passes over the next value with all that is in it. */
  skip(): void {
    for (let pending = 1; pending > 0; pending--) {
      const token = this.#token()
      this.#offset += token.size
      if (token.type === 'array' || token.type === 'map') pending += token.length
      else if (token.type === 'str' || token.type === 'bin' || token.type === 'ext') this.#offset += token.length
    }
  }

  /** Throws if any bytes are left. */
  end(): void {
    if (this.#offset !== this.#bytes.length) throw malformed('bytes after its end')
  }

  #take<T extends Token['type']>(type: T): Extract<Token, { type: T }> {
    const token = this.#token()
    if (!isTokenOf(token, type)) throw unexpected(type, token.type)
    this.#offset += token.size
    return token
  }

  #content(length: number): Uint8Array {
    const content = this.#bytes.subarray(this.#offset, this.#offset + length)
    this.#offset += length
    return content
  }

  #byteIntegers(length: number): Uint8Array {
    const result = new Uint8Array(length)
    for (let i = 0; i < length; i++) {
      const first = this.#bytes[this.#offset]
      if (first !== undefined && first < 0x80) {
        result[i] = first
        this.#offset++
        continue
      }
      const second = this.#bytes[this.#offset + 1]
      if (first === 0xcc && second !== undefined) {
        result[i] = second
        this.#offset += 2
        continue
      }
      const value = this.int()
      if (value < 0 || value > 255) throw malformed('an integer where a byte should be')
      result[i] = Number(value)
    }
    return result
  }

  #token(): Token {
    const tag = this.#uint8(0)
    if (tag < 0x80) return { type: 'int', size: 1, value: tag }
    if (tag < 0x90) return this.#container('map', 1, tag & 0x0f)
    if (tag < 0xa0) return this.#container('array', 1, tag & 0x0f)
    if (tag < 0xc0) return this.#sized('str', 1, tag & 0x1f)
    if (tag >= 0xe0) return { type: 'int', size: 1, value: tag - 0x100 }
    switch (tag) {
      case 0xc0:
        return { type: 'nil', size: 1 }
      case 0xc2:
      case 0xc3:
        return { type: 'bool', size: 1, value: tag === 0xc3 }
      case 0xc4:
        return this.#sized('bin', 2, this.#uint8(1))
      case 0xc5:
        return this.#sized('bin', 3, this.#need(3).getUint16(this.#offset + 1))
      case 0xc6:
        return this.#sized('bin', 5, this.#need(5).getUint32(this.#offset + 1))
      case 0xc7: // An extension has one more byte, its type, before the content.
        return this.#sized('ext', 3, this.#uint8(1))
      case 0xc8:
        return this.#sized('ext', 4, this.#need(3).getUint16(this.#offset + 1))
      case 0xc9:
        return this.#sized('ext', 6, this.#need(5).getUint32(this.#offset + 1))
      case 0xca:
        return { type: 'float', size: 5, value: this.#need(5).getFloat32(this.#offset + 1) }
      case 0xcb:
        return { type: 'float', size: 9, value: this.#need(9).getFloat64(this.#offset + 1) }
      case 0xcc:
        return { type: 'int', size: 2, value: this.#uint8(1) }
      case 0xcd:
        return { type: 'int', size: 3, value: this.#need(3).getUint16(this.#offset + 1) }
      case 0xce:
        return { type: 'int', size: 5, value: this.#need(5).getUint32(this.#offset + 1) }
      case 0xcf:
        return { type: 'int', size: 9, value: narrow(this.#need(9).getBigUint64(this.#offset + 1)) }
      case 0xd0:
        return { type: 'int', size: 2, value: this.#need(2).getInt8(this.#offset + 1) }
      case 0xd1:
        return { type: 'int', size: 3, value: this.#need(3).getInt16(this.#offset + 1) }
      case 0xd2:
        return { type: 'int', size: 5, value: this.#need(5).getInt32(this.#offset + 1) }
      case 0xd3:
        return { type: 'int', size: 9, value: narrow(this.#need(9).getBigInt64(this.#offset + 1)) }
      case 0xd4:
      case 0xd5:
      case 0xd6:
      case 0xd7:
      case 0xd8: // Extensions of 1, 2, 4, 8 and 16 bytes.
        return this.#sized('ext', 2, 1 << (tag - 0xd4))
      case 0xd9:
        return this.#sized('str', 2, this.#uint8(1))
      case 0xda:
        return this.#sized('str', 3, this.#need(3).getUint16(this.#offset + 1))
      case 0xdb:
        return this.#sized('str', 5, this.#need(5).getUint32(this.#offset + 1))
      case 0xdc:
        return this.#container('array', 3, this.#need(3).getUint16(this.#offset + 1))
      case 0xdd:
        return this.#container('array', 5, this.#need(5).getUint32(this.#offset + 1))
      case 0xde:
        return this.#container('map', 3, this.#need(3).getUint16(this.#offset + 1))
      case 0xdf:
        return this.#container('map', 5, this.#need(5).getUint32(this.#offset + 1))
      default:
        throw malformed('the byte c1, which no value begins with')
    }
  }

  #sized(type: 'str' | 'bin' | 'ext', size: number, length: number): Token {
    this.#need(size + length)
    return { type, size, length }
  }

  #container(type: 'array' | 'map', size: number, count: number): Token {
    const length = type === 'map' ? 2 * count : count
    this.#need(size + length) // Every value takes at least one byte.
    return { type, size, length }
  }

  #uint8(distance: number): number {
    return this.#need(distance + 1).getUint8(this.#offset + distance)
  }

  #need(size: number): DataView {
    if (this.#offset + size > this.#bytes.length) throw malformed('less bytes than it announces')
    return this.#view
  }
}

function isTokenOf<T extends Token['type']>(token: Token, type: T): token is Extract<Token, { type: T }> {
  return token.type === type
}

function narrow(value: bigint): number | bigint {
  const isSafe = value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
  return isSafe ? Number(value) : value
}

function unexpected(wanted: string, found: string): CryptoError {
  return new CryptoError('malformed_message', `The MessagePack has ${found} where ${wanted} should be`)
}

function malformed(what: string): CryptoError {
  return new CryptoError('malformed_message', `The MessagePack has ${what}`)
}
