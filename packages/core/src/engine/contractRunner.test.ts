import { utf8ToBytes } from '@bletchley/bytes'
import { decrypt, encrypt, generateKeyPair, keccak256, randomBytes, SecretKey } from '@bletchley/crypto'
import { runLimits } from '@bletchley/sandbox'
import { openDelta, sealDelta } from '@bletchley/state'
import { expect, test } from 'vitest'
import createWabt from 'wabt'
import { type Computed, ContractRunner, type FailedRun, type RefusedRun } from './contractRunner.ts'
import type { StoredDelta } from './contractStates.ts'

// What a contract may keep and change, at the sizes where a request through a socket would take long.

const wabt = await createWabt()
const address = randomBytes(32)
const stateKey = randomBytes(32)
const sharedKey = randomBytes(32)
const userKey = generateKeyPair().publicKey

/**
 * `fill` writes strings of `a`, each as long as the next argument (u32, little-endian) says, under the keys a, b, c …,
 * and passes over a key where it says `skip`;
 * `zero` and `one` write an array of that many 0 or 1 under the key z.
 */
const contract = wabt
  .parseWat(
    'contract.wat',
    `(module
      (import "env" "fetch_args" (func $args (param i32))) (import "env" "fetch_args_length" (func $argsLength (result i32)))
      (import "env" "fetch_function_name" (func $name (param i32)))
      (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
      (import "env" "memory" (memory 120 128))
      (func $text (param $length i32) (local $at i32)
        (local.set $at (i32.const 65536))
        (loop (i64.store (local.get $at) (i64.const 0x6161616161616161))
          (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8)))
            (i32.add (local.get $length) (i32.const 65536)))))
        (i32.store8 (i32.const 65535) (i32.const 34))
        (i32.store8 (i32.add (local.get $length) (i32.const 65536)) (i32.const 34)))
      (func $array (param $count i32) (param $digit i32) (local $at i32)
        (i32.store8 (i32.const 65535) (i32.const 91))
        (local.set $at (i32.const 65536))
        (loop (i32.store16 (local.get $at) (i32.add (i32.const 0x2c00) (local.get $digit)))
          (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 2)))
            (i32.add (i32.mul (local.get $count) (i32.const 2)) (i32.const 65536)))))
        (i32.store8 (i32.sub (local.get $at) (i32.const 1)) (i32.const 93)))
      (func (export "call") (local $argument i32) (local $length i32)
        (call $name (i32.const 0)) (call $args (i32.const 16))
        (i32.store8 (i32.const 8) (i32.const 122))
        (if (i32.eq (i32.load8_u (i32.const 0)) (i32.const 102))
          (then (loop
            (local.set $length (i32.load (i32.add (local.get $argument) (i32.const 16))))
            (if (i32.ne (local.get $length) (i32.const -1)) (then
              (call $text (local.get $length))
              (i32.store8 (i32.const 8) (i32.add (i32.const 97) (i32.shr_u (local.get $argument) (i32.const 2))))
              (call $write (i32.const 8) (i32.const 1) (i32.const 65535) (i32.add (local.get $length) (i32.const 2)))))
            (br_if 0 (i32.lt_u (local.tee $argument (i32.add (local.get $argument) (i32.const 4))) (call $argsLength)))))
          (else
            (call $array (i32.load (i32.const 16))
              (select (i32.const 48) (i32.const 49) (i32.eq (i32.load8_u (i32.const 0)) (i32.const 122))))
            (call $write (i32.const 8) (i32.const 1) (i32.const 65535)
              (i32.add (i32.mul (i32.load (i32.const 16)) (i32.const 2)) (i32.const 1)))))))`,
  )
  .toBinary({}).buffer
const skip = 0xffff_ffff
const codeHash = keccak256(contract)

/** A runner and the deltas that it gets to see. */
class Worker {
  readonly deltas: StoredDelta[] = []
  readonly runner = new ContractRunner(
    { signingKey: new SecretKey(randomBytes(32)), encryptEmptyOutput: false, share: () => {} },
    {
      bytecode: async () => contract,
      snapshot: async () => undefined,
      deltas: async (_, from) => this.deltas.slice(from),
    },
  )

