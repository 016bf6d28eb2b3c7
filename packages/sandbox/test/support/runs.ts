import type { JsonValue } from '@bletchley/state'
import {
  deploy,
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
