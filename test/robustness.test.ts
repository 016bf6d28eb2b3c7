import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import {
  bytesToHex,
  decodePttRequest,
  decrypt,
  ecdh,
  encodePttResponse,
  encodeStateKeys,
  encrypt,
  generateKeyPair,
  hexToBytes,
  keccak256,
  MsgPackWriter,
  randomBytes,
  utf8ToBytes,
} from '@bletchley/crypto'
import { ContractStore, openLmdb } from '@bletchley/store'
import { type CoreProcess, runCommand, startCoreProcess, TestPrincipal, temporaryFolder } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import createWabt from 'wabt'
import { type WireReply, WireSocket } from './wireSocket.ts'

// The robustness list of the protocol: 53 kinds of bad input, most of which ended the archived core or its enclave.
// Every one gets exactly one reply here, with the request's id where it can be recovered, and changes nothing.
// The numbers are the rows of that list. All requests go through a real socket, written by hand and not by our codec.

const address = (byte: number): string => byte.toString(16).padStart(2, '0').repeat(32)
const known = address(0x0a)
const unknown = address(0xee)
const principal = new TestPrincipal()

let core: CoreProcess
let socket: WireSocket
let untouched: string
let assemble: (wat: string) => Uint8Array

/** Everything that the worker tells of its database. */
async function readDatabase(): Promise<string> {
  const tips = await socket.askOne({ id: 'tips', type: 'GetAllTips' })
  const addresses = await socket.askOne({ id: 'addresses', type: 'GetAllAddrs' })
  const contract = await socket.askOne({ id: 'contract', type: 'GetContract', input: known })
  return JSON.stringify([tips, addresses, contract])
}

beforeAll(async () => {
  const wabt = await createWabt()
  assemble = (wat) => {
    const module = wabt.parseWat('contract.wat', wat)
    try {
      return module.toBinary({}).buffer
    } finally {
      module.destroy()
    }
  }
  core = await startCoreProcess()
  socket = new WireSocket(core.endpoint)
  await socket.askOne({
    id: 'setup',
    type: 'UpdateNewContractOnDeployment',
    address: known,
    bytecode: '0011223344',
    delta: { key: 0, data: [1, 2, 3] },
  })
  untouched = await readDatabase()
})

afterAll(async () => {
  socket[Symbol.dispose]()
  await core[Symbol.asyncDispose]()
})

/** An error reply with this id; the database is as it was, and the process lives. */
async function expectError(
  frame: string | Uint8Array | object,
  id: unknown,
  text?: string | RegExp,
): Promise<WireReply> {
  const reply = await socket.askOne(frame)
  expect(reply).toMatchObject({ id, msg: expect.any(String) })
  expect(reply).not.toHaveProperty('result')
  if (text !== undefined)
    expect(reply.msg).toMatch(typeof text === 'string' ? new RegExp(`^${escapePattern(text)}$`) : text)
  expect(await readDatabase()).toBe(untouched)
  expect(core.process.running).toBe(true)
  return reply
}

const escapePattern = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
const enclave = (name: string): string => `Error inside the Enclave = (${name})`

