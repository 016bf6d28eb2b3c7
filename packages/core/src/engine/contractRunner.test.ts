import { bytesToHex, utf8ToBytes } from '@bletchley/bytes'
import {
  addressOf,
  computeFailureItems,
  computeInputsHash,
  computeSuccessItems,
  decrypt,
  deployFailureItems,
  deployInputsHash,
  deploySuccessItems,
  encrypt,
  generateKeyPair,
  keccak256,
  lengthPrefixed,
  randomBytes,
  recoverAddress,
  SecretKey,
} from '@bletchley/crypto'
import { runLimits } from '@bletchley/sandbox'
import { openDelta, openState, sealDelta } from '@bletchley/state'
import { describe, expect, it, test } from 'vitest'
import createWabt from 'wabt'
import {
  type Computed,
  ContractRunner,
  type Deployed,
  type FailedRun,
  type MovedRun,
  type RefusedRun,
  type SharedModule,
  whyUnusable,
} from './contractRunner.ts'
import { emptyState, type StoredDelta, type StoredTip } from './contractStates.ts'

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
      (func (export "deploy") (export "call") (local $argument i32) (local $length i32)
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

function tipOf(deltas: readonly StoredDelta[]): StoredTip | undefined {
  const last = deltas.at(-1)
  return last && { key: last.key, hash: keccak256(last.data) }
}

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

  async run(callable: string, ...lengths: number[]): Promise<Computed | FailedRun | RefusedRun | MovedRun> {
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
      tip: tipOf(this.deltas),
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

describe('a task', () => {
  /** `ret` returns its arguments, `eth` has them sent to the address of 20 bytes 7, `set` writes them, `keep` does nothing. */
  const small = wabt
    .parseWat(
      'small.wat',
      `(module
        (import "env" "fetch_args" (func $args (param i32))) (import "env" "fetch_args_length" (func $length (result i32)))
        (import "env" "fetch_function_name" (func $name (param i32)))
        (import "env" "ret" (func $ret (param i32 i32)))
        (import "env" "write_eth_bridge" (func $send (param i32 i32 i32)))
        (import "env" "write_state" (func $write (param i32 i32 i32 i32)))
        (import "env" "memory" (memory 1 1))
        (data (i32.const 32) "\\07\\07\\07\\07\\07\\07\\07\\07\\07\\07\\07\\07\\07\\07\\07\\07\\07\\07\\07\\07")
        (func $is (param $letter i32) (result i32) (i32.eq (i32.load8_u (i32.const 0)) (local.get $letter)))
        (func (export "call")
          (call $name (i32.const 0)) (call $args (i32.const 64))
          (if (call $is (i32.const 114)) (then (call $ret (i32.const 64) (call $length))))
          (if (call $is (i32.const 101)) (then (call $send (i32.const 64) (call $length) (i32.const 32))))
          (if (call $is (i32.const 115)) (then (call $write (i32.const 0) (i32.const 1) (i32.const 64) (call $length))))
          (if (call $is (i32.const 102)) (then
            (call $write (i32.const 0) (i32.const 1) (i32.const 64) (call $length)) (unreachable)))))`,
    )
    .toBinary({}).buffer
  const signingKey = generateKeyPair()
  const gasLimit = 1_000_000n

  function start({
    bytecode = small,
    encryptEmptyOutput = false,
  }: {
    bytecode?: Uint8Array
    encryptEmptyOutput?: boolean
  } = {}) {
    const deltas: StoredDelta[] = []
    const asked: string[] = []
    const shared: SharedModule[] = []
    const runner = new ContractRunner(
      { signingKey: signingKey.secretKey, encryptEmptyOutput, share: (module) => void shared.push(module) },
      {
        bytecode: async () => {
          asked.push('bytecode')
          return bytecode
        },
        snapshot: async () => {
          asked.push('snapshot')
          return undefined
        },
        deltas: async (_, from) => {
          asked.push(`deltas from ${from}`)
          return deltas.slice(from)
        },
      },
    )
    const request = (callable: string, args = '') => ({
      ...{ address, stateKey, sharedKey, userKey, gasLimit, codeHash: keccak256(bytecode), tip: tipOf(deltas) },
      encryptedFn: encrypt(sharedKey, utf8ToBytes(callable)),
      encryptedArgs: args === '' ? new Uint8Array() : encrypt(sharedKey, utf8ToBytes(args)),
    })
    const compute = async (callable: string, args?: string) => {
      asked.length = 0
      const run = await runner.compute(request(callable, args))
      if (run.kind === 'success' && run.delta !== undefined) deltas.push(run.delta)
      return run
    }
    return { runner, deltas, asked, shared, request, compute }
  }
  const signerOf = (items: Uint8Array[], signature: Uint8Array) => recoverAddress(lengthPrefixed(items), signature)
  const signer = addressOf(signingKey.publicKey)
  const noCall = { payload: new Uint8Array(), address: new Uint8Array(20) }

  it('makes the first delta whether it changes anything or not, and then only for what has changed', async () => {
    const { compute, deltas } = start()
    const first = (await compute('keep()')) as Computed
    expect(first).toMatchObject({ kind: 'success', delta: { key: 0 }, stateBytes: 0, snapshotDue: false })
    expect(first.deltaHash).toEqual(keccak256(deltas[0]!.data))
    expect(openDelta(stateKey, deltas[0]!.data)).toEqual({ patch: [], previousHash: new Uint8Array(32) })
    const second = (await compute('keep()')) as Computed
    expect('delta' in second).toBe(false)
    expect(second.deltaHash).toEqual(first.deltaHash)
    const third = (await compute('set()', '12')) as Computed
    expect(third).toMatchObject({ delta: { key: 1 }, deltaHash: keccak256(deltas[1]!.data), stateBytes: 7 })
    expect(openDelta(stateKey, deltas[1]!.data).previousHash).toEqual(keccak256(deltas[0]!.data))
    expect(((await compute('set()', '12')) as Computed).delta).toBeUndefined()
  })

  it.each([
    ['keep()', '', false, '', noCall],
    ['keep()', '', true, '', noCall],
    ['ret()', 'a', false, 'a', noCall],
    ['eth()', 'call data', false, '', { payload: utf8ToBytes('call data'), address: new Uint8Array(20).fill(7) }],
  ] as const)(
    '%s of "%s" is signed as it is answered (empty outputs encrypted: %s)',
    async (callable, args, encryptEmptyOutput, plain, ethereum) => {
      const { runner, request, compute, deltas } = start({ encryptEmptyOutput })
      await compute('keep()')
      const asked = request(callable, args)
      const run = (await runner.compute(asked)) as Computed
      const { output, usedGas } = run
      const isPlain = plain === '' && !encryptEmptyOutput
      expect(isPlain ? output : decrypt(sharedKey, output)).toEqual(utf8ToBytes(plain))
      expect(run.ethereum).toEqual(ethereum)
      const items = computeSuccessItems({
        ...{ exeCodeHash: asked.codeHash, inputsHash: computeInputsHash({ ...asked, contractAddress: address }) },
        ...{ previousDeltaHash: keccak256(deltas[0]!.data), newDeltaHash: new Uint8Array(32) },
        ...{ outputHash: keccak256(output), gasLimit, usedGas, ethereum },
      })
      expect(signerOf(items, run.signature)).toEqual(signer)
    },
  )

  it('that fails leaves the state as it was, and its gas is signed', async () => {
    const { runner, request, compute, deltas } = start()
    await compute('set()', '1')
    const asked = request('fail()', '2')
    const run = (await runner.compute(asked)) as FailedRun
    expect(failureText(run)).toMatch(/^Error in execution of WASM code: /)
    const { usedGas } = run
    expect(usedGas).toBeGreaterThan(0n)
    const inputsHash = computeInputsHash({ ...asked, contractAddress: address })
    const items = computeFailureItems({ inputsHash, exeCodeHash: asked.codeHash, gasLimit, usedGas })
    expect(signerOf(items, run.signature)).toEqual(signer)
    await compute('set()', '3')
    expect(openDelta(stateKey, deltas[1]!.data).patch).toEqual([{ op: 'replace', path: '/s', value: 3 }])
  })

  it('keeps the state that it leads to, until it is told to forget it', async () => {
    const { runner, compute, asked, shared } = start()
    await compute('set()', '1')
    expect(asked).toEqual(['bytecode'])
    expect(runner.states).toEqual({ entries: 1, bytes: expect.any(Number) })
    expect(shared).toEqual([
      { codeHash: keccak256(small), codeBytes: small.length, prepared: expect.objectContaining({ kind: 'ready' }) },
    ])
    await compute('set()', '2')
    expect(asked).toEqual(['bytecode'])
    runner.forget(bytesToHex(address))
    expect(runner.states.entries).toBe(0)
    await compute('set()', '3')
    expect(asked).toEqual(['snapshot', 'deltas from 0', 'bytecode'])
  })

  it('says from the 64th delta on that a snapshot is due, and a rebuild makes it', async () => {
    const { runner, compute, deltas } = start()
    const due: boolean[] = []
    for (let count = 0; count < 65; count++) due.push(((await compute('set()', String(count))) as Computed).snapshotDue)
    expect(due.indexOf(true)).toBe(63)
    const tip = tipOf(deltas)!
    const rebuilt = await runner.rebuild({ address, stateKey, tip })
    expect(rebuilt).toMatchObject({ whole: true, stateBytes: 7, snapshot: { key: 64, deltaHash: tip.hash } })
    expect(openState(stateKey, rebuilt.snapshot!.data)).toMatchObject({ deltaIndex: 64, json: new Map([['s', 64]]) })
    expect(await runner.rebuild({ address, stateKey, tip })).toEqual({ whole: true, stateBytes: 7 })
    expect(await runner.rebuild({ address, stateKey: randomBytes(32), tip })).toEqual({ whole: false, stateBytes: 0 })
  })

  it('on code that may not run fails without gas, and its inputs are looked at before', async () => {
    const { compute } = start({ bytecode: new Uint8Array(8) })
    const failed = (await compute('f()')) as FailedRun
    expect([failed.kind, failed.usedGas]).toEqual(['failed', 0n])
    expect(failureText(failed)).toMatch(/^Error in execution of deserialization into WASM module: /)
    expect(failureText(await compute('f'))).toBe("Input Error: Input Error: 'callable' signature is illegal")
  })

  it('without a state key is refused: a computation before, and a deployment behind its inputs', async () => {
    const { runner, request } = start()
    const refused = { kind: 'refused', name: 'KeysError' }
    for (const callable of ['keep()', 'junk']) {
      const task = { ...request(callable), stateKey: undefined, preCode: small, preCodeHash: keccak256(small) }
      expect(await runner.compute(task)).toEqual(refused)
      expect(await runner.deploy(task)).toEqual(
        callable === 'junk' ? expect.objectContaining({ kind: 'failed' }) : refused,
      )
    }
  })

  it('on a chain that leads nowhere is refused, before its inputs are looked at', async () => {
    const { runner, request, compute } = start()
    await compute('keep()')
    const wrongKey = { ...request('junk'), stateKey: randomBytes(32) }
    expect(await runner.compute(wrongKey)).toEqual({ kind: 'refused', name: 'EncryptionError' })
  })

  it('comes to nothing when another chain or other code is found than was loaded', async () => {
    const { runner, request, compute, shared, deltas } = start()
    await compute('set()', '1')
    runner.forget(bytesToHex(address))
    const other = { ...request('keep()'), tip: { key: 0, hash: randomBytes(32) } }
    expect(await runner.compute(other)).toEqual({ kind: 'moved' })
    shared.length = 0
    expect(await runner.compute({ ...request('keep()'), codeHash: randomBytes(32) })).toEqual({ kind: 'moved' })
    expect(shared).toEqual([])
    // Nothing of it is kept.
    expect(await compute('set()', '2')).toMatchObject({ kind: 'success', delta: { key: 1 } })
    expect(openDelta(stateKey, deltas[1]!.data).patch).toEqual([{ op: 'replace', path: '/s', value: 2 }])
  })

  it('to deploy is signed with what it made, and fails with the gas of its constructor', async () => {
    const { runner } = start()
    const preCode = contract
    const args = (...lengths: number[]) => encrypt(sharedKey, new Uint8Array(Uint32Array.from(lengths).buffer))
    const request = (encryptedArgs: Uint8Array) => ({
      ...{ address, stateKey, sharedKey, userKey, gasLimit: 1_000_000_000n, preCode, preCodeHash: keccak256(preCode) },
      ...{ encryptedFn: encrypt(sharedKey, utf8ToBytes('fill()')), encryptedArgs },
    })
    const task = request(args(5))
    const run = (await runner.deploy(task)) as Deployed
    expect(run).toMatchObject({ kind: 'success', codeHash: keccak256(run.output), delta: { key: 0 }, stateBytes: 12 })
    expect(run.deltaHash).toEqual(keccak256(run.delta.data))
    const items = deploySuccessItems({
      ...{ inputsHash: deployInputsHash(task), exeCodeHash: run.codeHash, deltaHash: keccak256(run.delta.data) },
      ...{ gasLimit: task.gasLimit, usedGas: run.usedGas, ethereum: noCall },
    })
    expect(signerOf(items, run.signature)).toEqual(signer)

    const large = request(args(...Array<number>(4).fill(4.1 * million)))
    const failed = (await runner.deploy(large)) as FailedRun
    const { usedGas } = failed
    expect(failureText(failed)).toBe(`Error in execution of WASM code: ${runLimits.deltaBytes.text}`)
    expect(usedGas).toBeGreaterThan(16_000_000n)
    const failure = deployFailureItems({ inputsHash: deployInputsHash(large), gasLimit: large.gasLimit, usedGas })
    expect(signerOf(failure, failed.signature)).toEqual(signer)
  })
})

it.each([
  ['whole', undefined, undefined],
  ['undecryptable', 'EncryptionError', 'EncryptionError'],
  ['malformed', 'StateError', 'StateError'],
  ['hash_mismatch', 'StateError', 'StateError'],
  ['invalid_patch', 'StateError', 'StateError'],
  ['index_gap', 'StateError', 'StateError'],
  ['gap', 'StateError', undefined],
] as const)('a chain that is %s is unusable as %s at its start, and as %s behind it', (end, atStart, behind) => {
  const tip = { key: 9, hash: randomBytes(32) }
  const broken = end === 'whole' ? {} : { broken: end }
  const live = emptyState(stateKey)
  expect(whyUnusable({ live, ...broken }, tip)).toBe(atStart)
  const moved = { ...live, state: { ...live.state, deltaHash: randomBytes(32) } }
  expect(whyUnusable({ live: moved, ...broken }, tip)).toBe(behind)
})
