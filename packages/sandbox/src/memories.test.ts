import { readFileSync } from 'node:fs'
import { describe, expect, it, vi } from 'vitest'
import createWabt from 'wabt'
import { compute } from '../test/support/runs.ts'
import { deployedMemory } from './limits.ts'
import { NoRoomError, reserveMemory, returnMemory, takeMemory, wipeMemories, wiperCode } from './memories.ts'

/** A contract with a memory of 2 to 3 pages. */
const contract = (body: string, data = ''): string => `(module
  (import "env" "memory" (memory 2 3)) (import "env" "ret" (func $ret (param i32 i32))) ${data}
  (func (export "call") ${body}))`

const returnsAll = contract('(call $ret (i32.const 0) (i32.mul (memory.size) (i32.const 65536)))')
const scribbles = '(i32.store8 (i32.const 7) (i32.const 1)) (i64.store (i32.const 131064) (i64.const -1))'

function memoryOfNextRun(): Uint8Array {
  const outcome = compute(returnsAll)
  if (outcome.kind === 'failure') throw new Error(outcome.message)
  return outcome.output
}

describe('the memory of a run', () => {
  const earlier: [string, string][] = [
    ['that went well', contract(scribbles, '(data (i32.const 1000) "secret")')],
    ['that trapped', contract(`${scribbles} (unreachable)`)],
    ['that was out of gas', contract(`${scribbles} (loop (br 0))`)],
    ['that grew its memory', contract(`(drop (memory.grow (i32.const 1))) ${scribbles}`)],
    ['that failed in a host call', contract(`${scribbles} (call $ret (i32.const -1) (i32.const 9))`)],
  ]
  it.each(earlier)('is all zeros and has its own size after one %s', (_, code) => {
    compute(code)
    const memory = memoryOfNextRun()
    expect(memory).toHaveLength(131_072)
    expect(memory.findIndex((byte) => byte !== 0)).toBe(-1)
  })

  it('is not what its output lies in', () => {
    const outcome = compute(contract(`${scribbles} (call $ret (i32.const 7) (i32.const 1))`))
    memoryOfNextRun()
    expect(outcome).toMatchObject({ kind: 'success', output: Uint8Array.of(1) })
  })
})

describe('memory that there is no room for', () => {
  it('is said to be, with what to do about it', () => {
    const full = vi.spyOn(WebAssembly, 'Memory').mockImplementation(() => {
      throw new RangeError('WebAssembly.Memory(): could not allocate memory')
    })
    try {
      expect(() => takeMemory({ initial: 7, maximum: 8 })).toThrow(NoRoomError)
      expect(() => takeMemory({ initial: 7, maximum: 8 })).toThrow(/no address space left .* ulimit -v unlimited/)
      expect(reserveMemory()).toBe(false)
    } finally {
      full.mockRestore()
    }
  })

  it('is reserved for the first run', () => {
    expect(reserveMemory()).toBe(true)
    const none = vi.spyOn(WebAssembly, 'Memory')
    const memory = takeMemory(deployedMemory)
    expect(memory.buffer.byteLength).toBe(deployedMemory.initial * 65_536)
    expect(none).not.toHaveBeenCalled()
    none.mockRestore()
  })
})

describe('memory that came back', () => {
  const limits = { initial: 5, maximum: 6 }

  it('is given to one run at a time', () => {
    const memory = takeMemory(limits)
    returnMemory(memory, limits)
    expect(takeMemory(limits)).toBe(memory)
    expect(takeMemory(limits)).not.toBe(memory)
  })

  it('is not given out as one of other limits', () => {
    const memory = takeMemory(limits)
    returnMemory(memory, limits)
    const others = [{ initial: 5, maximum: 7 }, { initial: 4, maximum: 6 }, { initial: 5 }]
    for (const { initial, maximum } of others) {
      const other = takeMemory({ initial, maximum })
      expect(other).not.toBe(memory)
      expect(other.buffer.byteLength).toBe(initial * 65_536)
      expect(() => other.grow((maximum ?? 9) - initial)).not.toThrow()
      if (maximum !== undefined) expect(() => other.grow(1)).toThrow(RangeError)
    }
    expect(takeMemory(limits)).toBe(memory)
  })

  it('is kept for four kinds of modules at once, and not for more', () => {
    const kinds = [10, 11, 12, 13, 14].map((initial) => ({ initial, maximum: 20 }))
    // What other tests have left.
    const before = [2, 0, 1, 3, 5].flatMap((initial) => [3, 4, 6].map((maximum) => ({ initial, maximum })))
    for (const kind of before) if (kind.initial <= kind.maximum) takeMemory(kind)
    const memories = kinds.map(takeMemory)
    for (const [index, kind] of kinds.entries()) returnMemory(memories[index]!, kind)
    const again = kinds.map(takeMemory)
    expect(again.map((memory, index) => memory === memories[index])).toEqual([true, true, true, true, false])
  })

  it('is wiped at once when it is taken, if nobody did before', () => {
    const memory = takeMemory(limits)
    new Uint8Array(memory.buffer)[9] = 1
    returnMemory(memory, limits)
    expect(new Uint8Array(takeMemory(limits).buffer)[9]).toBe(0)
  })

  it('is wiped again for each run', () => {
    const memory = takeMemory(limits)
    for (let run = 0; run < 2; run++) {
      new Uint8Array(memory.buffer)[9] = 1
      returnMemory(memory, limits)
      wipeMemories()
      expect(takeMemory(limits)).toBe(memory)
      expect(new Uint8Array(memory.buffer)[9]).toBe(0)
    }
  })

  it('is not wiped twice: that takes as long as the first time', () => {
    const memory = takeMemory(limits)
    returnMemory(memory, limits)
    wipeMemories()
    const bytes = new Uint8Array(memory.buffer)
    bytes[9] = 1
    wipeMemories()
    expect(takeMemory(limits)).toBe(memory)
    expect(bytes[9]).toBe(1)
    bytes[9] = 0
  })
})

describe('wiping', () => {
  it('zeroes every byte, wherever it is, and in memories of any size', () => {
    for (const initial of [0, 1, 3]) {
      const limits = { initial, maximum: 4 }
      const memory = takeMemory(limits)
      const size = memory.buffer.byteLength
      for (const at of [0, 1, 63, 64, 4095, 4096, 65_535, size - 4096, size - 1]) {
        const bytes = new Uint8Array(memory.buffer)
        bytes[at] = 1
        returnMemory(memory, limits)
        wipeMemories()
        expect(takeMemory(limits), `${initial} pages`).toBe(memory)
        expect(bytes.indexOf(1), `byte ${at} of ${initial} pages`).toBe(-1)
      }
    }
  })

  it('is done by the code that stands in wiper.wat', async () => {
    const text = readFileSync(new URL('../test/support/wiper.wat', import.meta.url), 'utf8')
    const wabt = await createWabt()
    const { buffer } = wabt.parseWat('wiper.wat', text, { bulk_memory: true }).toBinary({})
    expect(Buffer.from(buffer).toString('hex')).toBe(wiperCode)
  })
})