describe('envelope', () => {
  it('row 1: a frame that is not UTF-8', async () => {
    await expectError(Uint8Array.of(0xff, 0xfe, 0x80), '')
    const bytes = new Uint8Array([
      ...utf8ToBytes('{"id":"r1","type":"GetTip","input":"'),
      0xff,
      0xc0,
      ...utf8ToBytes('"}'),
    ])
    await expectError(bytes, 'r1')
  })

  const unreadable: [string, string, string][] = [
    ['an empty frame', '', ''],
    ['text', 'hello', ''],
    ['truncated JSON', '{"id":"r2","type":"GetTip","inp', 'r2'],
    ['trailing bytes', '{"id":"r2","type":"GetAllAddrs"} x', 'r2'],
    ['an array', '[{"id":"r2","type":"GetAllAddrs"}]', ''],
    ['null', 'null', ''],
    ['a number', '17', ''],
    ['deep nesting', `{"id":"r2","type":"GetTip","input":${'['.repeat(100_000)}`, 'r2'],
  ]
  for (const [name, frame, id] of unreadable) {
    it(`row 2: ${name}`, async () => {
      const reply = await socket.askOne(frame)
      expect(reply).toMatchObject({ msg: expect.any(String) })
      expect([id, '']).toContain(reply.id)
      expect(reply).not.toHaveProperty('result')
      if (id !== '' && !frame.startsWith('[')) expect(reply.id).toBe(id)
    })
  }

  it('row 2: a byte order mark', async () => {
    const reply = await socket.askOne('\ufeff{"id":"r2","type":"GetAllAddrs"}')
    expect(reply.id).toBe('r2')
    expect(await readDatabase()).toBe(untouched)
  })

  it('row 3: id missing, null, an object', async () => {
    await expectError('{"type":"GetAllAddrs"}', '')
    await expectError('{"id":null,"type":"GetAllAddrs"}', '')
    await expectError('{"id":{"a":1},"type":"GetAllAddrs"}', '')
  })

  it('row 3: an id that is a number, or comes twice', async () => {
    expect(await socket.askOne('{"id":12345678901234,"type":"GetAllAddrs"}')).toMatchObject({ id: 12345678901234 })
    expect(['first', 'second']).toContain((await socket.askOne('{"id":"first","id":"second","type":"GetAllAddrs"}')).id)
  })

  for (const type of [undefined, null, 'NoSuchMessage', 'gettip', 7, '__proto__', 'constructor', 'toString']) {
    it(`row 4: type ${JSON.stringify(type)}`, async () => {
      await expectError({ id: 'r4', type, input: known }, 'r4')
    })
  }

  it('row 52: many requests at once, each answered once', async () => {
    const ids = Array.from({ length: 200 }, (_, index) => `r52-${index}`)
    for (const id of ids) await socket.send({ id, type: 'GetTip', input: known })
    const answered = []
    for (const _ of ids) answered.push((await socket.receive()).id)
    expect(answered.sort()).toEqual(ids.sort())
  })

  it('a multipart message: one reply frame for each frame, in order', async () => {
    const frames = ['{"id":"m1","type":"GetAllAddrs"}', 'nonsense', `{"id":"m3","type":"GetTip","input":"${known}"}`]
    const replies = await socket.ask(...frames)
    expect(replies.map(({ id }) => id)).toEqual(['m1', '', 'm3'])
    expect(replies.map((reply) => 'result' in reply)).toEqual([true, false, true])
  })
})

