import { readFileSync } from 'node:fs'
import { hexToBytes } from '@bletchley/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { accounts } from '../test/support/accounts.ts'
import { binary } from '../test/support/modules.ts'
import { compute, deployModule } from '../test/support/runs.ts'
import { describeModule } from './index.ts'

const vectors = JSON.parse(readFileSync(new URL('../vectors/gas-examples.json', import.meta.url), 'utf8')) as {
  deployExamples: { referenceExeCodeHex: string }[]
}
const small = hexToBytes(vectors.deployExamples[0]!.referenceExeCodeHex)

const textPattern = /^(Error in execution of [^:]+: .|Invocation resulted in gas limit violated$)/

/** Whatever the bytes are, each door answers with an outcome; a thrown error would fail the test. */
function expectOutcomes(bytes: Uint8Array): void {
  describeModule(bytes)
  // Enough gas for the wrapper and the code of a deployment; too little for a mutant to loop for long.
  for (const outcome of [compute(bytes, { gasLimit: 200_000n }), deployModule(bytes, { gasLimit: 200_000n })]) {
    if (outcome.kind === 'failure') expect(outcome.message).toMatch(textPattern)
    expect(outcome.usedGas).toBeLessThanOrEqual(200_000n)
  }
}

describe('bytes that are not a good module', () => {
  it('may end anywhere', () => {
    for (let length = 0; length < small.length; length++) expectOutcomes(small.subarray(0, length))
    for (let length = 0; length < accounts.length; length += 997) expectOutcomes(accounts.subarray(0, length))
  })

  it('may differ in any one byte', () => {
    for (let position = 0; position < small.length; position++) {
      for (const value of [0x00, 0x01, 0x0b, 0x40, 0x7f, 0x80, 0xff, small[position]! ^ 1, small[position]! ^ 0x80]) {
        const mutant = small.slice()
        mutant[position] = value
        expectOutcomes(mutant)
      }
    }
  })

  it('may be a compiled contract with random changes', () => {
    const change = fc.record({
      position: fc.integer({ min: 8, max: accounts.length - 1 }),
      value: fc.integer({ min: 0, max: 255 }),
    })
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const mutant = accounts.slice()
        for (const { position, value } of changes) mutant[position] = value
        expectOutcomes(mutant)
      }),
      { numRuns: 150 },
    )
  })

  it('may be sections of noise', () => {
    const section = fc
      .tuple(fc.integer({ min: 0, max: 13 }), fc.uint8Array({ maxLength: 40 }))
      .map(([id, payload]) => [id, payload.length, ...payload])
    fc.assert(
      fc.property(fc.array(section, { maxLength: 6 }), (sections) => {
        sections.sort((a, b) => a[0]! - b[0]!)
        expectOutcomes(binary(...sections))
      }),
      { numRuns: 1000 },
    )
  })

  it('may nest blocks a hundred thousand deep', () => {
    const depth = 100_000
    const u32 = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...u32(value >>> 7)])
    const body = [
      0,
      ...new Array<number[]>(depth).fill([0x02, 0x40]).flat(),
      ...new Array<number>(depth + 1).fill(0x0b),
    ]
    const code = [1, ...u32(body.length), ...body]
    const call = [7, 8, 1, 4, 0x63, 0x61, 0x6c, 0x6c, 0, 0]
    expectOutcomes(binary([1, 4, 1, 0x60, 0, 0], [3, 2, 1, 0], call, [10, ...u32(code.length), ...code]))
  })

  it('may chain the initialisers of globals', () => {
    const count = 20_000
    const u32 = (value: number): number[] => (value < 128 ? [value] : [(value & 127) | 128, ...u32(value >>> 7)])
    const globals = Array.from({ length: count }, (_, index) => [0x7f, 0, 0x23, ...u32(index + 1), 0x0b]).flat()
    const payload = [...u32(count), ...globals]
    expectOutcomes(
      binary([5, 3, 1, 0, 1], [6, ...u32(payload.length), ...payload], [7, 8, 1, 4, 0x63, 0x61, 0x6c, 0x6c, 3, 0]),
    )
  })
})
