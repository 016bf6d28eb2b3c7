import { readFileSync } from 'node:fs'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { encodeJson, type JsonValue } from '@bletchley/state'
import { describe, expect, it } from 'vitest'
import { runOnDeepStack } from '../test/support/deepStack.ts'
import { wat } from '../test/support/modules.ts'
import { compute, deployModule } from '../test/support/runs.ts'

interface Expected {
  outcome: 'success' | 'failure'
  usedGas: number
  errorText?: string
}

interface Example {
  name: string
  wat: string
  wasmHex?: string
  gasLimit: number
  expected: Expected
}

interface DeployExample {
  name: string
  preCodeWat: string
  constructorState: string
  referenceExeCodeHex: string
  expected: { usedGas: number }
}

const vectors = JSON.parse(readFileSync(new URL('../vectors/gas-examples.json', import.meta.url), 'utf8')) as {
  examples: Example[]
  deployExamples: DeployExample[]
  interpreterLimitExamples: { name: string; wat: string; expected: Expected }[]
}

describe(`gas examples (${vectors.examples.length} vectors)`, () => {
  it.each(vectors.examples)('$name', ({ wat: source, wasmHex, gasLimit, expected }) => {
    const outcome = compute(wasmHex === undefined ? source : hexToBytes(wasmHex), { gasLimit: BigInt(gasLimit) })

    expect(outcome).toMatchObject({ kind: expected.outcome, usedGas: BigInt(expected.usedGas) })
    if (expected.errorText !== undefined) expect(outcome).toMatchObject({ message: expected.errorText })
  })
})

describe(`deploy examples (${vectors.deployExamples.length} vectors)`, () => {
  it.each(vectors.deployExamples)('$name', ({ preCodeWat, constructorState, referenceExeCodeHex, expected }) => {
    const state = new Map<string, JsonValue>()
    const outcome = deployModule(preCodeWat, { state })

    if (outcome.kind !== 'success') throw new Error(outcome.message)
    expect(bytesToHex(outcome.output)).toBe(referenceExeCodeHex)
    expect(outcome.usedGas).toBe(BigInt(expected.usedGas))
    expect(new TextDecoder().decode(encodeJson(state))).toBe(constructorState)
  })
})

describe(`interpreter limits (${vectors.interpreterLimitExamples.length} vectors)`, () => {
  it('ends each at the gas and with the text of the reference interpreter', async () => {
    const examples = vectors.interpreterLimitExamples
    const results = await runOnDeepStack(
      examples.map((example) => ({ bytes: wat(example.wat), gasLimit: 100_000_000n })),
    )

    expect(results.flatMap(({ outcomes }) => outcomes)).toEqual(
      examples.map(({ expected }) => ({
        kind: 'failure',
        message: expected.errorText,
        usedGas: BigInt(expected.usedGas),
      })),
    )
  })
})