describe('fields', () => {
  const missing: object[] = [
    { type: 'GetTip' },
    { type: 'GetTips' },
    { type: 'GetDelta' },
    { type: 'GetDelta', input: { key: 0 } },
    { type: 'GetDeltas' },
    { type: 'GetDeltas', input: [{ address: known, from: 0 }] },
    { type: 'GetContract' },
    { type: 'UpdateNewContract', address: known },
    { type: 'UpdateNewContract', bytecode: [1] },
    { type: 'UpdateNewContractOnDeployment', address: known, bytecode: '00' },
    { type: 'UpdateNewContractOnDeployment', address: known, bytecode: '00', delta: { key: 0 } },
    { type: 'RemoveContract' },
    { type: 'UpdateDeltas' },
    { type: 'RemoveDeltas' },
    { type: 'RemoveDeltas', input: [{ address: known, to: 1 }] },
    { type: 'PTTResponse' },
    { type: 'PTTResponse', input: {} },
    { type: 'NewTaskEncryptionKey' },
    { type: 'DeploySecretContract' },
    { type: 'ComputeTask', input: {} },
  ]
  for (const frame of missing) {
    it(`row 5: ${JSON.stringify(frame).slice(0, 90)}`, () => expectError({ id: 'r5', ...frame }, 'r5').then(() => {}))
  }

  const wrongType: object[] = [
    { type: 'GetTip', input: [known, known] },
    { type: 'GetTip', input: { a: 1 } },
    { type: 'GetTips', input: 7 },
    { type: 'GetTips', input: [7] },
    { type: 'GetDelta', input: 'text' },
    {
      type: 'GetDelta',
      input: [
        { address: known, key: 0 },
        { address: known, key: 0 },
      ],
    },
    { type: 'GetDeltas', input: 'text' },
    { type: 'GetDeltas', input: [7] },
    { type: 'RemoveDeltas', input: true },
    { type: 'UpdateDeltas', deltas: 'text' },
    { type: 'UpdateDeltas', deltas: [null] },
    { type: 'UpdateNewContract', address: known, bytecode: { 0: 1, length: 1 } },
  ]
  for (const frame of wrongType) {
    it(`row 6: ${JSON.stringify(frame).slice(0, 60)}`, () => expectError({ id: 'r6', ...frame }, 'r6').then(() => {}))
  }

  for (const key of [-1, 4294967296, 1.5, '1', 1e300, null, true]) {
    it(`row 7: index ${JSON.stringify(key)}`, async () => {
      await expectError({ id: 'r7', type: 'GetDelta', input: { address: known, key } }, 'r7', /key/)
      await expectError({ id: 'r7', type: 'GetDeltas', input: [{ address: known, from: key, to: 2 }] }, 'r7', /from/)
      await expectError({ id: 'r7', type: 'RemoveDeltas', input: [{ address: known, from: 0, to: key }] }, 'r7', /to/)
      await expectError({ id: 'r7', type: 'UpdateDeltas', deltas: [{ address: known, key, data: [1] }] }, 'r7', /key/)
    })
  }

  for (const gasLimit of ['-1', '1.5', '18446744073709551616', '"ten"', '1e40', 'null', '"0x10"']) {
    it(`row 8: gasLimit ${gasLimit}`, () =>
      expectError(
        `{"id":"r8","type":"ComputeTask","input":{"encryptedArgs":"","encryptedFn":"","userDHKey":"${'11'.repeat(64)}","gasLimit":${gasLimit},"contractAddress":"${known}"}}`,
        'r8',
        /gasLimit/,
      ).then(() => {}))
  }

  for (const element of ['256', '-1', '1.5', '"1"', 'null', '[1]']) {
    it(`row 9: byte ${element}`, async () => {
      await expectError(
        `{"id":"r9","type":"UpdateNewContract","address":"${known}","bytecode":[1,${element}]}`,
        'r9',
        /bytecode/,
      )
      await expectError(
        `{"id":"r9","type":"UpdateDeltas","deltas":[{"address":"${known}","key":0,"data":[${element}]}]}`,
        'r9',
        /data/,
      )
    })
  }

  const badAddresses = [
    '',
    'ab',
    known.slice(1),
    `${known}a`,
    `zz${known.slice(2)}`,
    `0x${known}aa`,
    `  ${known.slice(2)}`,
    `${known.slice(0, 60)}\t\t\n\n`,
  ]
  for (const bad of badAddresses) {
    it(`rows 10, 15, 19: address ${JSON.stringify(bad)}`, async () => {
      await expectError({ id: 'r10', type: 'GetTips', input: [known, bad] }, 'r10')
      await expectError({ id: 'r15', type: 'GetTip', input: bad }, 'r15')
      await expectError({ id: 'r19', type: 'GetContract', input: bad }, 'r19')
      await expectError({ id: 'r19', type: 'RemoveContract', address: bad }, 'r19', /address/)
    })
  }

  it('row 19: an address with 0x, or in capitals, is the same address', async () => {
    const tip = await socket.askOne({ id: 'r19', type: 'GetTip', input: known })
    expect(await socket.askOne({ id: 'r19', type: 'GetTip', input: `0x${known}` })).toEqual(tip)
    expect(await socket.askOne({ id: 'r19', type: 'GetTip', input: known.toUpperCase() })).toEqual(tip)
  })

  for (const userPubKey of [
    'xyz',
    'abc',
    '',
    '11'.repeat(63),
    '11'.repeat(66),
    `04${'11'.repeat(63)}`,
    'é'.repeat(128),
  ]) {
    it(`rows 11, 12: userPubKey ${JSON.stringify(userPubKey.slice(0, 12))}… of ${userPubKey.length} characters`, () =>
      expectError({ id: 'r11', type: 'NewTaskEncryptionKey', userPubKey }, 'r11').then(() => {}))
  }

  const task = {
    encryptedArgs: '',
    encryptedFn: 'ab',
    userDHKey: '11'.repeat(64),
    gasLimit: 1000,
    contractAddress: known,
  }
  it('row 13: a user key of another length', async () => {
    await expectError(
      { id: 'r13', type: 'ComputeTask', input: { ...task, userDHKey: '11'.repeat(63) } },
      'r13',
      /userDHKey/,
    )
    await expectError(
      { id: 'r13', type: 'DeploySecretContract', input: { ...task, preCode: [0], userDHKey: '1122' } },
      'r13',
      /userDHKey/,
    )
  })

  it('row 14: a deployment without preCode', async () => {
    await expectError({ id: 'r14', type: 'DeploySecretContract', input: task }, 'r14', /preCode/)
    await expectError({ id: 'r14', type: 'DeploySecretContract', input: { ...task, preCode: null } }, 'r14', /preCode/)
  })

  it('row 20: hex that is none', async () => {
    for (const bad of ['xy', 'abc', 'ab ', '0xg0']) {
      await expectError({ id: 'r20', type: 'ComputeTask', input: { ...task, encryptedFn: bad } }, 'r20', /encryptedFn/)
      await expectError(
        { id: 'r20', type: 'ComputeTask', input: { ...task, encryptedArgs: bad } },
        'r20',
        /encryptedArgs/,
      )
      await expectError({ id: 'r20', type: 'PTTResponse', input: { response: bad } }, 'r20', /response/)
      const delta = { key: 0, data: [1] }
      const frame = { type: 'UpdateNewContractOnDeployment', address: known, bytecode: bad, delta }
      await expectError({ id: 'r20', ...frame }, 'r20', /bytecode/)
    }
  })

  it('row 21: a delta without address or data: nothing of the request is stored', async () => {
    const good = { address: address(0x21), key: 0, data: [1] }
    await expectError(
      { id: 'r21', type: 'UpdateDeltas', deltas: [good, { key: 1, data: [1] }] },
      'r21',
      /Address Missing$/,
    )
    await expectError(
      { id: 'r21', type: 'UpdateDeltas', deltas: [good, { address: known, key: 1 }] },
      'r21',
      /Delta Data Missing$/,
    )
  })
})

