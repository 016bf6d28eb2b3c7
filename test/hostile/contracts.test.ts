import { bytesToHex, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import { type CoreClient, computeFunction } from '@bletchley/client'
import { createTask, createUserKeys, prepareCompute } from '@bletchley/client/user'
import { randomBytes } from '@bletchley/crypto'
import { applyDelta, encodeJson, initialState, parseJson } from '@bletchley/state'
import { type CoreProcess, startCoreProcess, TestPrincipal, temporaryFolder } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { inTime } from '../inTime.ts'
import { type WireReply, WireSocket } from '../wireSocket.ts'
import { assemble, type Step, script, scripted } from './scripted.ts'

// Contracts that mean harm, on a core that runs as its operators run it, beside a contract that does not. One thread, so
// that they share everything that can be shared.

const principal = new TestPrincipal()
const gasLimit = 100_000_000n
const execution = 'Error in execution of WASM code: '
let core: CoreProcess
let neighbour: Uint8Array

beforeAll(async () => {
  core = await startCoreProcess({ args: ['--threads', '1'] })
  neighbour = await install(core.client, scripted)
  await run(core.client, neighbour, { write: 'secret', value: '"of the neighbour"' })
})

afterAll(() => core[Symbol.asyncDispose]())

async function install(client: CoreClient, bytecode: Uint8Array, address = randomBytes(32)): Promise<Uint8Array> {
  await client.methods.updateNewContract({ address, bytecode })
  await principal.installKeys(client, [address])
  return address
}

function compute(client: CoreClient, contractAddress: Uint8Array, gas = gasLimit) {
  return computeFunction(client, { contractAddress, gasLimit: gas, callable: 'f()', args: [] })
}

/** Runs a script; the limit of gas is that of the test unless given. */
function runWithin(client: CoreClient, contractAddress: Uint8Array, gas: bigint, ...steps: Step[]) {
  return computeFunction(client, { contractAddress, gasLimit: gas, callable: 'run(bytes)', args: [script(...steps)] })
}

async function run(client: CoreClient, contractAddress: Uint8Array, ...steps: Step[]) {
  const end = await runWithin(client, contractAddress, gasLimit, ...steps)
  if (end.kind === 'failed') throw new Error(end.message)
  return end
}

async function read(client: CoreClient, contractAddress: Uint8Array, key: string): Promise<string> {
  return new TextDecoder().decode((await run(client, contractAddress, { read: key })).output)
}

async function expectNeighbourIntact(): Promise<void> {
  expect(await read(core.client, neighbour, 'secret')).toBe('"of the neighbour"')
  expect((await core.client.methods.getTip({ address: neighbour })).key).toBe(0)
  expect(core.process.running).toBe(true)
}

/** The state that a contract's deltas lead to, found without the worker. */
async function stateOf(client: CoreClient, address: Uint8Array): Promise<Map<string, string>> {
  const { deltas } = await client.methods.getDeltas({ ranges: [{ address, from: 0, to: 1000 }] })
  const state = initialState()
  for (const { key, data } of deltas) applyDelta(state, key, principal.stateKey(address), data)
  return new Map([...state.json].map(([key, value]) => [key, new TextDecoder().decode(encodeJson(value))]))
}

describe('keys and values of every kind', () => {
  const keys = [
    ...['__proto__', 'constructor', 'toString', '', '/', 'a/b', '~', '~0', '~1/~', '\0', 'a\0b', '0', '-', '"\\\n'],
    ...['é', '\uffff', '\u{10000}', '\ufeff', 'k'.repeat(4096)],
  ]
  const values = [
    ...['null', 'true', '0', '-1', '18446744073709551615', '-9223372036854775808', '1.0', '-0.0', '5e-324', '1e300'],
    ...['""', '"\\u0000\\"\\\\\\/\\n\\ud83d\\ude00"', '[]', '{}', '[[],{},[{}]]', '[1,2,3,4,5,6,7,8,9,10]', '[3]'],
    ...['{"__proto__":{"a/b":[1,{"~":null}]},"":0}', '{"":{"":{"":[]}}}', `[${'0,'.repeat(3000)}0]`],
    ...[`${'['.repeat(127)}${']'.repeat(127)}`, `${'{"a":'.repeat(127)}1${'}'.repeat(127)}`],
  ]
  const canonical = (text: string) => new TextDecoder().decode(encodeJson(parseJson(utf8ToBytes(text))))

  it('grow, shrink, change and go, and are the same after a restart and on another worker', async () => {
    await using folder = await temporaryFolder()
    const address = randomBytes(32)
    const model = new Map<string, string>()
    {
      await using killed = await startCoreProcess({ dataFolder: folder.path })
      await install(killed.client, scripted, address)
      // Each key takes each value once, after each time another one.
      for (let round = 0; round < values.length; round++) {
        const steps = keys.map((key, index): Step => {
          const value = values[(index * 5 + round * 7) % values.length]!
          if ((index + round) % 6 === 0) {
            model.delete(key)
            return { remove: key }
          }
          model.set(key, canonical(value))
          return { write: key, value }
        })
        await run(killed.client, address, ...steps)
      }
      expect(await stateOf(killed.client, address)).toEqual(model)
      await killed.process.kill('SIGKILL')
    }
    await using again = await startCoreProcess({ dataFolder: folder.path })
    expect(await principal.installKeys(again.client, [address])).toEqual([])
    for (const key of keys) expect(await read(again.client, address, key), key).toBe(model.get(key) ?? 'null')

    await using other = await startCoreProcess()
    const { deltas } = await again.client.methods.getDeltas({ ranges: [{ address, from: 0, to: 1000 }] })
    await other.client.methods.updateDeltas({ deltas })
    await install(other.client, scripted, address)
    for (const key of keys) expect(await read(other.client, address, key), key).toBe(model.get(key) ?? 'null')
  })

  it.each<[string, Step]>([
    ['a key that is not UTF-8', { write: Uint8Array.of(0x6b, 0xff), value: '1' }],
    ['a key of half a character', { read: Uint8Array.of(0xf0, 0x9f) }],
    ['a key that is too long', { write: 'k'.repeat(4097), value: '1' }],
    ['a value that is no JSON', { write: 'k', value: '{"a":1,}' }],
    ['a value with a lone surrogate', { write: 'k', value: '"\\ud800"' }],
    ['a value with a number beyond doubles', { write: 'k', value: '1e999' }],
    ['a value that is nested too deep', { write: 'k', value: `${'['.repeat(128)}${']'.repeat(128)}` }],
    ['a trap', 'trap'],
  ])('%s leaves nothing of what the run had written', async (_, last) => {
    const address = await install(core.client, scripted)
    await run(core.client, address, { write: 'k', value: '[1,2,3]' }, { write: 'l', value: '{"a":1}' })
    const tip = await core.client.methods.getTip({ address })
    const steps: Step[] = [{ write: 'k', value: '[9]' }, { write: 'new', value: '1' }, { remove: 'l' }, last]
    const failed = await runWithin(core.client, address, gasLimit, ...steps)
    expect(failed).toMatchObject({ kind: 'failed', verified: { signature: true } })
    expect(failed.usedGas > 0n && failed.usedGas < gasLimit).toBe(true)
    expect(await core.client.methods.getTip({ address })).toEqual(tip)
    expect(await read(core.client, address, 'k')).toBe('[1,2,3]')
    expect(await read(core.client, address, 'l')).toBe('{"a":1}')
    expect(await read(core.client, address, 'new')).toBe('null')
    await expectNeighbourIntact()
  })
})

describe('modules', () => {
  const importing = (...imports: string[]): string => `(module ${imports.join(' ')} (func (export "call")))`
  const memory = '(import "env" "memory" (memory 120 128))'
  const calling = (imports: string, body: string): string =>
    `(module ${imports} ${memory} (func (export "call") ${body}))`

  const refused: [string, string, string | RegExp][] = [
    [
      'a br_table bomb',
      `(module (func (export "call") (block (br_table ${'0 '.repeat(60_000)} (i32.const 0)))))`,
      'Error in execution of deserialization into WASM module: br_table has more than 10000 targets',
    ],
    [
      'more functions than there may be',
      `(module ${'(func)'.repeat(10_000)} (func (export "call")))`,
      'Error in execution of deserialization into WASM module: module has more than 10000 functions',
    ],
    [
      'huge locals',
      `(module (func (export "call") (local ${'i64 '.repeat(49_999)})))`,
      'Error in execution of creation of WASM module: function 0 has more than 49996 locals',
    ],
    [
      'a start function',
      '(module (func $f (export "call")) (start $f))',
      'Error in execution of creation of WASM module: start function is not allowed',
    ],
    ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'gasLeft', 'call', 'memory'].map(
      (field): [string, string, string] => [
        `a function env.${field}`,
        importing(`(import "env" "${field}" (func))`),
        `${execution}Instantiation: Export ${field} not found`,
      ],
    ),
    ...['__proto__', 'constructor', 'toString', '', 'ENV', 'env ', 'wasi_snapshot_preview1'].map(
      (module): [string, string, string] => [
        `a function of ${module}`,
        importing(`(import "${module}" "gas" (func (param i32)))`),
        `${execution}Instantiation: Module ${module} not found`,
      ],
    ),
    ...['__proto__', 'constructor', 'mem', 'gas'].map((field): [string, string, string] => [
      `a memory env.${field}`,
      importing(`(import "env" "${field}" (memory 1 1))`),
      `${execution}Instantiation: Memory imported under unknown name`,
    ]),
    [
      'a global env.gas',
      importing('(import "env" "gas" (global i32))'),
      `${execution}Instantiation: Export gas not found`,
    ],
    [
      'a table env.memory',
      importing('(import "env" "memory" (table 1 funcref))'),
      `${execution}Instantiation: Export memory not found`,
    ],
    [
      'gas with 64 bits',
      importing('(import "env" "gas" (func (param i64)))'),
      /Instantiation: Expected function with type .* for entry gas$/,
    ],
    ['two memories', importing(memory, memory), /more than one memory/],
    [
      'a memory that may grow without end',
      importing('(import "env" "memory" (memory 1))'),
      `${execution}Instantiation: Module requested too much memory`,
    ],
    [
      'minus one page of memory',
      calling('', '(drop (memory.grow (i32.const -1)))'),
      'Invocation resulted in gas limit violated',
    ],
    ['a loop without end', calling('', '(loop (br 0))'), 'Invocation resulted in gas limit violated'],
    [
      'a nest that recurses through a table',
      `(module (type $t (func (param i32))) (table 2 2 funcref) (elem (i32.const 0) $a $b)
        (func $a (param i32) (call_indirect (type $t) (local.get 0) (i32.xor (local.get 0) (i32.const 1))))
        (func $b (param i32) (call $a (i32.xor (local.get 0) (i32.const 1))))
        (func (export "call") (call $a (i32.const 0))))`,
      /stack overflow|unreachable/,
    ],
    [
      'host functions without end',
      calling(
        '(import "env" "rand" (func $rand (param i32 i32)))',
        '(loop (call $rand (i32.const 0) (i32.const 1000000)) (br 0))',
      ),
      `${execution}host functions have handled more than 16777216 bytes`,
    ],
    [
      'an argument that is too long',
      calling('(import "env" "ret" (func $ret (param i32 i32)))', '(call $ret (i32.const 0) (i32.const 4194305))'),
      `${execution}argument of a host function is longer than 4194304 bytes`,
    ],
  ]
  it.each(refused)('%s', async (_, wat, text) => {
    const address = await install(core.client, assemble(wat))
    const end = await compute(core.client, address)
    expect(end).toMatchObject({ kind: 'failed', verified: { signature: true } })
    if (typeof text === 'string') expect(end).toMatchObject({ message: text })
    else expect(end).toMatchObject({ message: expect.stringMatching(text) })
    await expect(core.client.methods.getTip({ address })).rejects.toThrow()
    await expectNeighbourIntact()
  })

  it('a nesting bomb that is too deep for text', async () => {
    const depth = 30_000
    const code = [...new Array<number[]>(depth).fill([0x02, 0x40]).flat(), ...new Array<number>(depth + 1).fill(0x0b)]
    const leb = (value: number) => [(value & 0x7f) | 0x80, ((value >> 7) & 0x7f) | 0x80, value >> 14]
    const module = Uint8Array.from([
      ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0],
      ...[
        7,
        8,
        1,
        4,
        0x63,
        0x61,
        0x6c,
        0x6c,
        0,
        0,
        10,
        ...leb(code.length + 5),
        1,
        ...leb(code.length + 1),
        0,
        ...code,
      ],
    ])
    const address = await install(core.client, module)
    expect(await compute(core.client, address)).toMatchObject({
      kind: 'failed',
      usedGas: 0n,
      message: 'Error in execution of deserialization into WASM module: blocks are nested more than 2000 deep',
    })
    await expectNeighbourIntact()
  })

  it('may import the same thing twice, and take all the memory there is', async () => {
    const gas = '(import "env" "gas" (func (param i32)))'
    const address = await install(
      core.client,
      assemble(
        calling(
          gas + gas,
          '(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (i32.store8 (i32.const 8388607) (i32.const 1))',
        ),
      ),
    )
    expect(await compute(core.client, address)).toMatchObject({ kind: 'success' })
    await expectNeighbourIntact()
  })

  it('find nothing in memory of whoever ran before', async () => {
    const fill = assemble(
      calling(
        '',
        '(local $at i32) (drop (memory.grow (i32.const 8))) (loop (i64.store (local.get $at) (i64.const -1)) (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 8388608))))',
      ),
    )
    const search = assemble(
      calling(
        '',
        '(local $at i32) (drop (memory.grow (i32.const 8))) (loop (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then (unreachable))) (br_if 0 (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 8388608))))',
      ),
    )
    const [first, second] = [await install(core.client, fill), await install(core.client, search)]
    for (let round = 0; round < 5; round++) {
      expect(await compute(core.client, first)).toMatchObject({ kind: 'success' })
      expect(await compute(core.client, second)).toMatchObject({ kind: 'success' })
    }
  })
})

