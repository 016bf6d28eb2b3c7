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

interface LargeModule {
  /** Without parameters; the last one is exported as `call`. */
  functions: readonly { locals?: number; code: Uint8Array }[]
  /** 128 pages. */
  memory?: 'own' | 'imported'
  /** Bytes of each data segment, all at address 0. */
  data?: readonly number[]
}

/** Modules that are too large for text. */
export function largeModule({ functions, memory, data = [] }: LargeModule): Uint8Array {
  const bodies = functions.flatMap(({ locals = 0, code }) => {
    const declarations = locals === 0 ? [0] : [1, ...leb(locals), 0x7f]
    return [leb(declarations.length + code.length), declarations, code]
  })
  const env = [3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79]
  const pages = [1, ...leb(128), ...leb(128)]
  return concatenate([
    binary(section(1, 1, 0x60, 0, 0)),
    ...(memory === 'imported' ? [section(2, 1, ...env, 2, ...pages)] : []),
    ...longSection(3, [leb(functions.length), new Uint8Array(functions.length)]),
    ...(memory === 'own' ? [section(5, 1, ...pages)] : []),
    ...longSection(7, [[1, 4, 0x63, 0x61, 0x6c, 0x6c, 0], leb(functions.length - 1)]),
    ...longSection(10, [leb(functions.length), ...bodies]),
    ...longSection(11, [
      leb(data.length),
      ...data.flatMap((length) => [[0, 0x41, 0, 0x0b], leb(length), new Uint8Array(length)]),
    ]),
  ])
}

/** An instruction sequence `count` times over, and the end of the function. */
export function repeated(instructions: readonly number[], count: number): Uint8Array {
  const code = new Uint8Array(instructions.length * count + 1)
  for (let index = 0; index < count; index++) code.set(instructions, index * instructions.length)
  code[code.length - 1] = 0x0b
  return code
}

type Bytes = Uint8Array | readonly number[]

function longSection(id: number, parts: readonly Bytes[]): Bytes[] {
  return [[id], leb(parts.reduce((sum, part) => sum + part.length, 0)), ...parts]
}

export function concatenate(parts: readonly Bytes[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** Unsigned LEB128. */
export function leb(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)]
}
