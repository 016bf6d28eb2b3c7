import { decrypt, encrypt, randomBytes } from '@bletchley/crypto'
import { type JsonValue, StateOverlay } from '@bletchley/state'
import { type PreparedModule, prepareRuntime, runCompute } from '../../src/index.ts'
import { wat } from './modules.ts'

/** A call of a host function to be made in a loop, in text format. */
export interface LoopedCall {
  /** Parameters and result. */
  signature: string
  arguments: string
  /** An input of the task that it is for, and that stays small. */
  handles?: 'functionName' | 'args'
}

/** At 0 stands the JSON text `1`, and a blob that the zeros at 256 open at 64; the state has a value under `1`. */
export const loopedCalls: Record<string, LoopedCall> = {
  fetch_function_name_length: { signature: '(result i32)', arguments: '' },
  fetch_function_name: { signature: '(param i32)', arguments: '(i32.const 512)', handles: 'functionName' },
  fetch_args_length: { signature: '(result i32)', arguments: '' },
  fetch_args: { signature: '(param i32)', arguments: '(i32.const 512)', handles: 'args' },
  ret: { signature: '(param i32 i32)', arguments: '(i32.const 0) (i32.const 0)' },
  write_state: {
    signature: '(param i32 i32 i32 i32)',
    arguments: '(i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)',
  },
  read_state_len: { signature: '(param i32 i32) (result i32)', arguments: '(i32.const 0) (i32.const 1)' },
  read_state: { signature: '(param i32 i32 i32)', arguments: '(i32.const 0) (i32.const 1) (i32.const 512)' },
  remove_from_state: { signature: '(param i32 i32)', arguments: '(i32.const 0) (i32.const 1)' },
  write_eth_bridge: { signature: '(param i32 i32 i32)', arguments: '(i32.const 0) (i32.const 0) (i32.const 0)' },
  gas: { signature: '(param i32)', arguments: '(i32.const 0)' },
  rand: { signature: '(param i32 i32)', arguments: '(i32.const 512) (i32.const 1)' },
  encrypt: {
    signature: '(param i32 i32 i32 i32)',
    arguments: '(i32.const 0) (i32.const 0) (i32.const 256) (i32.const 512)',
  },
  decrypt: {
    signature: '(param i32 i32 i32 i32)',
    arguments: '(i32.const 64) (i32.const 28) (i32.const 256) (i32.const 512)',
  },
  eprint: { signature: '(param i32 i32)', arguments: '(i32.const 0) (i32.const 0)' },
}

export interface HostModule {
  prepared: PreparedModule
  handles: LoopedCall['handles']
}

/** A contract that keeps an output, an Ethereum payload and a message, all as long as its args, and then makes the calls. */
export function hostModule(name: string, calls: number): HostModule {
  const { signature, arguments: text, handles } = loopedCalls[name]!
  const call = signature.includes('result') ? `(drop (call $f ${text}))` : `(call $f ${text})`
  const prepared = prepareRuntime(
    wat(`(module
      (import "env" "${name}" (func $f ${signature}))
      (import "env" "fetch_args_length" (func $length (result i32)))
      (import "env" "ret" (func $output (param i32 i32)))
      (import "env" "write_eth_bridge" (func $ethereum (param i32 i32 i32)))
      (import "env" "eprint" (func $print (param i32 i32)))
      (import "env" "encrypt" (func $seal (param i32 i32 i32 i32)))
      (import "env" "memory" (memory 128 128))
      (data (i32.const 0) "1")
      (func (export "call") (local $calls i32)
        (call $output (i32.const 0) (call $length))
        (call $ethereum (i32.const 0) (call $length) (i32.const 0))
        (call $print (i32.const 0) (call $length))
        (call $seal (i32.const 0) (i32.const 0) (i32.const 256) (i32.const 64))
        (local.set $calls (i32.const ${calls}))
        (if (local.get $calls) (then (loop ${call}
          (br_if 0 (local.tee $calls (i32.sub (local.get $calls) (i32.const 1)))))))))`),
  )
  if (prepared.kind === 'refused') throw new Error(prepared.message)
  return { prepared: prepared.module, handles }
}

/** Runs it with every input of the task, and the state, of so many bytes. */
export function runWithInputs({ prepared, handles }: HostModule, inputs: TaskInputs): void {
  const outcome = runCompute(prepared, {
    functionName: handles === 'functionName' ? 'name' : inputs.functionName,
    args: handles === 'args' ? new Uint8Array(8) : inputs.args,
    gasLimit: 2n ** 62n,
    state: new StateOverlay(inputs.state),
    stateSize: 0,
    host: { encrypt, decrypt, random: randomBytes },
  })
  if (outcome.kind === 'failure') throw new Error(outcome.message)
}

export interface TaskInputs {
  functionName: string
  args: Uint8Array
  state: Map<string, JsonValue>
}

/** Inputs of so many bytes, and a state with as many in one value and in many. */
export function inputsOf(bytes: number): TaskInputs {
  const state = new Map<string, JsonValue>([
    ['1', 1],
    ['large', 'x'.repeat(bytes)],
  ])
  for (let key = 0; key < bytes; key += 16) state.set(`key ${key}`, key)
  return { functionName: '€'.repeat(bytes / 3), args: new Uint8Array(bytes), state }
}

/** Processor time of this process in it, in milliseconds. */
export function cpuMs(work: () => void): number {
  const start = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1000
}
