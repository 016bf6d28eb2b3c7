import { bytesToHex, utf8ToBytes } from '@bletchley/bytes'
import createWabt from 'wabt'

const wabt = await createWabt()

export function assemble(wat: string): Uint8Array {
  const module = wabt.parseWat('contract.wat', wat)
  try {
    return module.toBinary({}).buffer
  } finally {
    module.destroy()
  }
}

/** A contract that does to its state what its argument says, step by step. */
export const scripted = assemble(`(module
  (import "env" "fetch_args" (func $args (param i32)))
  (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
  (import "env" "remove_from_state" (func $remove (param i32 i32)))
  (import "env" "read_state_len" (func $length (param i32 i32) (result i32)))
  (import "env" "read_state" (func $read (param i32 i32 i32)))
  (import "env" "ret" (func $ret (param i32 i32)))
  (import "env" "memory" (memory 120 128))
  (func (export "call")
    (local $at i32) (local $end i32) (local $step i32) (local $key i32) (local $keyLength i32) (local $value i32) (local $valueLength i32)
    (call $args (i32.const 65536))
    ;; Behind offset and length of the bytes stands how long the script is.
    (local.set $at (i32.const 65604))
    (local.set $end (i32.add (local.get $at) (i32.load (i32.const 65600))))
    (block (loop
      (br_if 1 (i32.ge_u (local.get $at) (local.get $end)))
      (local.set $step (i32.load8_u (local.get $at)))
      (local.set $keyLength (i32.load offset=1 (local.get $at)))
      (local.set $key (i32.add (local.get $at) (i32.const 5)))
      (local.set $value (i32.add (i32.add (local.get $key) (local.get $keyLength)) (i32.const 4)))
      (local.set $valueLength (i32.load (i32.sub (local.get $value) (i32.const 4))))
      (local.set $at (i32.add (local.get $value) (local.get $valueLength)))
      (if (i32.eq (local.get $step) (i32.const 1)) (then
        (call $write (local.get $key) (local.get $keyLength) (local.get $value) (local.get $valueLength))))
      (if (i32.eq (local.get $step) (i32.const 2)) (then
        (call $remove (local.get $key) (local.get $keyLength))))
      (if (i32.eq (local.get $step) (i32.const 3)) (then
        (call $read (local.get $key) (local.get $keyLength) (i32.const 4194304))
        (call $ret (i32.const 4194304) (call $length (local.get $key) (local.get $keyLength)))))
      (if (i32.eq (local.get $step) (i32.const 4)) (then (unreachable)))
      (if (i32.eq (local.get $step) (i32.const 5)) (then (loop (br 0))))
      (br 0)))))`)

export type Step =
  | { write: string | Uint8Array; value: string }
  | { remove: string }
  | { read: string | Uint8Array }
  | 'trap'
  | 'burn'

/** The argument of `run(bytes)`. */
export function script(...steps: Step[]): string {
  const parts = steps.map((step) => {
    if (step === 'trap') return encodeStep(4)
    if (step === 'burn') return encodeStep(5)
    if ('write' in step) return encodeStep(1, step.write, step.value)
    return 'remove' in step ? encodeStep(2, step.remove) : encodeStep(3, step.read)
  })
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  return `0x${[u32(length), ...parts].map(bytesToHex).join('')}`
}

function encodeStep(code: number, key: string | Uint8Array = '', value = ''): Uint8Array {
  const name = typeof key === 'string' ? utf8ToBytes(key) : key
  const text = utf8ToBytes(value)
  return Uint8Array.from([code, ...u32(name.length), ...name, ...u32(text.length), ...text])
}

function u32(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer)
}
