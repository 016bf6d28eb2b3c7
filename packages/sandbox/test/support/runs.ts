import { type JsonValue, StateOverlay } from '@bletchley/state'
import {
  deploy,
  type GasProfile,
  type HostCapabilities,
  type Invocation,
  type Outcome,
  prepareRuntime,
  runCompute,
} from '../../src/index.ts'
import { wat } from './modules.ts'

/** A stand-in for the capabilities of a worker: reversible and predictable. */
export const plainHost: HostCapabilities = {
  encrypt: (key, plaintext) => Uint8Array.from([...plaintext.map((byte) => byte ^ key[0]!), ...new Uint8Array(28)]),
  decrypt(key, blob) {
    if (blob.length < 12) throw Object.assign(new Error('too short'), { code: 'improper_encryption' })
    if (blob.length < 28) throw Object.assign(new Error('does not open'), { code: 'decryption_failed' })
    return blob.slice(0, -28).map((byte) => byte ^ key[0]!)
  },
  random: (length) => new Uint8Array(length).fill(0xab),
}

export function invocation(changes: Partial<Invocation> = {}): Invocation {
  return {
    functionName: 'call',
    args: new Uint8Array(),
    gasLimit: 100_000_000n,
    state: new Map<string, JsonValue>(),
    stateSize: 0,
    host: plainHost,
    ...changes,
  }
}

function bytesOf(module: string | Uint8Array): Uint8Array {
  return typeof module === 'string' ? wat(module) : module
}

/** Computes on a module given as text or bytes; a refusal is the failure that the core makes of it. */
export function compute(module: string | Uint8Array, changes: Partial<Invocation> = {}): Outcome {
  const prepared = prepareRuntime(bytesOf(module))
  if (prepared.kind === 'refused') return { kind: 'failure', message: prepared.message, usedGas: 0n }
  return runCompute(prepared.module, invocation(changes))
}

export function deployModule(module: string | Uint8Array, changes: Partial<Invocation> = {}): Outcome {
  return deploy(bytesOf(module), invocation(changes))
}

/** Computes on a module that is prepared for profiling, from the same state, which it leaves as it was. */
export function computeProfiled(
  module: string | Uint8Array,
  changes: Partial<Invocation> = {},
): { outcome: Outcome; profile: GasProfile | undefined } {
  const prepared = prepareRuntime(bytesOf(module), { profiled: true })
  if (prepared.kind === 'refused') {
    return { outcome: { kind: 'failure', message: prepared.message, usedGas: 0n }, profile: undefined }
  }
  const state = new StateOverlay((changes.state ?? new Map()) as Map<string, JsonValue>)
  const { profile, ...outcome } = runCompute(prepared.module, invocation({ ...changes, state }))
  return { outcome: outcome as Outcome, profile }
}

/** What a task with this profile is billed. */
export function billOf({ functions, memoryGrow, stateWrites, gasCalls, flat, lost, refund }: GasProfile): bigint {
  const parts = [...functions.map(({ gas }) => gas), ...stateWrites.map(({ charged }) => charged)]
  return [...parts, memoryGrow, gasCalls, flat, lost].reduce((sum, gas) => sum + gas, 0n) - refund
}
