import { bytesToHex } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import createWabt from 'wabt'
import { inspectModule } from './inspectModule.ts'

let wabt: Awaited<ReturnType<typeof createWabt>>

beforeAll(async () => {
  wabt = await createWabt()
})

function inspect(source: string) {
  const bytes = wabt.parseWat('a.wat', source, { sign_extension: true }).toBinary({ write_debug_names: true }).buffer
  const { accepted, shown } = inspectModule('a.wasm', bytes)
  return { accepted, bytes, shown: shown as Record<string, unknown> }
}

const call = '(func (export "call"))'

describe('code that workers take', () => {
  it('is described', () => {
    const { accepted, bytes, shown } = inspect(`(module (memory 1 3) (data (i32.const 0) "12345")
      ${call} (func (export "deploy")))`)
    expect(accepted).toBe(true)
    expect(shown).toEqual({
      ...{ file: 'a.wasm', size: bytes.length, hash: bytesToHex(keccak256(bytes)), functions: 2, data: 5 },
      largest: [
        { size: expect.any(Number), name: 'function 0 (export call)' },
        { size: expect.any(Number), name: 'function 1 (export deploy)' },
      ],
      memory: 'own, 1 to 3 pages',
      imports: [],
      exports: ['function call', 'function deploy'],
      deploy: `accepted, ${shown.codeGas} bytes of exeCode`,
      codeGas: expect.any(Number),
      codeHash: expect.stringMatching(/^[0-9a-f]{64}$/),
      compute: 'accepted',
    })
  })

  it('is shown by its ten largest functions, the first of equal ones first', () => {
    const functions = Array.from({ length: 12 }, (_, index) => `(func $f${index} ${'(nop)'.repeat(index >> 1)})`)
    const { shown } = inspect(
      `(module (memory 1) ${functions.join('')} ${call} (export "a" (func 11)) (export "b" (func 11)))`,
    )
    const largest = shown.largest as { size: number; name: string }[]
    expect([shown.functions, largest.map(({ name }) => name)]).toEqual([
      13,
      ['f10', 'f11 (export a, b)', 'f8', 'f9', 'f6', 'f7', 'f4', 'f5', 'f2', 'f3'],
    ])
    expect(largest[0]!.size - largest[2]!.size).toBe(1)
    expect(shown.memory).toBe('own, 1 to unlimited pages')
  })
})

describe('code that a deployment refuses', () => {
  it('may be the code of one that was done, if its memory is imported', () => {
    const { accepted, shown } = inspect(`(module (import "env" "memory" (memory 1 2)) (table 20000 funcref) ${call})`)
    expect(accepted).toBe(false)
    expect(shown).toMatchObject({ memory: 'imported, 1 to 2 pages', imports: ['memory env.memory'] })
    expect(shown.deploy).toMatch(/table has more than/)
    expect(shown.compute).toMatch(/./)
    for (const name of ['codeGas', 'codeHash']) expect(shown).not.toHaveProperty(name)
  })

  it('is not computed either', () => {
    const { accepted, shown } = inspect(`(module (memory 1) (func $f) (start $f) ${call})`)
    expect(accepted).toBe(false)
    expect(shown.deploy).toMatch(/start function is not allowed/)
    expect(shown).not.toHaveProperty('compute')
    expect(inspect(`(module ${call})`).shown.memory).toBeUndefined()
  })

  it('may deploy, and be refused by computations', () => {
    const { accepted, shown } = inspect('(module (memory 1) (func (export "deploy")))')
    expect([accepted, shown.deploy, shown.compute]).toEqual([
      false,
      expect.stringMatching(/^accepted/),
      expect.stringContaining("doesn't have export call"),
    ])
  })
})

describe('what is no code', () => {
  it('is told with the reason', () => {
    const { accepted, shown } = inspectModule('b.wasm', Uint8Array.of(1, 2))
    expect(accepted).toBe(false)
    expect(shown).toEqual({ file: 'b.wasm', size: 2, hash: expect.any(String), error: expect.stringMatching(/./) })
  })

  it('is told with a hint if it is of a newer version', () => {
    const { accepted, shown } = inspect(
      '(module (memory 1) (func (export "call") (drop (i32.extend8_s (i32.const 1)))))',
    )
    expect(accepted).toBe(false)
    expect(shown).toMatchObject({
      error: expect.stringContaining('Unknown opcode 192'),
      hint: expect.stringContaining('target-cpu=mvp'),
    })
  })
})