describe('stored data', () => {
  it('row 16: a record with a foreign name is passed over', async () => {
    await using folder = await temporaryFolder()
    const store = join(folder.path, 'store')
    await mkdir(store, { recursive: true, mode: 0o700 })
    const backend = await openLmdb({ folder: store })
    await ContractStore.open(backend, { hashDelta: keccak256 })
    await backend.commit([
      { key: Uint8Array.of(0x02, 0xff), value: Uint8Array.of(1, 2, 3) },
      { key: utf8ToBytes('abcd'), value: Uint8Array.of(1) },
      { key: Uint8Array.of(0xff, 0xff), value: new Uint8Array() },
    ])
    await backend.close()
    await using other = await startCoreProcess({ dataFolder: folder.path })
    using peer = new WireSocket(other.endpoint)
    expect(await peer.askOne({ id: 'r16', type: 'GetAllAddrs' })).toMatchObject({
      id: 'r16',
      result: { addresses: [] },
    })
    expect(await peer.askOne({ id: 'r16', type: 'GetAllTips' })).toMatchObject({ id: 'r16', result: { tips: [] } })
  })

  it('row 17: the widest range to remove', async () => {
    const input = [{ address: unknown, from: 0, to: 4294967295 }]
    expect(await socket.askOne({ id: 'r17', type: 'RemoveDeltas', input })).toMatchObject({
      id: 'r17',
      result: { status: 0, errors: [] },
    })
    expect(await readDatabase()).toBe(untouched)
  })

  it('row 18: the widest range to read', async () => {
    const input = [{ address: known, from: 0, to: 4294967295 }]
    expect((await socket.askOne({ id: 'r18', type: 'GetDeltas', input })).result).toEqual({
      deltas: [{ address: known, key: 0, data: [1, 2, 3] }],
    })
  })
})

// ---- tasks ----

interface Shared {
  userDHKey: string
  key: Uint8Array
}

async function exchangeKeys(): Promise<Shared> {
  const user = generateKeyPair()
  const userDHKey = bytesToHex(user.publicKey)
  const { result } = await socket.askOne({ id: 'key', type: 'NewTaskEncryptionKey', userPubKey: userDHKey })
  return { userDHKey, key: ecdh(user.secretKey, hexToBytes(result!.workerEncryptionKey as string)) }
}

async function installKey(contract: string): Promise<WireReply> {
  const request = await socket.askOne({ id: 'ptt', type: 'GetPTTRequest' })
  const { response } = principal.answer(hexToBytes(request.result!.request as string), [hexToBytes(contract)])
  return socket.askOne({ id: 'ptt', type: 'PTTResponse', input: { response: bytesToHex(response) } })
}

interface Task {
  contract: string
  fn?: string | Uint8Array
  args?: string
  preCode?: Uint8Array
  gasLimit?: number
  shared?: Shared
}

/** Runs a task with a fresh user key; opens its output. */
async function runTask({ contract, fn = 'f()', args = '', preCode, gasLimit = 10_000_000, shared }: Task) {
  const { userDHKey, key } = shared ?? (await exchangeKeys())
  const encryptedFn = typeof fn === 'string' ? bytesToHex(encrypt(key, utf8ToBytes(fn))) : bytesToHex(fn)
  const input = { encryptedFn, encryptedArgs: args, userDHKey, gasLimit, contractAddress: contract }
  const reply = await socket.askOne(
    preCode === undefined
      ? { id: 'task', type: 'ComputeTask', input }
      : { id: 'task', type: 'DeploySecretContract', input: { ...input, preCode: [...preCode] } },
  )
  expect(reply.id).toBe('task')
  expect(core.process.running).toBe(true)
  const failure =
    reply.type === 'FailedTask'
      ? new TextDecoder().decode(decrypt(key, hexToBytes(reply.result!.output as string)))
      : undefined
  return { reply, failure }
}

let contracts = 0x40

/** A contract's address that no other test uses, with its state key installed. */
async function newContract(bytecode?: Uint8Array): Promise<string> {
  const contract = address(contracts++)
  if (bytecode !== undefined) {
    await socket.askOne({ id: 'new', type: 'UpdateNewContract', address: contract, bytecode: [...bytecode] })
  }
  await installKey(contract)
  return contract
}

const minimal = '(module (import "env" "memory" (memory 1 4)) (func (export "call")))'
const running = (imports: string, body: string, rest = ''): string =>
  `(module ${imports} (import "env" "memory" (memory 1 4)) ${rest} (func (export "call") ${body}))`

