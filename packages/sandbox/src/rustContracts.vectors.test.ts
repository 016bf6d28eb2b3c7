import { readFileSync } from 'node:fs'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { keccak256, sha256 } from '@bletchley/crypto'
import { encodeJson, type JsonValue, parseJson } from '@bletchley/state'
import { describe, expect, it } from 'vitest'
import { compute, deployModule } from '../test/support/runs.ts'

/** JSON text of each key. */
type State = Record<string, string>

interface Call {
  function: string
  args: string
  gasLimit: string
  result: 'success' | 'unreachable' | 'out of gas'
  usedGas: string
  output?: string
  state?: State
}

interface Contract {
  preCodeSha256: string
  exeCodeLength: number
  exeCodeKeccak256: string
  deploy: { args: string; usedGas: string; state: State }
  calls: Call[]
}

const folder = new URL('../vectors/rust/', import.meta.url)
const contracts = JSON.parse(readFileSync(new URL('expected.json', folder), 'utf8')) as Record<string, Contract>

const messages = {
  unreachable: 'Error in execution of WASM code: unreachable',
  'out of gas': 'Invocation resulted in gas limit violated',
}

function mapOf(state: State): Map<string, JsonValue> {
  return new Map(Object.entries(state).map(([key, text]) => [key, parseJson(new TextEncoder().encode(text))]))
}

function textsOf(state: Map<string, JsonValue>): State {
  return Object.fromEntries([...state].map(([key, value]) => [key, new TextDecoder().decode(encodeJson(value))]))
}

describe.each(Object.entries(contracts))('%s, compiled from Rust', (name, { deploy, calls, ...code }) => {
  const preCode = new Uint8Array(readFileSync(new URL(`${name}.wasm`, folder)))
  const state = new Map<string, JsonValue>()
  const deployment = deployModule(preCode, { functionName: 'construct', args: hexToBytes(deploy.args), state })
  const exeCode = deployment.kind === 'success' ? deployment.output : new Uint8Array()

  it('deploys', () => {
    expect(bytesToHex(sha256(preCode))).toBe(code.preCodeSha256)
    expect(deployment).toMatchObject({ kind: 'success', usedGas: BigInt(deploy.usedGas) })
    expect(textsOf(state)).toEqual(deploy.state)
    expect(exeCode.length).toBe(code.exeCodeLength)
    expect(bytesToHex(keccak256(exeCode))).toBe(code.exeCodeKeccak256)
  })

  // Each call starts from the state that the calls before it are expected to leave.
  let before = deploy.state
  const steps = calls.map((call) => {
    const step = { ...call, before }
    before = call.state ?? before
    return step
  })

  it.each(steps)('$function gives $result at $usedGas gas', (step) => {
    const state = mapOf(step.before)
    const outcome = compute(exeCode, {
      functionName: step.function,
      args: hexToBytes(step.args),
      gasLimit: BigInt(step.gasLimit),
      state,
    })
    const usedGas = BigInt(step.usedGas)
    if (step.result !== 'success') {
      expect(outcome).toEqual({ kind: 'failure', message: messages[step.result], usedGas })
      return
    }
    const ethereum = { payload: new Uint8Array(), address: new Uint8Array(20) }
    expect(outcome).toEqual({ kind: 'success', output: hexToBytes(step.output!), usedGas, ethereum })
    expect(textsOf(state)).toEqual(step.state)
  })
})
