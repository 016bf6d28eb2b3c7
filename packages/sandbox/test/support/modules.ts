import initWabt from 'wabt'

const wabt = await initWabt()

const features = { mutable_globals: true, multi_value: true, sign_extension: true, bulk_memory: true, simd: true }

/** Assembles WebAssembly text. Newer features assemble too, so that tests can see them refused. */
export function wat(source: string): Uint8Array {
  const module = wabt.parseWat('test.wat', source, features)
  try {
    return new Uint8Array(module.toBinary({}).buffer)
  } finally {
    module.destroy()
  }
}

/** Hand-made modules: `section(id, ...payload)` after the eight bytes of the preamble. */
export function binary(...sections: number[][]): Uint8Array {
  return Uint8Array.from([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, ...sections.flat()])
}

/** A section of fewer than 128 bytes. */
export function section(id: number, ...payload: number[]): number[] {
  return [id, payload.length, ...payload]
}

export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16))
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