describe('tasks: keys and state', () => {
  it('row 22: a user key that is no point of the curve', async () => {
    const userPubKey = '11'.repeat(64)
    await socket.askOne({ id: 'r22', type: 'NewTaskEncryptionKey', userPubKey }).then((reply) => {
      expect(reply).toMatchObject({ id: 'r22', msg: enclave('KeysError') })
    })
    const zero = await socket.askOne({ id: 'r22', type: 'NewTaskEncryptionKey', userPubKey: '00'.repeat(64) })
    expect(zero).toMatchObject({ id: 'r22', msg: enclave('KeysError') })
  })

  it('row 23: a user key that was never exchanged, or is used already', async () => {
    const contract = await newContract(assemble(minimal))
    const stranger = { userDHKey: bytesToHex(generateKeyPair().publicKey), key: randomBytes(32) }
    expect((await runTask({ contract, shared: stranger })).reply.msg).toBe(enclave('KeysError'))
    const shared = await exchangeKeys()
    expect((await runTask({ contract, shared })).reply.type).toBe('ComputeTask')
    expect((await runTask({ contract, shared })).reply.msg).toBe(enclave('KeysError'))
  })

  it('row 24: a contract without state key', async () => {
    const contract = address(contracts++)
    await socket.askOne({ id: 'new', type: 'UpdateNewContract', address: contract, bytecode: [...assemble(minimal)] })
    expect((await runTask({ contract })).reply.msg).toBe(enclave('KeysError'))
    expect((await runTask({ contract: address(contracts++), preCode: assemble(minimal) })).reply.msg).toBe(
      enclave('KeysError'),
    )
  })

  it('a computation without bytecode', async () => {
    expect((await runTask({ contract: unknown })).reply.msg).toBe(
      `Error while trying to get_contract, Because: The following Key doesn't exist: ${unknown}`,
    )
  })

  it('row 25: bytecode and key, but no state yet: computes from the initial state', async () => {
    const contract = await newContract(assemble(minimal))
    const { reply } = await runTask({ contract })
    expect(reply).toMatchObject({
      type: 'ComputeTask',
      result: { usedGas: 10_001, delta: { key: 0, data: expect.any(Array) } },
    })
    expect((await runTask({ contract })).reply.result!.delta).toEqual({ key: 0 })
  })

  it('row 26: deltas that do not open', async () => {
    const contract = await newContract(assemble(minimal))
    await socket.askOne({
      id: 'bad',
      type: 'UpdateDeltas',
      deltas: [{ address: contract, key: 0, data: [...randomBytes(60)] }],
    })
    expect((await runTask({ contract })).reply.msg).toBe(enclave('EncryptionError'))
    expect((await installKey(contract)).result).toEqual({ errors: [{ address: contract, status: -1 }] })
  })

  it('row 27: deltas that open and are none', async () => {
    const contract = await newContract(assemble(minimal))
    const data = [...encrypt(principal.stateKey(hexToBytes(contract)), utf8ToBytes('not a delta'))]
    await socket.askOne({ id: 'bad', type: 'UpdateDeltas', deltas: [{ address: contract, key: 0, data }] })
    expect((await runTask({ contract })).reply.msg).toBe(enclave('StateError'))
    expect((await installKey(contract)).result).toEqual({ errors: [{ address: contract, status: -1 }] })
  })

  it('row 48: keys for a contract without data change nothing', async () => {
    const before = await readDatabase()
    expect((await installKey(address(0xdd))).result).toEqual({ errors: [] })
    expect(await readDatabase()).toBe(before)
  })

  it('row 49: a hole in the deltas: told at the key exchange; the part before it stays usable', async () => {
    const key = 'k'
    const write = running(
      '(import "env" "write_state" (func $w (param i32 i32 i32 i32))) (import "env" "rand" (func $r (param i32 i32)))',
      // A random digit 1 to 8, so that each run changes the state.
      '(call $r (i32.const 8) (i32.const 1)) (i32.store8 (i32.const 8) (i32.add (i32.const 49) (i32.and (i32.load8_u (i32.const 8)) (i32.const 7)))) (i32.store8 (i32.const 9) (i32.const 48)) (call $w (i32.const 0) (i32.const 1) (i32.const 8) (i32.add (i32.const 1) (i32.and (i32.load8_u (i32.const 8)) (i32.const 1))))',
      `(data (i32.const 0) "${key}")`,
    )
    const contract = await newContract(assemble(write))
    while ((await socket.askOne({ id: 't', type: 'GetTip', input: contract })).result?.key !== 4)
      await runTask({ contract })
    await socket.askOne({ id: 'hole', type: 'RemoveDeltas', input: [{ address: contract, from: 2, to: 3 }] })
    expect((await installKey(contract)).result).toEqual({ errors: [{ address: contract, status: -1 }] })
    for (;;) {
      const { delta } = (await runTask({ contract })).reply.result as { delta: { key: number; data?: number[] } }
      if (delta.data === undefined) continue
      expect(delta.key).toBe(2)
      break
    }
    expect((await installKey(contract)).result).toEqual({ errors: [] })
    expect((await socket.askOne({ id: 't', type: 'GetTip', input: contract })).result!.key).toBe(2)
  })
})

