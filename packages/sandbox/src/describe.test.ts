import { describe, expect, it } from 'vitest'
import { wat } from '../test/support/modules.ts'
import { describeModule } from './index.ts'

it('tells what a contract is made of and what would become of it', () => {
  const bytes = wat(`(module (import "env" "ret" (func (param i32 i32))) (memory (export "memory") 2)
    (data (i32.const 0) "abc") (func (export "deploy")) (func (export "call") (export "again") (nop)) (func))`)
  expect(describeModule(bytes)).toEqual({
    size: bytes.length,
    imports: [{ module: 'env', field: 'ret', kind: 'function' }],
    exports: [
      { name: 'memory', kind: 'memory' },
      { name: 'deploy', kind: 'function' },
      { name: 'call', kind: 'function' },
      { name: 'again', kind: 'function' },
    ],
    memory: { initial: 2, maximum: undefined, origin: 'own' },
    functions: [
      { index: 1, name: undefined, exportedAs: ['deploy'], size: 1 },
      { index: 2, name: undefined, exportedAs: ['call', 'again'], size: 2 },
      { index: 3, name: undefined, exportedAs: [], size: 1 },
    ],
    dataSize: 3,
    deploy: { accepted: true, exeCode: expect.any(Uint8Array), compute: { accepted: true } },
    compute: {
      accepted: false,
      reason: 'Error in execution of creation of WASM module: Malformed wasm module: internal memory',
    },
  })
})

it('tells why a module would not be taken', () => {
  const bytes = wat('(module (import "env" "memory" (memory 1 2)) (func (export "deploy") (param i32)))')
  expect(describeModule(bytes)).toMatchObject({
    memory: { initial: 1, maximum: 2, origin: 'imported' },
    deploy: {
      accepted: false,
      reason: 'Error in execution of building the constructor: export deploy does not have the type () -> ()',
    },
    compute: {
      accepted: false,
      reason: "Error in execution of WASM code: Function: Module doesn't have export call",
    },
  })
})

it('tells where an engine finds that code is not valid, in its words', () => {
  const bytes = wat('(module (import "env" "memory" (memory 1 2)) (func (export "call") (nop)))')
  // `drop` in the place of `nop`.
  const broken = bytes.map((byte, index) => (byte === 0x01 && bytes[index + 1] === 0x0b ? 0x1a : byte))
  const description = describeModule(broken)
  const { accepted, reason } =
    'compute' in description
      ? (description.compute as { accepted: boolean; reason: string })
      : { accepted: true, reason: '' }
  expect(accepted).toBe(false)
  expect(reason).toMatch(
    /^Error in execution of WASM code: Validation: module is not valid \(Compiling function #0[^:]* failed: .*\)$/,
  )
})

it('adds up the data, and names each export of a function', () => {
  const bytes = wat(`(module (import "env" "memory" (memory 1 2)) (global $g i32 (i32.const 0))
    (data (i32.const 0) "abc") (data (i32.const 9) "") (data (i32.const 9) "de")
    (export "first" (func $f)) (export "global" (global $g)) (func $f (export "call")) (export "last" (func $f)))`)
  expect(describeModule(bytes)).toMatchObject({
    dataSize: 5,
    functions: [{ index: 0, exportedAs: ['first', 'call', 'last'], size: 1 }],
    compute: { accepted: true },
  })
  expect(describeModule(wat('(module (func (export "call")))'))).toMatchObject({
    memory: undefined,
    dataSize: 0,
    compute: { accepted: true },
  })
})

it('tells that bytes are no module', () => {
  expect(describeModule(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))).toEqual({
    size: 8,
    undecodable: 'Error in execution of deserialization into WASM module: Invalid magic number at start of file',
  })
})

describe('names of functions', () => {
  // Module and one empty function, then a custom section `name` with this content.
  const withNames = (...content: number[]) => {
    const name = [4, 0x6e, 0x61, 0x6d, 0x65]
    const code = [...[1, 4, 1, 0x60, 0, 0], ...[3, 2, 1, 0], ...[10, 4, 1, 2, 0, 0x0b]]
    const section = [0, name.length + content.length, ...name, ...content]
    return Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...code, ...section)
  }
  const namesOf = (bytes: Uint8Array) => {
    const description = describeModule(bytes)
    return 'functions' in description && description.functions.map(({ name }) => name)
  }

  it('come from the section that compilers leave', () => {
    expect(namesOf(withNames(0, 2, 1, 0x6d, 1, 4, 1, 0, 1, 0x66))).toEqual(['f'])
  })

  it('come from one of several parts, of one of several sections, and are as many as it says', () => {
    const bytes = wat('(module (func) (func) (func (export "call")))')
    const section = (name: string, ...content: number[]) => [
      0,
      1 + name.length + content.length,
      name.length,
      ...new TextEncoder().encode(name),
      ...content,
    ]
    const other = section('nam2', 1, 4, 1, 0, 1, 0x7a)
    const names = section('name', 0, 2, 1, 0x6d, 1, 7, 2, 0, 1, 0x66, 2, 1, 0x67, 2, 1, 0)
    expect(namesOf(Uint8Array.from([...bytes, ...other, ...names]))).toEqual(['f', undefined, 'g'])
    expect(namesOf(Uint8Array.from([...bytes, ...other]))).toEqual([undefined, undefined, undefined])
  })

  it('are left out where the section is broken', () => {
    const broken = [
      [1, 9, 1, 0, 1, 0x66],
      [1, 4, 1, 0, 9, 0x66],
      [1, 4, 1, 0, 1, 0xff],
      [1, 5, 0xff, 0xff, 0xff, 0xff, 0xff],
    ]
    for (const content of broken) expect(namesOf(withNames(...content)), content.join()).toEqual([undefined])
  })
})
