// The robustness list of the protocol: 53 kinds of bad input, most of which ended the archived core or its enclave.
// Every one gets exactly one reply here, with the request's id where it can be recovered, and changes nothing.
// The numbers are the rows of that list. All requests go through a real socket, written by hand and not by our codec.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { utf8ToBytes } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { KeyValueStore, openLmdb } from '@bletchley/store'
import { runCommand, startCoreProcess, temporaryFolder } from '@bletchley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { WireSocket } from '../wireSocket.ts'
import { address, known, unknown, World } from './world.ts'

let world: World
beforeAll(async () => {
  world = await World.start()
})
afterAll(() => world[Symbol.asyncDispose]())

describe('envelope', () => {
  it('row 1: a frame that is not UTF-8', async () => {
    await world.expectError(Uint8Array.of(0xff, 0xfe, 0x80), '')
    const bytes = new Uint8Array([
      ...utf8ToBytes('{"id":"r1","type":"GetTip","input":"'),
      0xff,
      0xc0,
      ...utf8ToBytes('"}'),
    ])
    await world.expectError(bytes, 'r1')
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
      const reply = await world.socket.askOne(frame)
      expect(reply).toMatchObject({ msg: expect.any(String) })
      expect([id, '']).toContain(reply.id)
      expect(reply).not.toHaveProperty('result')
      if (id !== '' && !frame.startsWith('[')) expect(reply.id).toBe(id)
    })
  }

  it('row 2: a byte order mark', async () => {
    const reply = await world.socket.askOne('\ufeff{"id":"r2","type":"GetAllAddrs"}')
    expect(reply.id).toBe('r2')
    await world.expectUntouched()
  })

  it('row 3: id missing, null, an object', async () => {
    await world.expectError('{"type":"GetAllAddrs"}', '')
    await world.expectError('{"id":null,"type":"GetAllAddrs"}', '')
    await world.expectError('{"id":{"a":1},"type":"GetAllAddrs"}', '')
  })

  it('row 3: an id that is a number, or comes twice', async () => {
    expect(await world.socket.askOne('{"id":12345678901234,"type":"GetAllAddrs"}')).toMatchObject({
      id: 12345678901234,
    })
    expect(['first', 'second']).toContain(
      (await world.socket.askOne('{"id":"first","id":"second","type":"GetAllAddrs"}')).id,
    )
  })

  for (const type of [undefined, null, 'NoSuchMessage', 'gettip', 7, '__proto__', 'constructor', 'toString']) {
    it(`row 4: type ${JSON.stringify(type)}`, async () => {
      await world.expectError({ id: 'r4', type, input: known }, 'r4')
    })
  }

  it('row 52: many requests at once, each answered once', async () => {
    const ids = Array.from({ length: 200 }, (_, index) => `r52-${index}`)
    for (const id of ids) await world.socket.send({ id, type: 'GetTip', input: known })
    const answered = []
    for (const _ of ids) answered.push((await world.socket.receive()).id)
    expect(answered.sort()).toEqual(ids.sort())
  })

  it('a multipart message: one reply frame for each frame, in order', async () => {
    const frames = ['{"id":"m1","type":"GetAllAddrs"}', 'nonsense', `{"id":"m3","type":"GetTip","input":"${known}"}`]
    const replies = await world.socket.ask(...frames)
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
    it(`row 5: ${JSON.stringify(frame).slice(0, 90)}`, () => world.expectError({ id: 'r5', ...frame }, 'r5'))
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
    it(`row 6: ${JSON.stringify(frame).slice(0, 60)}`, () => world.expectError({ id: 'r6', ...frame }, 'r6'))
  }

  for (const key of [-1, 4294967296, 1.5, '1', 1e300, null, true]) {
    it(`row 7: index ${JSON.stringify(key)}`, async () => {
      await world.expectError({ id: 'r7', type: 'GetDelta', input: { address: known, key } }, 'r7', /key/)
      await world.expectError(
        { id: 'r7', type: 'GetDeltas', input: [{ address: known, from: key, to: 2 }] },
        'r7',
        /from/,
      )
      await world.expectError(
        { id: 'r7', type: 'RemoveDeltas', input: [{ address: known, from: 0, to: key }] },
        'r7',
        /to/,
      )
      await world.expectError(
        { id: 'r7', type: 'UpdateDeltas', deltas: [{ address: known, key, data: [1] }] },
        'r7',
        /key/,
      )
    })
  }

  for (const gasLimit of ['-1', '1.5', '18446744073709551616', '"ten"', '1e40', 'null', '"0x10"']) {
    it(`row 8: gasLimit ${gasLimit}`, () =>
      world.expectError(
        `{"id":"r8","type":"ComputeTask","input":{"encryptedArgs":"","encryptedFn":"","userDHKey":"${'11'.repeat(64)}","gasLimit":${gasLimit},"contractAddress":"${known}"}}`,
        'r8',
        /gasLimit/,
      ))
  }

  for (const element of ['256', '-1', '1.5', '"1"', 'null', '[1]']) {
    it(`row 9: byte ${element}`, async () => {
      await world.expectError(
        `{"id":"r9","type":"UpdateNewContract","address":"${known}","bytecode":[1,${element}]}`,
        'r9',
        /bytecode/,
      )
      await world.expectError(
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
      await world.expectError({ id: 'r10', type: 'GetTips', input: [known, bad] }, 'r10')
      await world.expectError({ id: 'r15', type: 'GetTip', input: bad }, 'r15')
      await world.expectError({ id: 'r19', type: 'GetContract', input: bad }, 'r19')
      await world.expectError({ id: 'r19', type: 'RemoveContract', address: bad }, 'r19', /address/)
    })
  }

  it('row 19: an address with 0x, or in capitals, is the same address', async () => {
    const tip = await world.socket.askOne({ id: 'r19', type: 'GetTip', input: known })
    expect(await world.socket.askOne({ id: 'r19', type: 'GetTip', input: `0x${known}` })).toEqual(tip)
    expect(await world.socket.askOne({ id: 'r19', type: 'GetTip', input: known.toUpperCase() })).toEqual(tip)
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
      world.expectError({ id: 'r11', type: 'NewTaskEncryptionKey', userPubKey }, 'r11'))
  }

  const task = {
    encryptedArgs: '',
    encryptedFn: 'ab',
    userDHKey: '11'.repeat(64),
    gasLimit: 1000,
    contractAddress: known,
  }
  it('row 13: a user key of another length', async () => {
    await world.expectError(
      { id: 'r13', type: 'ComputeTask', input: { ...task, userDHKey: '11'.repeat(63) } },
      'r13',
      /userDHKey/,
    )
    await world.expectError(
      { id: 'r13', type: 'DeploySecretContract', input: { ...task, preCode: [0], userDHKey: '1122' } },
      'r13',
      /userDHKey/,
    )
  })

  it('row 14: a deployment without preCode', async () => {
    await world.expectError({ id: 'r14', type: 'DeploySecretContract', input: task }, 'r14', /preCode/)
    await world.expectError(
      { id: 'r14', type: 'DeploySecretContract', input: { ...task, preCode: null } },
      'r14',
      /preCode/,
    )
  })

  it('row 20: hex that is none', async () => {
    for (const bad of ['xy', 'abc', 'ab ', '0xg0']) {
      await world.expectError(
        { id: 'r20', type: 'ComputeTask', input: { ...task, encryptedFn: bad } },
        'r20',
        /encryptedFn/,
      )
      await world.expectError(
        { id: 'r20', type: 'ComputeTask', input: { ...task, encryptedArgs: bad } },
        'r20',
        /encryptedArgs/,
      )
      await world.expectError({ id: 'r20', type: 'PTTResponse', input: { response: bad } }, 'r20', /response/)
      const delta = { key: 0, data: [1] }
      const frame = { type: 'UpdateNewContractOnDeployment', address: known, bytecode: bad, delta }
      await world.expectError({ id: 'r20', ...frame }, 'r20', /bytecode/)
    }
  })

  it('row 21: a delta without address or data: nothing of the request is stored', async () => {
    const good = { address: address(0x21), key: 0, data: [1] }
    await world.expectError(
      { id: 'r21', type: 'UpdateDeltas', deltas: [good, { key: 1, data: [1] }] },
      'r21',
      /Address Missing$/,
    )
    await world.expectError(
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
    await KeyValueStore.open(backend, { hash: keccak256 })
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
    expect(await world.socket.askOne({ id: 'r17', type: 'RemoveDeltas', input })).toMatchObject({
      id: 'r17',
      result: { status: 0, errors: [] },
    })
    await world.expectUntouched()
  })

  it('row 18: the widest range to read', async () => {
    const input = [{ address: known, from: 0, to: 4294967295 }]
    expect((await world.socket.askOne({ id: 'r18', type: 'GetDeltas', input })).result).toEqual({
      deltas: [{ address: known, key: 0, data: [1, 2, 3] }],
    })
  })
})

describe('registration', () => {
  it('row 50: asks no attestation service, and answers the same each time', async () => {
    const first = await world.socket.askOne({ id: 'r50', type: 'GetRegistrationParams' })
    expect(first.result).toMatchObject({ signingKey: expect.stringMatching(/^[0-9a-f]{40}$/), signature: '' })
    expect(await world.socket.askOne({ id: 'r50', type: 'GetRegistrationParams', input: null, extra: 1 })).toEqual(
      first,
    )
  })

  it('row 51: a command line that makes no sense ends at once, and says why', async () => {
    const end = await runCommand(['core', '--spid', 'xyz'])
    expect([end.code, end.stdout]).toEqual([2, ''])
    expect(end.stderr).toContain('--spid')
    expect((await runCommand(['core', '--principal', 'abc'])).code).toBe(2)
    expect((await runCommand(['core', '--bind', 'tcp://0.0.0.0:0'])).code).toBe(1)
  })
})