  async run(callable: string, ...lengths: number[]): Promise<Computed | FailedRun | RefusedRun> {
    const args = new Uint8Array(Uint32Array.from(lengths).buffer)
    const run = await this.runner.compute({
      address,
      stateKey,
      sharedKey,
      userKey,
      codeHash,
      encryptedFn: encrypt(sharedKey, utf8ToBytes(callable)),
      encryptedArgs: encrypt(sharedKey, args),
      gasLimit: 1_000_000_000n,
      tip: this.deltas.at(-1),
    })
    if (run.kind === 'success' && run.delta !== undefined) this.deltas.push(run.delta)
    return run
  }
}

function failureText(run: { kind: string; output?: Uint8Array }): string | undefined {
  return run.kind === 'failed' ? new TextDecoder().decode(decrypt(sharedKey, run.output!)) : undefined
}

const million = 1_000_000

test('a delta has its largest size, and not a byte more', async () => {
  const { value, text } = runLimits.deltaBytes
  const lengths = [4 * million, 4 * million, 4 * million]
  const probe = new Worker()
  await probe.run('fill()', ...lengths, 3 * million)
  const last = 3 * million + value - probe.deltas[0]!.data.length

  const within = new Worker()
  expect((await within.run('fill()', ...lengths, last)).kind).toBe('success')
  expect(within.deltas[0]!.data.length).toBe(value)

  const past = new Worker()
  const failed = await past.run('fill()', ...lengths, last + 1)
  expect(failureText(failed)).toBe(`Error in execution of WASM code: ${text}`)
  expect(past.deltas).toEqual([])
  // Nothing of it is left in the state that the runner keeps.
  await past.run('fill()', 10)
  expect(openDelta(stateKey, past.deltas[0]!.data).patch).toEqual([{ op: 'add', path: '/a', value: 'a'.repeat(10) }])
})

test('a delta of many small changes ends before it fills the memory', async () => {
  const worker = new Worker()
  expect((await worker.run('zero()', 1_100_000)).kind).toBe('success')
  const tip = worker.deltas.length
  // A million operations of some 20 bytes, for 2 MB of state.
  expect(failureText(await worker.run('one()', 1_100_000))).toMatch(/state changes take more than 16000000 bytes$/)
  expect(worker.deltas).toHaveLength(tip)
  expect((await worker.run('fill()', 5)).kind).toBe('success')
})

test('a state has its largest size, also when it was rebuilt, and larger ones from elsewhere stay usable', async () => {
  const { value, text } = runLimits.stateBytes
  const part = Math.floor(value / 5) - 100
  const worker = new Worker()
  await worker.run('fill()', part, part)
  await worker.run('fill()', skip, skip, part, part)
  // Four members: name with quotes, colon, comma, and quotes of the value.
  const room = value - 4 * (part + 7)
  expect((await worker.run('fill()', skip, skip, skip, skip, room - 7 + 1)).kind).toBe('failed')
  expect((await worker.run('fill()', skip, skip, skip, skip, room - 7)).kind).toBe('success')

  const rebuilt = new Worker()
  rebuilt.deltas.push(...worker.deltas)
  expect(failureText(await rebuilt.run('fill()', part + 1))).toBe(`Error in execution of WASM code: ${text}`)
  expect((await rebuilt.run('fill()', part - 1)).kind).toBe('success')
  expect((await rebuilt.run('fill()', part)).kind).toBe('success')

  const foreign = sealDelta(stateKey, {
    patch: [{ op: 'add', path: '/more', value: 'x'.repeat(1000) }],
    previousHash: keccak256(rebuilt.deltas.at(-1)!.data),
  })
  rebuilt.deltas.push({ key: rebuilt.deltas.length, data: foreign })
  expect((await rebuilt.run('fill()', part)).kind).toBe('success')
  expect((await rebuilt.run('fill()', part - 5)).kind).toBe('success')
  expect(failureText(await rebuilt.run('fill()', part - 4))).toBe(`Error in execution of WASM code: ${text}`)
})

test('inputs that do not open cost no gas, whatever the limit is', async () => {
  const { runner } = new Worker()
  const junk = randomBytes(60)
  const inputs = { address, sharedKey, userKey, encryptedFn: junk, encryptedArgs: junk, gasLimit: 1000n }
  const failed = { kind: 'failed', usedGas: 0n }
  expect(
    await runner.deploy({ ...inputs, stateKey, preCode: contract, preCodeHash: keccak256(contract) }),
  ).toMatchObject(failed)
  expect(await runner.compute({ ...inputs, stateKey, codeHash, tip: undefined })).toMatchObject(failed)
})