describe('out of gas', () => {
  it('anywhere in a run leaves tip, state and user as they were', async () => {
    const address = await install(core.client, scripted)
    await run(core.client, address, { write: 'k', value: '[1,2,3]' }, { write: 'l', value: '{"a":1}' })
    const tip = await core.client.methods.getTip({ address })
    const steps: Step[] = [
      { write: 'k', value: '[1,2,3,4]' },
      { write: 'm', value: '"a new one"' },
      { remove: 'l' },
      { write: '', value: '7' },
    ]
    // No value shrinks, so what a run is billed is what it needs; on an empty state `k` grows by 7 bytes more.
    const needed = (await run(core.client, await install(core.client, scripted), ...steps)).usedGas - 7n
    const limits = [
      0n,
      1n,
      50n,
      ...Array.from({ length: 12 }, (_, part) => ((needed - 10_000n) * BigInt(part + 1)) / 12n),
    ]
    for (const limit of [...limits, needed - 5000n, needed - 1n]) {
      const failed = await runWithin(core.client, address, limit, ...steps)
      expect(failed, `limit ${limit}`).toMatchObject({
        kind: 'failed',
        message: 'Invocation resulted in gas limit violated',
        usedGas: limit,
        verified: { signature: true },
      })
      expect(await core.client.methods.getTip({ address }), `limit ${limit}`).toEqual(tip)
    }
    expect(await stateOf(core.client, address)).toEqual(
      new Map([
        ['k', '[1,2,3]'],
        ['l', '{"a":1}'],
      ]),
    )
    const enough = await runWithin(core.client, address, needed, ...steps)
    expect(enough).toMatchObject({ kind: 'success', delta: { key: 1 } })
    expect(await stateOf(core.client, address)).toEqual(
      new Map([
        ['k', '[1,2,3,4]'],
        ['m', '"a new one"'],
        ['', '7'],
      ]),
    )
  })
})

