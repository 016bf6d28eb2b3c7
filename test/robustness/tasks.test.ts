// The rows of the robustness list that need keys and contracts; see frames.test.ts.
import { bytesToHex, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import {
  decodePttRequest,
  ecdh,
  encodePttResponse,
  encodeStateKeys,
  encrypt,
  generateKeyPair,
  MsgPackWriter,
  randomBytes,
} from '@bletchley/crypto'
import { startCoreProcess, TestPrincipal } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WireSocket } from '../wireSocket.ts'
import { address, enclave, principal, unknown, World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

const minimal = '(module (import "env" "memory" (memory 1 4)) (func (export "call")))'
const running = (imports: string, body: string, rest = ''): string =>
  `(module ${imports} (import "env" "memory" (memory 1 4)) ${rest} (func (export "call") ${body}))`

describe('tasks: keys and state', () => {
  it('row 22: a user key that is no point of the curve', async () => {
    const userPubKey = '11'.repeat(64)
    await world.socket.askOne({ id: 'r22', type: 'NewTaskEncryptionKey', userPubKey }).then((reply) => {
      expect(reply).toMatchObject({ id: 'r22', msg: enclave('KeysError') })
    })
    const zero = await world.socket.askOne({ id: 'r22', type: 'NewTaskEncryptionKey', userPubKey: '00'.repeat(64) })
    expect(zero).toMatchObject({ id: 'r22', msg: enclave('KeysError') })
  })

  it('row 23: a user key that was never exchanged, or is used already', async () => {
    const contract = await world.newContract(world.assemble(minimal))
    const stranger = { userDHKey: bytesToHex(generateKeyPair().publicKey), key: randomBytes(32) }
    expect((await world.runTask({ contract, shared: stranger })).reply.msg).toBe(enclave('KeysError'))
    const shared = await world.exchangeKeys()
    expect((await world.runTask({ contract, shared })).reply.type).toBe('ComputeTask')
    expect((await world.runTask({ contract, shared })).reply.msg).toBe(enclave('KeysError'))
  })

  it('row 24: a contract without state key', async () => {
    const contract = world.nextAddress()
    await world.socket.askOne({
      id: 'new',
      type: 'UpdateNewContract',
      address: contract,
      bytecode: [...world.assemble(minimal)],
    })
    expect((await world.runTask({ contract })).reply.msg).toBe(enclave('KeysError'))
    expect((await world.runTask({ contract: world.nextAddress(), preCode: world.assemble(minimal) })).reply.msg).toBe(
      enclave('KeysError'),
    )
  })

  it('a computation without bytecode', async () => {
    expect((await world.runTask({ contract: unknown })).reply.msg).toBe(
      `Error while trying to get_contract, Because: The following Key doesn't exist: ${unknown}`,
    )
  })

  it('row 25: bytecode and key, but no state yet: computes from the initial state', async () => {
    const contract = await world.newContract(world.assemble(minimal))
    const { reply } = await world.runTask({ contract })
    expect(reply).toMatchObject({
      type: 'ComputeTask',
      result: { usedGas: 10_001, delta: { key: 0, data: expect.any(Array) } },
    })
    expect((await world.runTask({ contract })).reply.result!.delta).toEqual({ key: 0 })
  })

  it('row 26: deltas that do not open', async () => {
    const contract = await world.newContract(world.assemble(minimal))
    await world.socket.askOne({
      id: 'bad',
      type: 'UpdateDeltas',
      deltas: [{ address: contract, key: 0, data: [...randomBytes(60)] }],
    })
    expect((await world.runTask({ contract })).reply.msg).toBe(enclave('EncryptionError'))
    expect((await world.installKey(contract)).result).toEqual({ errors: [{ address: contract, status: -1 }] })
  })

  it('row 27: deltas that open and are none', async () => {
    const contract = await world.newContract(world.assemble(minimal))
    const data = [...encrypt(principal.stateKey(hexToBytes(contract)), utf8ToBytes('not a delta'))]
    await world.socket.askOne({ id: 'bad', type: 'UpdateDeltas', deltas: [{ address: contract, key: 0, data }] })
    expect((await world.runTask({ contract })).reply.msg).toBe(enclave('StateError'))
    expect((await world.installKey(contract)).result).toEqual({ errors: [{ address: contract, status: -1 }] })
  })

  it('row 48: keys for a contract without data change nothing', async () => {
    const before = await world.readDatabase()
    expect((await world.installKey(address(0xdd))).result).toEqual({ errors: [] })
    expect(await world.readDatabase()).toBe(before)
  })

  it('row 49: a hole in the deltas: told at the key exchange; the part before it stays usable', async () => {
    const key = 'k'
    const write = running(
      '(import "env" "write_state" (func $w (param i32 i32 i32 i32))) (import "env" "rand" (func $r (param i32 i32)))',
      // A random digit 1 to 8, so that each run changes the state.
      '(call $r (i32.const 8) (i32.const 1)) (i32.store8 (i32.const 8) (i32.add (i32.const 49) (i32.and (i32.load8_u (i32.const 8)) (i32.const 7)))) (i32.store8 (i32.const 9) (i32.const 48)) (call $w (i32.const 0) (i32.const 1) (i32.const 8) (i32.add (i32.const 1) (i32.and (i32.load8_u (i32.const 8)) (i32.const 1))))',
      `(data (i32.const 0) "${key}")`,
    )
    const contract = await world.newContract(world.assemble(write))
    while ((await world.socket.askOne({ id: 't', type: 'GetTip', input: contract })).result?.key !== 4)
      await world.runTask({ contract })
    await world.socket.askOne({ id: 'hole', type: 'RemoveDeltas', input: [{ address: contract, from: 2, to: 3 }] })
    expect((await world.installKey(contract)).result).toEqual({ errors: [{ address: contract, status: -1 }] })
    for (;;) {
      const { delta } = (await world.runTask({ contract })).reply.result as { delta: { key: number; data?: number[] } }
      if (delta.data === undefined) continue
      expect(delta.key).toBe(2)
      break
    }
    expect((await world.installKey(contract)).result).toEqual({ errors: [] })
    expect((await world.socket.askOne({ id: 't', type: 'GetTip', input: contract })).result!.key).toBe(2)
  })
})

describe('tasks: inputs', () => {
  let contract: string
  beforeAll(async () => {
    contract = await world.newContract(world.assemble(minimal))
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
      const shared = await world.exchangeKeys()
      const { fn, args = new Uint8Array() } = build(shared.key)
      const { reply, failure } = await world.runTask({ contract, fn, args: bytesToHex(args), shared })
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
      () => world.assemble('(module (func (export "call")) (func (export "deploy")))'),
      /^Error in execution of building the constructor: /,
    ],
    [
      'row 35: a deploy that is no function',
      () => world.assemble('(module (memory 1) (global (export "deploy") i32 (i32.const 0)) (func (export "call")))'),
      /^Error in execution of /,
    ],
    [
      'row 35: a deploy with parameters',
      () => world.assemble('(module (memory 1) (func (export "deploy") (param i32)) (func (export "call")))'),
      /^Error in execution of /,
    ],
    ['row 37: a start function', () => world.assemble(raw('(start $s) (func $s)')), /^Error in execution of /],
    [
      'row 38: an unknown import',
      () =>
        world.assemble(
          '(module (import "env" "nope" (func $n)) (memory 1) (func (export "call")) (func (export "deploy") (call $n)))',
        ),
      /^Error in execution of WASM code: Instantiation: /,
    ],
  ]
  for (const [name, preCode, text] of deployments) {
    it(name, async () => {
      const contract = await world.newContract()
      const { reply, failure } = await world.runTask({ contract, preCode: preCode() })
      expect(failure).toMatch(text)
      expect(reply.result!.usedGas).toBe(0)
      expect((await world.socket.askOne({ id: 'c', type: 'GetContract', input: contract })).result!.bytecode).toEqual(
        [],
      )
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
      const contract = await world.newContract(world.assemble(wat))
      const { failure } = await world.runTask({ contract })
      if (typeof text === 'string') expect(failure).toBe(text)
      else expect(failure).toMatch(text)
      expect((await world.socket.askOne({ id: 't', type: 'GetTip', input: contract })).msg).toBeDefined()
    })
  }

  it('out of gas', async () => {
    const contract = await world.newContract(world.assemble('(module (func (export "call") (loop (br 0))))'))
    const { reply, failure } = await world.runTask({ contract, gasLimit: 50_000 })
    expect(failure).toBe('Invocation resulted in gas limit violated')
    expect(reply.result!.usedGas).toBe(50_000)
  })

  it('row 41: state keys with / and ~ survive a rebuild', async () => {
    const wat = running(
      '(import "env" "write_state" (func $w (param i32 i32 i32 i32))) (import "env" "remove_from_state" (func $x (param i32 i32)))',
      '(call $w (i32.const 0) (i32.const 3) (i32.const 8) (i32.const 7)) (call $w (i32.const 3) (i32.const 3) (i32.const 8) (i32.const 7))',
      '(data (i32.const 0) "a/bc~d") (data (i32.const 8) "{\\22/\\22:1}")',
    )
    const contract = await world.newContract(world.assemble(wat))
    expect((await world.runTask({ contract })).reply.type).toBe('ComputeTask')
    // The same deltas under another worker's hands: it has to rebuild the state from them.
    await using other = await startCoreProcess()
    const { deltas } = (
      await world.socket.askOne({ id: 'd', type: 'GetDeltas', input: [{ address: contract, from: 0, to: 9 }] })
    ).result as { deltas: object[] }
    using peer = new WireSocket(other.endpoint)
    await peer.askOne({ id: 'd', type: 'UpdateDeltas', deltas })
    expect(await principal.installKeys(other.client, [hexToBytes(contract)])).toEqual([])
  })

  it('row 42: a second deployment leaves the first one as it is', async () => {
    const preCode = world.assemble('(module (memory 1) (func (export "call")) (func (export "deploy")))')
    const contract = await world.newContract()
    expect((await world.runTask({ contract, preCode })).reply.type).toBe('DeploySecretContract')
    const tip = await world.socket.askOne({ id: 't', type: 'GetTip', input: contract })
    expect((await world.runTask({ contract, preCode })).reply.msg).toBe(
      `Error while trying to create, Because: the key already exists for the following address: "${contract}"`,
    )
    expect(await world.socket.askOne({ id: 't', type: 'GetTip', input: contract })).toEqual(tip)
    expect((await world.runTask({ contract })).reply.type).toBe('ComputeTask')
  })
})

describe('key exchange with the principal', () => {
  async function openExchange() {
    const { result } = await world.socket.askOne({ id: 'ptt', type: 'GetPTTRequest' })
    const request = hexToBytes(result!.request as string)
    return { request, ...principal.answer(request, [hexToBytes(unknown)]) }
  }
  const respond = (response: Uint8Array) =>
    world.socket.askOne({ id: 'r43', type: 'PTTResponse', input: { response: bytesToHex(response) } })

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