describe('tasks: inputs', () => {
  let contract: string
  beforeAll(async () => {
    contract = await newContract(assemble(minimal))
  })
  const cases: [string, (key: Uint8Array) => { fn: Uint8Array; args?: Uint8Array }, string][] = [
    [
      'row 28: an empty function',
      () => ({ fn: new Uint8Array() }),
      'Input Error: Input Error: called function representation is empty',
    ],
    [
      'row 29: a tampered function',
      () => ({ fn: randomBytes(40) }),
      'Input Error: Cryptography Error: DecryptionError',
    ],
    [
      'row 29: a function of 12 bytes',
      () => ({ fn: randomBytes(12) }),
      'Input Error: Cryptography Error: DecryptionError',
    ],
    [
      'row 29: arguments of 27 bytes',
      (key) => ({ fn: encrypt(key, utf8ToBytes('f()')), args: randomBytes(27) }),
      'Input Error: Cryptography Error: DecryptionError',
    ],
    [
      'row 30: a function of 11 bytes',
      () => ({ fn: randomBytes(11) }),
      'Input Error: Cryptography Error: ImproperEncryption',
    ],
    [
      'row 30: arguments of 1 byte',
      (key) => ({ fn: encrypt(key, utf8ToBytes('f()')), args: randomBytes(1) }),
      'Input Error: Cryptography Error: ImproperEncryption',
    ],
    [
      'row 31: no parentheses',
      (key) => ({ fn: encrypt(key, utf8ToBytes('f')) }),
      "Input Error: Input Error: 'callable' signature is illegal",
    ],
    [
      'row 32: parentheses the wrong way round',
      (key) => ({ fn: encrypt(key, utf8ToBytes(')(')) }),
      "Input Error: Input Error: 'callable' signature is illegal",
    ],
    [
      'row 33: a function that is not UTF-8',
      (key) => ({ fn: encrypt(key, Uint8Array.of(0xff, 0x28, 0x29)) }),
      'Input Error: Input Error: Utf8Error { valid_up_to: 0, error_len: Some(1) }',
    ],
  ]
  for (const [name, build, text] of cases) {
    it(name, async () => {
      const shared = await exchangeKeys()
      const { fn, args = new Uint8Array() } = build(shared.key)
      const { reply, failure } = await runTask({ contract, fn, args: bytesToHex(args), shared })
      expect(failure).toBe(text)
      expect(reply.result!.usedGas).toBe(0)
    })
  }
})