describe('a contract that burns time', () => {
  it('is ended by the clock without a signature, keeps nobody from reading, and its thread goes on', async () => {
    await using watched = await startCoreProcess({ args: ['--threads', '1', '--run-limit', '4000'] })
    const { client } = watched
    const [hostile, other] = [await install(client, scripted), await install(client, scripted)]
    await inTime(() => run(client, hostile, { write: 'k', value: '1' }))
    await inTime(() => run(client, other, { write: 'k', value: '"other"' }))
    const tip = await client.methods.getTip({ address: hostile })

    const userKeys = createUserKeys()
    const worker = await client.methods.newTaskEncryptionKey({ userPubKey: hexToBytes(userKeys.publicKey) })
    const args = [script({ write: 'k', value: '2' }, { write: 'n', value: '3' }, 'burn')]
    const call = createTask({ ...worker, callable: 'run(bytes)', args, userKeys })
    const { input } = prepareCompute({ call, contractAddress: hostile, gasLimit: 2n ** 63n })
    const text = JSON.stringify({ id: 'burn', type: 'ComputeTask', input: { ...input, gasLimit: 0 } })
    const request = text.replace('"gasLimit":0', `"gasLimit":${2n ** 63n}`)

    let events: string[]
    const note = <T>(name: string, promise: Promise<T>): Promise<T> => promise.finally(() => events.push(name))
    let ended: WireReply
    let left = 20
    do {
      events = []
      // All by one connection, so that what is sent first comes first, and replies come in the order in which they were given.
      const burning = note('ended', client.exchange('burn', utf8ToBytes(request)))
      // Meanwhile: a task that waits for the same thread, and reads of both contracts, which wait for nothing.
      const queued = note(
        'queued task',
        inTime(() => run(client, other, { read: 'k' })),
      )
      for (let round = 0; round < 4; round++) {
        await note('read', client.methods.getTip({ address: round % 2 === 0 ? hostile : other }))
        await note('read', client.methods.getContract({ address: hostile }))
        await note('read', client.methods.getDeltas({ ranges: [{ address: other, from: 0, to: 9 }] }))
      }
      ended = JSON.parse(new TextDecoder().decode(await burning)) as WireReply
      expect(ended).toMatchObject({ id: 'burn', msg: expect.any(String) })
      expect(ended).not.toHaveProperty('result')
      expect(JSON.stringify(ended)).not.toContain('signature')
      expect(new TextDecoder().decode((await queued).output)).toBe('"other"')
      expect(events.indexOf('ended')).toBeLessThan(events.indexOf('queued task'))
      // On a busy machine the clock may be faster than the reads; if they waited for the task, it always would be.
    } while (events.indexOf('ended') < 12 && --left > 0)
    expect(events.slice(0, 12)).toEqual(Array(12).fill('read'))

    // Sent again it is tried again, to the same end; with other work it is like any contract.
    using socket = new WireSocket(watched.endpoint)
    expect((await socket.askOne(request)).msg).toBe(ended.msg)
    expect(await client.methods.getTip({ address: hostile })).toEqual(tip)
    expect(await inTime(() => read(client, hostile, 'k'))).toBe('1')
    expect(await inTime(() => read(client, hostile, 'n'))).toBe('null')
    const written = await inTime(() => run(client, hostile, { write: 'k', value: '4' }))
    expect(written).toMatchObject({ kind: 'success', delta: { key: 1 } })
    expect(await stateOf(client, hostile)).toEqual(new Map([['k', '4']]))
    expect(watched.process.running).toBe(true)
    const { stderr } = await watched.process.kill('SIGTERM')
    expect(stderr).toContain('compute thread ended and is replaced')
    expect(stderr).not.toContain(bytesToHex(principal.stateKey(hostile)))
  })
})
