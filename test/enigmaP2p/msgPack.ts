// As much of MessagePack as the Rust programs of the network use (rmp-serde): bytes travel as arrays of integers.

export type Packed = null | string | number | Packed[] | { [name: string]: Packed }

export function pack(value: Packed): Buffer {
  if (value === null) return Buffer.of(0xc0)
  if (typeof value === 'number') return packInteger(value)
  if (typeof value === 'string') {
    const text = Buffer.from(value)
    return Buffer.concat([header(text.length, 0xa0, 31, 0xda), text])
  }
  if (Array.isArray(value)) return Buffer.concat([header(value.length, 0x90, 15, 0xdc), ...value.map(pack)])
  const members = Object.entries(value)
  return Buffer.concat([header(members.length, 0x80, 15, 0xde), ...members.flat().map(pack)])
}

function header(length: number, fix: number, maxFix: number, wide: number): Buffer {
  return length <= maxFix ? Buffer.of(fix | length) : Buffer.of(wide, length >> 8, length & 0xff)
}

function packInteger(value: number): Buffer {
  if (value < 0x80) return Buffer.of(value)
  if (value < 0x100) return Buffer.of(0xcc, value)
  const bytes = Buffer.alloc(5, 0xce)
  bytes.writeUInt32BE(value, 1)
  return bytes
}

export function unpack(bytes: Uint8Array): Packed {
  const reader = new Reader(Buffer.from(bytes))
  const value = reader.read()
  if (!reader.atEnd) throw new Error('bytes are left')
  return value
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get atEnd(): boolean {
    return this.#at === this.#bytes.length
  }

  read(): Packed {
    const tag = this.#uint(1)
    if (tag < 0x80) return tag
    if (tag < 0x90) return this.#map(tag & 0x0f)
    if (tag < 0xa0) return this.#array(tag & 0x0f)
    if (tag < 0xc0) return this.#string(tag & 0x1f)
    if (tag === 0xc0) return null
    if (tag === 0xcc) return this.#uint(1)
    if (tag === 0xcd) return this.#uint(2)
    if (tag === 0xce) return this.#uint(4)
    if (tag === 0xd9) return this.#string(this.#uint(1))
    if (tag === 0xda) return this.#string(this.#uint(2))
    if (tag === 0xdc) return this.#array(this.#uint(2))
    if (tag === 0xdd) return this.#array(this.#uint(4))
    if (tag === 0xde) return this.#map(this.#uint(2))
    throw new Error(`tag ${tag} is not expected`)
  }

  #uint(length: number): number {
    const value = this.#bytes.readUIntBE(this.#at, length)
    this.#at += length
    return value
  }

  #string(length: number): string {
    this.#at += length
    return this.#bytes.toString('utf8', this.#at - length, this.#at)
  }

  #array(length: number): Packed[] {
    return Array.from({ length }, () => this.read())
  }

  #map(length: number): Packed {
    const members: [string, Packed][] = []
    for (let i = 0; i < length; i++) members.push([String(this.read()), this.read()])
    return Object.fromEntries(members)
  }
}