describe('tasks: modules', () => {
  const execution = 'Error in execution of WASM code: '
  const raw = (rest: string): string => `(module ${rest} (memory 1) (func (export "call")) (func (export "deploy")))`

  const deployments: [string, () => Uint8Array, RegExp][] = [
    [
      'row 34: preCode that is no module',
      () => utf8ToBytes('bad bytecode'),
      /^Error in execution of deserialization into WASM module: /,
    ],
    [
      'row 35: preCode without memory',
      () => assemble('(module (func (export "call")) (func (export "deploy")))'),
      /^Error in execution of building the constructor: /,
    ],
    [
      'row 35: a deploy that is no function',
      () => assemble('(module (memory 1) (global (export "deploy") i32 (i32.const 0)) (func (export "call")))'),
      /^Error in execution of /,
    ],
    [
      'row 35: a deploy with parameters',
      () => assemble('(module (memory 1) (func (export "deploy") (param i32)) (func (export "call")))'),
      /^Error in execution of /,
    ],
    ['row 37: a start function', () => assemble(raw('(start $s) (func $s)')), /^Error in execution of /],
    [
      'row 38: an unknown import',
      () =>
        assemble(
          '(module (import "env" "nope" (func $n)) (memory 1) (func (export "call")) (func (export "deploy") (call $n)))',
        ),
      /^Error in execution of WASM code: Instantiation: /,
    ],
  ]
  for (const [name, preCode, text] of deployments) {
    it(name, async () => {
      const contract = await newContract()
      const { reply, failure } = await runTask({ contract, preCode: preCode() })
      expect(failure).toMatch(text)
      expect(reply.result!.usedGas).toBe(0)
      expect((await socket.askOne({ id: 'c', type: 'GetContract', input: contract })).result!.bytecode).toEqual([])
    })
  }

  const computations: [string, string, string | RegExp][] = [
    [
      'row 36: a memory of its own',
      '(module (memory 1) (func (export "call")))',
      'Error in execution of creation of WASM module: Malformed wasm module: internal memory',
    ],
    [
      'row 38: too much memory',
      '(module (import "env" "memory" (memory 1 129)) (func (export "call")))',
      `${execution}Instantiation: Module requested too much memory`,
    ],
    [
      'row 39: a value that is no JSON',
      running(
        '(import "env" "write_state" (func $w (param i32 i32 i32 i32)))',
        '(call $w (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))',
        '(data (i32.const 0) "{")',
      ),
      /^Error in execution of WASM code: /,
    ],
    [
      'row 40: random bytes without end',
      running('(import "env" "rand" (func $r (param i32 i32)))', '(call $r (i32.const 0) (i32.const -1))'),
      /^Error in execution of WASM code: Memory: trying to access region /,
    ],
    [
      'row 40: a payload without end',
      running(
        '(import "env" "write_eth_bridge" (func $b (param i32 i32 i32)))',
        '(call $b (i32.const 0) (i32.const -1) (i32.const 0))',
      ),
      /^Error in execution of WASM code: Memory: trying to access region /,
    ],
    [
      'row 40: a key without end',
      running(
        '(import "env" "read_state_len" (func $l (param i32 i32) (result i32)))',
        '(drop (call $l (i32.const 0) (i32.const -1)))',
      ),
      /^Error in execution of WASM code: Memory: trying to access region /,
    ],
    ['a trap', '(module (func (export "call") unreachable))', `${execution}unreachable`],
  ]
  for (const [name, wat, text] of computations) {
    it(name, async () => {
      const contract = await newContract(assemble(wat))
      const { failure } = await runTask({ contract })
      if (typeof text === 'string') expect(failure).toBe(text)
      else expect(failure).toMatch(text)
      expect((await socket.askOne({ id: 't', type: 'GetTip', input: contract })).msg).toBeDefined()
    })
  }

  it('out of gas', async () => {
    const contract = await newContract(assemble('(module (func (export "call") (loop (br 0))))'))
    const { reply, failure } = await runTask({ contract, gasLimit: 50_000 })
    expect(failure).toBe('Invocation resulted in gas limit violated')
    expect(reply.result!.usedGas).toBe(50_000)
  })

  it('row 41: state keys with / and ~ survive a rebuild', async () => {
    const wat = running(
      '(import "env" "write_state" (func $w (param i32 i32 i32 i32))) (import "env" "remove_from_state" (func $x (param i32 i32)))',
      '(call $w (i32.const 0) (i32.const 3) (i32.const 8) (i32.const 7)) (call $w (i32.const 3) (i32.const 3) (i32.const 8) (i32.const 7))',
      '(data (i32.const 0) "a/bc~d") (data (i32.const 8) "{\\22/\\22:1}")',
    )
    const contract = await newContract(assemble(wat))
    expect((await runTask({ contract })).reply.type).toBe('ComputeTask')
    // The same deltas under another worker's hands: it has to rebuild the state from them.
    await using other = await startCoreProcess()
    const { deltas } = (
      await socket.askOne({ id: 'd', type: 'GetDeltas', input: [{ address: contract, from: 0, to: 9 }] })
    ).result as { deltas: object[] }
    using peer = new WireSocket(other.endpoint)
    await peer.askOne({ id: 'd', type: 'UpdateDeltas', deltas })
    expect(await principal.installKeys(other.client, [hexToBytes(contract)])).toEqual([])
  })

  it('row 42: a second deployment leaves the first one as it is', async () => {
    const preCode = assemble('(module (memory 1) (func (export "call")) (func (export "deploy")))')
    const contract = await newContract()
    expect((await runTask({ contract, preCode })).reply.type).toBe('DeploySecretContract')
    const tip = await socket.askOne({ id: 't', type: 'GetTip', input: contract })
    expect((await runTask({ contract, preCode })).reply.msg).toBe(
      `Error while trying to create, Because: the key already exists for the following address: "${contract}"`,
    )
    expect(await socket.askOne({ id: 't', type: 'GetTip', input: contract })).toEqual(tip)
    expect((await runTask({ contract })).reply.type).toBe('ComputeTask')
  })
})

describe('key exchange with the principal', () => {
  async function openExchange() {
    const { result } = await socket.askOne({ id: 'ptt', type: 'GetPTTRequest' })
    const request = hexToBytes(result!.request as string)
    return { request, ...principal.answer(request, [hexToBytes(unknown)]) }
  }
  const respond = (response: Uint8Array) =>
    socket.askOne({ id: 'r43', type: 'PTTResponse', input: { response: bytesToHex(response) } })

  it('row 43: a response that is no message', async () => {
    for (const garbage of [
      new Uint8Array(),
      Uint8Array.of(0xc1),
      randomBytes(100),
      Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff),
    ]) {
      const reply = await respond(garbage)
      if (garbage.length === 0) expect(reply.msg).toBeDefined()
      else expect(reply.msg).toBe(enclave('MessagingError'))
    }
    const short = new MsgPackWriter()
    short.mapHeader(3)
    short.str('data')
    short.mapHeader(1)
    short.str('EncryptedResponse')
    short.byteArray(randomBytes(40))
    short.str('id')
    short.byteArray(randomBytes(11))
    short.str('pubkey')
    short.byteArray(generateKeyPair().publicKey)
    expect((await respond(short.bytes())).msg).toBe(enclave('MessagingError'))
  })

  it('row 44: an id that is unknown, or used already', async () => {
    const { response } = await openExchange()
    const id = randomBytes(12)
    const foreign = encodePttResponse({ id, publicKey: generateKeyPair().publicKey, encrypted: randomBytes(60) })
    expect((await respond(foreign)).msg).toBe(enclave('KeysError'))
    expect((await respond(response)).result).toEqual({ errors: [] })
    expect((await respond(response)).msg).toBe(enclave('KeysError'))
  })

  it('row 45: a request in place of a response', async () => {
    const { request } = await openExchange()
    expect((await respond(request)).msg).toBe(enclave('EncryptionError'))
  })

  it('rows 46, 47: a key off the curve, a tampered answer, an inner list that is none: the exchange stays open', async () => {
    const { request, response } = await openExchange()
    const { id, publicKey } = decodePttRequest(request)
    const offCurve = new Uint8Array(64).fill(0x11)
    expect((await respond(encodePttResponse({ id, publicKey: offCurve, encrypted: randomBytes(60) }))).msg).toBe(
      enclave('KeysError'),
    )
    const mine = generateKeyPair()
    const shared = ecdh(mine.secretKey, publicKey)
    const answer = (encrypted: Uint8Array) => respond(encodePttResponse({ id, publicKey: mine.publicKey, encrypted }))
    const keys = encodeStateKeys([{ address: hexToBytes(unknown), key: randomBytes(32) }])
    const tampered = encrypt(shared, keys)
    tampered[0]! ^= 1
    expect((await answer(tampered)).msg).toBe(enclave('EncryptionError'))
    expect((await answer(encrypt(shared, keys.slice(0, -1)))).msg).toBe(enclave('EncryptionError'))
    expect((await answer(encrypt(shared, utf8ToBytes('nonsense')))).msg).toBe(enclave('EncryptionError'))
    expect((await respond(response)).result).toEqual({ errors: [] })
  })

  it('row 53: a principal’s signature that recovers nothing', async () => {
    await using pinned = await startCoreProcess({ args: ['--principal', principal.address] })
    using peer = new WireSocket(pinned.endpoint)
    const { result } = await peer.askOne({ id: 'ptt', type: 'GetPTTRequest' })
    const { response, sig } = principal.answer(hexToBytes(result!.request as string), [hexToBytes(unknown)])
    const low = sig.slice()
    low[64] = 1
    const stranger = new TestPrincipal().answer(hexToBytes(result!.request as string), []).sig
    for (const bad of [undefined, low, sig.slice(0, 64), new Uint8Array(65), stranger]) {
      const input = { response: bytesToHex(response), ...(bad && { sig: bytesToHex(bad) }) }
      expect(await peer.askOne({ id: 'r53', type: 'PTTResponse', input })).toMatchObject({
        id: 'r53',
        msg: expect.any(String),
      })
    }
    const input = { response: bytesToHex(response), sig: bytesToHex(sig) }
    expect((await peer.askOne({ id: 'r53', type: 'PTTResponse', input })).result).toEqual({ errors: [] })
  })
})

describe('registration', () => {
  it('row 50: asks no attestation service, and answers the same each time', async () => {
    const first = await socket.askOne({ id: 'r50', type: 'GetRegistrationParams' })
    expect(first.result).toMatchObject({ signingKey: expect.stringMatching(/^[0-9a-f]{40}$/), signature: '' })
    expect(await socket.askOne({ id: 'r50', type: 'GetRegistrationParams', input: null, extra: 1 })).toEqual(first)
  })

  it('row 51: a command line that makes no sense ends at once, and says why', async () => {
    const end = await runCommand(['core', '--spid', 'xyz'])
    expect([end.code, end.stdout]).toEqual([2, ''])
    expect(end.stderr).toContain('--spid')
    expect((await runCommand(['core', '--principal', 'abc'])).code).toBe(2)
    expect((await runCommand(['core', '--bind', 'tcp://0.0.0.0:0'])).code).toBe(1)
  })
})
