import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  decodeRequest,
  encodeRequest,
  maxAddresses,
  maxDeltas,
  maxFrameBytes,
  maxMessageLength,
  maxRanges,
  messageTypes,
} from './index.ts'
import { ExactNumber } from './internal/jsonReader.ts'
import { messageOf } from './registry.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const address = '5c'.repeat(32)
const userKey = '0d'.repeat(64)
const decode = (text: string) => decodeRequest(encoder.encode(text))

/** A refusal with its id, and the text where the test gives one. */
function expectRefused(frame: string | Uint8Array, id: unknown, message?: string | RegExp): void {
  const request = typeof frame === 'string' ? decode(frame) : decodeRequest(frame)
  expect(request).toMatchObject({ ok: false, id })
  if (request.ok) return
  expect(request.message).toMatch(/^[\x20-\x7e]{1,512}$/)
  if (typeof message === 'string') expect(request.message).toBe(message)
  else if (message) expect(request.message).toMatch(message)
}

function task(gasLimit: string): string {
  return `{"id":"t","type":"ComputeTask","input":{"encryptedArgs":"","encryptedFn":"","userDHKey":"${userKey}","gasLimit":${gasLimit},"contractAddress":"${address}"}}`
}

describe('id', () => {
  test.each([
    ['"k7Qx2mVb9TzA"', 'k7Qx2mVb9TzA'],
    ['"\\u00e9 \\ud800 \\""', 'é \ud800 "'],
    ['""', ''],
    ['0', 0],
    ['4294967295', 4294967295],
    ['-1', -1],
    ['true', true],
    ['9007199254740993', new ExactNumber('9007199254740993')],
    ['123456789012345678901234567890', new ExactNumber('123456789012345678901234567890')],
    ['1.50', new ExactNumber('1.50')],
    ['-0', new ExactNumber('-0')],
  ])('%s is taken as it is, and written as it was', (text, id) => {
    const request = decode(`{"id":${text},"type":"GetAllTips"}`)
    expect(request).toEqual({ ok: true, id, type: 'GetAllTips', input: undefined })
    expect(JSON.parse(decoder.decode(encodeRequest('GetAllTips', request.id, undefined)))).toEqual(
      JSON.parse(`{"id":${text},"type":"GetAllTips"}`),
    )
    if (id instanceof ExactNumber || typeof id !== 'string') {
      expect(decoder.decode(encodeRequest('GetAllTips', request.id, undefined))).toContain(`"id":${text},`)
    }
  })

  test.each(['null', '{"a":1}', '["a"]', '[1]'])('%s is none', (text) => {
    expectRefused(`{"id":${text},"type":"GetAllTips"}`, '', /id: /)
  })

  test('it has up to 64 KiB with its quotes', () => {
    for (const length of [255, 256, 257, 20_000, 65_534]) {
      const id = 'a'.repeat(length)
      expect(decode(`{"id":"${id}","type":"GetAllTips"}`)).toMatchObject({ ok: true, id })
    }
    expectRefused(
      `{"id":"${'a'.repeat(65_535)}","type":"GetAllTips"}`,
      '',
      'Malformed frame: id: expected a string of at most 65536 bytes, a number or a boolean',
    )
  })

  test('a missing one is none, a repeated one is refused with the first', () => {
    expectRefused('{"type":"GetAllTips"}', '', /id: /)
    expectRefused('{"id":"a","id":"a","type":"GetAllTips"}', 'a', /id: given more than once/)
  })
})

describe('frames that are no request (wire.md 4, rows 1 to 4)', () => {
  const whole = `{"id":"a","type":"GetTip","input":"${address}"}`

  test.each([
    ['empty', '', ''],
    ['white space', ' \n', ''],
    ['not JSON', 'hello', ''],
    ['truncated', whole.slice(0, -3), 'a'],
    ['trailing bytes', `${whole}x`, 'a'],
    ['two values', `${whole}${whole}`, 'a'],
    ['byte order mark', `\ufeff${whole}`, 'a'],
    ['array', '[1,2]', ''],
    ['array with an object', `[${whole}]`, ''],
    ['null', 'null', ''],
    ['number', '7', ''],
    ['string', '"id"', ''],
    ['single quotes', "{'id':'a'}", ''],
    ['comma at the end', '{"id":"a","type":"GetTip",}', 'a'],
    ['too deep', `{"id":"a","type":"GetTip","input":${'['.repeat(200_000)}`, 'a'],
  ])('%s', (_, frame, id) => expectRefused(frame, id, /^Malformed frame: /))

  test('bytes that are not UTF-8, wherever they stand', () => {
    const bytes = encoder.encode(whole)
    for (const at of [0, 12, 30, bytes.length - 1]) {
      const damaged = new Uint8Array([...bytes.subarray(0, at), 0xc3, 0x28, ...bytes.subarray(at)])
      expectRefused(damaged, 'a')
    }
  })

  test('a frame at the size limit is read, one byte more is not, and both keep the id', () => {
    const frame = new Uint8Array(maxFrameBytes + 1).fill(0x20)
    frame.set(encoder.encode('{"id":"big","type":"GetAllTips"}'))
    expect(decodeRequest(frame.subarray(0, maxFrameBytes))).toMatchObject({ ok: true, id: 'big' })
    expectRefused(frame, 'big', /more than 67108864 bytes/)
  })

  test.each([
    '{"id":"a"}',
    '{"id":"a","type":null}',
    '{"id":"a","type":7}',
    '{"id":"a","type":"GetTip","type":"GetTip"}',
  ])('no type: %s', (frame) => expectRefused(frame, 'a', /type: expected one string/))

  test('the id of a broken frame is looked for at its beginning only', () => {
    const broken = (spaces: number) => encoder.encode(`{${' '.repeat(spaces)}"id":"far","type":"GetTip"`)
    const fits = 65_536 - broken(0).length
    expect(decodeRequest(broken(fits))).toMatchObject({ ok: false, id: 'far', requestType: 'GetTip' })
    // Behind the quote nothing counts, and with one more byte the last quote is not seen.
    expect(decodeRequest(broken(fits + 1))).toMatchObject({ ok: false, id: 'far', requestType: undefined })
    expect(decodeRequest(broken(70_000))).toMatchObject({ ok: false, id: '', requestType: undefined })
  })

  test('unknown types are named, cut and made printable', () => {
    expectRefused('{"id":"a","type":"gettip"}', 'a', 'Unknown message type: gettip')
    expectRefused('{"id":"a","type":"toString"}', 'a', 'Unknown message type: toString')
    expectRefused('{"id":"a","type":"\\u0000\\u00e9"}', 'a', 'Unknown message type: ??')
    expectRefused(`{"id":"a","type":"${'x'.repeat(64)}"}`, 'a', `Unknown message type: ${'x'.repeat(64)}`)
    expectRefused(`{"id":"a","type":"${'x'.repeat(65)}"}`, 'a', `Unknown message type: ${'x'.repeat(61)}...`)
    expectRefused(`{"id":"a","type":"${'x'.repeat(100_000)}"}`, 'a', /^Unknown message type: x{61}\.\.\.$/)
    expect(decode('{"id":"a","type":"gettip"}')).toMatchObject({ requestType: 'gettip' })
  })

  test('many tiny values are refused before they fill the memory', () => {
    expectRefused(`{"id":"a","type":"GetTips","input":[${'{},'.repeat(600_000)}{}]}`, 'a', /more values than allowed/)
  })
})

describe('fields (wire.md 4, rows 5 to 15 and 19 to 21)', () => {
  const prefix = (type: string) => `Error while parsing the p2p messages, command: ${type}, error: `

  test('texts that peers compare are exact', () => {
    expectRefused('{"id":"a","type":"GetDelta","input":{"key":1}}', 'a', `${prefix('GetDelta')}Address Missing`)
    expectRefused(
      '{"id":"a","type":"GetDelta","input":{"address":null,"key":1}}',
      'a',
      `${prefix('GetDelta')}Address Missing`,
    )
    const row = `{"address":"${address}","key":1}`
    expectRefused(
      `{"id":"a","type":"UpdateDeltas","deltas":[${row}]}`,
      'a',
      `${prefix('UpdateDeltas')}Delta Data Missing`,
    )
    expectRefused(
      '{"id":"a","type":"UpdateDeltas","deltas":[{"key":1,"data":[]}]}',
      'a',
      `${prefix('UpdateDeltas')}Address Missing`,
    )
    for (const delta of ['{"key":0}', '[0]', '{"key":0,"data":null}']) {
      expectRefused(
        `{"id":"a","type":"UpdateNewContractOnDeployment","address":"${address}","bytecode":"","delta":${delta}}`,
        'a',
        `${prefix('UpdateNewContractOnDeployment')}Delta Data Missing`,
      )
    }
  })

  test.each([
    ['GetTip', '"input":null', 'input: missing'],
    ['GetTip', '"x":1', 'input: missing'],
    ['GetTip', `"input":["${address}","${address}"]`, 'input: expected 64 hex characters'],
    ['GetTip', `"input":{"address":"${address}"}`, 'input: expected 64 hex characters'],
    ['GetTip', `"input":"${address}0"`, 'input: '],
    ['GetTip', `"input":"${address.slice(2)}"`, 'got a string of 62 characters'],
    ['GetTip', `"input":"${address.slice(4)} \\t\\n "`, 'input: '],
    ['GetTip', `"input":"0x${address.slice(2)}"`, 'input: '],
    ['GetTip', `"input":"${'é'.repeat(64)}"`, 'not hex'],
    ['GetTips', `"input":["${address}","zz"]`, 'input[1]: '],
    ['GetTips', '"input":[[["a"]]]', 'input[0]: '],
    ['GetDelta', `"input":{"address":"${address}","key":1.0}`, 'input.key: expected an integer'],
    ['GetDelta', `"input":{"address":"${address}","key":"1"}`, 'input.key: '],
    ['GetDelta', `"input":{"address":"${address}","key":-1}`, 'input.key: '],
    ['GetDelta', `"input":{"address":"${address}","key":4294967296}`, 'input.key: '],
    ['GetDelta', `"input":{"address":"${address}","key":1,"key":1}`, 'input.key: '],
    ['GetDelta', `"input":{"address":"${address}","__proto__":{"key":1}}`, 'input.key: missing'],
    [
      'GetDeltas',
      `"input":[{"address":"${address}","from":0,"to":1},{"address":"${address}","from":0}]`,
      'input[1].to: missing',
    ],
    ['GetDeltas', `"input":[["${address}",0,1e3]]`, 'input[0].to: '],
    ['RemoveDeltas', '"input":"x"', 'input: expected an object'],
    ['UpdateNewContract', `"address":"${address}","bytecode":[1,256]`, 'bytecode: '],
    ['UpdateNewContract', `"address":"${address}","bytecode":[1,1.0]`, 'bytecode: '],
    ['UpdateNewContract', `"address":"${address}","bytecode":"abc"`, 'bytecode: '],
    ['RemoveContract', '"address":7', 'address: '],
    ['UpdateDeltas', `"deltas":[{"address":"${address}","key":0,"data":"0 "}]`, 'deltas[0].data: '],
    ['NewTaskEncryptionKey', '"userPubKey":"abcd"', 'userPubKey: expected 128 or 130 or 66 hex characters'],
    ['NewTaskEncryptionKey', `"userPubKey":"${userKey}0"`, 'userPubKey: '],
    ['ComputeTask', `"input":["","","${userKey.slice(2)}",1,"${address}"]`, 'input.userDHKey: expected 128'],
    ['DeploySecretContract', `"input":{"preCode":null,"encryptedArgs":""}`, 'input.preCode: missing'],
    ['PTTResponse', '"input":{"sig":"00"}', 'input.response: missing'],
  ])('%s with %s', (type, members, message) => {
    const request = decode(`{"id":"a","type":"${type}",${members}}`)
    expect(request).toMatchObject({ ok: false, id: 'a', requestType: type })
    if (!request.ok) expect(request.message).toContain(message)
  })

  const bytes32 = '64 hex characters (0x allowed) or an array of 32 bytes'
  const anyBytes = 'hex characters (0x allowed) or an array of bytes'
  const index = 'an integer from 0 to 4294967295'
  test.each([
    ['GetTip', '"input":true', `input: expected ${bytes32}, got a boolean`],
    ['GetTip', '"input":7', `input: expected ${bytes32}, got a number`],
    ['GetTip', '"input":1.5', `input: expected ${bytes32}, got a number`],
    ['GetTip', '"input":{}', `input: expected ${bytes32}, got an object`],
    ['GetTip', '"input":[1,2]', `input: expected ${bytes32}, got an array of 2`],
    ['GetTip', '"input":[true,"x"]', `input: expected ${bytes32}, got an array of 2`],
    ['GetTip', '"input":[null]', `input: expected ${bytes32}, got null`],
    ['GetTip', '"input":"00"', `input: expected ${bytes32}, got a string of 2 characters`],
    ['GetTip', `"input":"${'0'.repeat(300)}"`, `input: expected ${bytes32}, got a string of 300 characters`],
    ['GetTip', '"input":"zz"', `input: expected ${bytes32}, got a string that is not hex of whole bytes`],
    ['GetTip', '"input":"","input":""', `input: expected ${bytes32}, got the member more than once`],
    ['UpdateNewContract', `"address":"${address}","bytecode":7`, `bytecode: expected ${anyBytes}, got a number`],
    [
      'UpdateNewContract',
      `"address":"${address}","bytecode":"${'0'.repeat(301)}"`,
      `bytecode: expected ${anyBytes}, got a string that is not hex of whole bytes`,
    ],
    ['GetDelta', `"input":{"address":"${address}","key":4294967296}`, `input.key: expected ${index}, got a number`],
    ['GetDelta', `"input":["${address}"]`, 'input.key: missing, expected index'],
    ['GetDelta', `"input":["${address}",null]`, 'input.key: missing, expected index'],
    ['GetTips', '"input":["00"]', `input[0]: expected ${bytes32}, got a string of 2 characters`],
    ['GetTips', '"input":[1,2]', `input: expected ${bytes32}, got an array of 2`],
    ['GetTips', `"input":[["${address}",7]]`, `input[1]: expected ${bytes32}, got a number`],
    [
      'GetDeltas',
      '"input":[7,{}]',
      'input[0]: expected an object {address: address, from: index, to: index}, got a number',
    ],
    ['GetDeltas', `"input":[["${address}",0,1],{}]`, 'input[1].address: missing, expected address'],
    [
      'GetDeltas',
      `"input":[["${address}",0,1],["00",0,1]]`,
      `input[1].address: expected ${bytes32}, got a string of 2 characters`,
    ],
  ])('%s with %s says exactly what is wrong', (type, members, problem) => {
    expectRefused(`{"id":"a","type":"${type}",${members}}`, 'a', `${prefix(type)}${problem}`)
  })

  test.each([
    ['0', 0],
    ['4294967295', 4294967295],
  ])('%s is an index', (text, key) => {
    expect(decode(`{"id":"a","type":"GetDelta","input":["${address}",${text}]}`)).toMatchObject({ input: { key } })
  })

  test('an address may be an array of numbers, alone, in a list, and in a list in a list', () => {
    const bytes = `[${Array(32).fill(0x5c)}]`
    const wanted = { ok: true, input: { addresses: [new Uint8Array(32).fill(0x5c)] } }
    for (const input of [bytes, `[${bytes}]`, `[[${bytes}]]`, `"${address}"`, `["${address}"]`, `[["${address}"]]`]) {
      expect(decode(`{"id":"a","type":"GetTips","input":${input}}`), input).toMatchObject(wanted)
    }
    for (const input of [bytes, `[${bytes}]`, `["${address}"]`]) {
      expect(decode(`{"id":"a","type":"GetTip","input":${input}}`), input).toMatchObject({
        input: { address: wanted.input.addresses[0] },
      })
    }
  })

  test('no message repeats what it refuses', () => {
    const secret = 'c0ffee'.repeat(21)
    const taken: string[] = []
    for (const type of messageTypes) {
      const members = ['input', 'address', 'deltas', 'userPubKey', 'bytecode'].map((name) => `"${name}":"${secret}x"`)
      const request = decode(`{"id":"a","type":"${type}",${members.join()}}`)
      if (request.ok) taken.push(type)
      else expect(request.message, type).not.toContain('c0ffee')
    }
    // These take none of it.
    expect(taken.sort()).toEqual(['GetAllAddrs', 'GetAllTips', 'GetPTTRequest', 'GetRegistrationParams'])
  })

  test('names that every object inherits are unknown members, and ignored', () => {
    const input = `{"address":"${address}","key":1,"__proto__":{"key":9},"constructor":null,"toString":[]}`
    const request = decode(`{"id":"a","type":"GetDelta","input":${input},"__proto__":{"type":"GetTip"}}`)
    expect(request).toEqual({
      ok: true,
      id: 'a',
      type: 'GetDelta',
      input: { address: new Uint8Array(32).fill(0x5c), key: 1 },
    })
  })

  test('the spelling of an address is kept for the reply', () => {
    const spelling = `0X${address.toUpperCase()}`
    expect(decode(`{"id":"a","type":"RemoveContract","address":"${spelling}"}`)).toMatchObject({
      input: { address: new Uint8Array(32).fill(0x5c), addressText: spelling },
    })
    expect(decode(`{"id":"a","type":"RemoveContract","address":[${Array(32).fill(0x5c)}]}`)).toMatchObject({
      input: { addressText: address },
    })
  })

  test.each([
    ['GetTips', maxAddresses, (count: number) => `"input":[${Array(count).fill(`"${address}"`)}]`],
    ['GetDeltas', maxRanges, (count: number) => `"input":[${Array(count).fill(`["${address}",0,1]`)}]`],
    ['RemoveDeltas', maxRanges, (count: number) => `"input":[${Array(count).fill(`["${address}",0,1]`)}]`],
    ['UpdateDeltas', maxDeltas, (count: number) => `"deltas":[${Array(count).fill(`["${address}",0,[]]`)}]`],
  ])('%s takes %i rows and not one more', (type, limit, members) => {
    expect(decode(`{"id":"a","type":"${type}",${members(limit)}}`)).toMatchObject({ ok: true })
    expectRefused(`{"id":"a","type":"${type}",${members(limit + 1)}}`, 'a', /at most/)
  })
})

describe('gas', () => {
  test.each([
    ['0', 0n],
    ['-0', undefined],
    ['"0"', 0n],
    ['"007"', 7n],
    ['9007199254740991', 2n ** 53n - 1n],
    ['9007199254740992', 2n ** 53n],
    ['9007199254740993', 2n ** 53n + 1n],
    ['"9007199254740993"', 2n ** 53n + 1n],
    ['9007199254740993.0', 2n ** 53n + 1n],
    ['18446744073709551615', 2n ** 64n - 1n],
    ['"18446744073709551615"', 2n ** 64n - 1n],
    ['1.8446744073709551615e19', 2n ** 64n - 1n],
    ['1e3', 1000n],
    ['1.50E+1', 15n],
    ['1200e-2', 12n],
    ['0e999999999999', 0n],
    ['18446744073709551616', undefined],
    ['"18446744073709551616"', undefined],
    ['2e19', undefined],
    ['1e400', undefined],
    ['1e-400', undefined],
    ['0.5', undefined],
    ['1200e-3', undefined],
    ['-1', undefined],
    ['"-1"', undefined],
    ['"1.0"', undefined],
    ['"1e3"', undefined],
    ['"0x10"', undefined],
    ['" 1"', undefined],
    ['""', undefined],
    ['true', undefined],
    ['[1]', undefined],
    [`"${'0'.repeat(63)}7"`, 7n],
    [`"${'0'.repeat(64)}7"`, undefined],
  ])('%s', (text, gas) => {
    const request = decode(task(text))
    if (gas === undefined) {
      expectRefused(task(text), 't', /input\.gasLimit: expected an exact integer/)
    } else expect(request).toMatchObject({ ok: true, input: { gasLimit: gas } })
  })

  test('every u64 survives, as a number and as a string', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (gas) => {
        for (const text of [`${gas}`, `"${gas}"`, `${gas}.0`]) {
          expect(decode(task(text))).toMatchObject({ ok: true, input: { gasLimit: gas } })
        }
      }),
    )
  })

  test('absurdly long numbers are refused at once', () => {
    const digits = '0'.repeat(1_000_000)
    expectRefused(task(`1${digits}1`), 't', /input\.gasLimit/)
    expectRefused(task(`"1${digits}1"`), 't', /input\.gasLimit/)
    expectRefused(task(`1.${digits}1`), 't', /input\.gasLimit/)
  })
})

describe('hostile input', () => {
  /** Whatever comes in, the answer is a request of the registry, or a refusal that can be sent. */
  function expectAnswer(frame: Uint8Array): void {
    const request = decodeRequest(frame)
    if (request.ok) expect(messageTypes).toContain(request.type)
    else {
      expect(request.message.length).toBeLessThanOrEqual(maxMessageLength)
      expect(request.message).toMatch(/^[\x20-\x7e]+$/)
    }
  }

  test('any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), expectAnswer))
  })

  test('any JSON as any member of any message, with the right id', () => {
    const names = ['input', 'address', 'bytecode', 'delta', 'deltas', 'userPubKey', 'extra', '__proto__']
    fc.assert(
      fc.property(
        fc.string(),
        fc.constantFrom(...messageTypes),
        fc.dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 4 })),
        (id, type, members) => {
          const frame = encoder.encode(JSON.stringify({ ...members, id, type }))
          expectAnswer(frame)
          expect(decodeRequest(frame)).toMatchObject({
            id,
            ...(decodeRequest(frame).ok ? { type } : { requestType: type }),
          })
        },
      ),
      { numRuns: 1000 },
    )
  })

  test('examples with bytes changed, cut out or doubled; the id stays where its bytes do', () => {
    const edit = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }), fc.nat(4))
    fc.assert(
      fc.property(fc.constantFrom(...messageTypes), fc.array(edit, { minLength: 1, maxLength: 4 }), (type, edits) => {
        let frame = encodeRequest(type, 'stays', messageOf(type).example.input as never)
        const kept = '{"id":"stays",'.length
        for (const [position, byte, cut] of edits) {
          const at = kept + (position % (frame.length - kept))
          frame = new Uint8Array([...frame.subarray(0, at), byte, ...frame.subarray(Math.min(at + cut, frame.length))])
        }
        expectAnswer(frame)
        expect(decodeRequest(frame).id).toBe('stays')
      }),
      { numRuns: 3000 },
    )
  })
})

describe('encodeRequest', () => {
  const key = new Uint8Array(64)
  const at = new Uint8Array(32)
  const gas = (gasLimit: unknown) => ({
    encryptedArgs: key,
    encryptedFn: key,
    userDHKey: key,
    gasLimit,
    contractAddress: at,
  })

  test.each([
    ['GetTip', { address: new Uint8Array(31) }, 'input: expected a Uint8Array of 32 bytes'],
    ['GetTip', { address: 'text' }, 'input: expected a Uint8Array of 32 bytes'],
    ['GetTips', { addresses: at }, 'input: expected an array'],
    ['GetTips', { addresses: [at, key] }, 'input[1]: expected a Uint8Array of 32 bytes'],
    ['GetDelta', { address: at, key: -1 }, 'input.key: expected an integer from 0 to 4294967295'],
    ['GetDelta', { address: at, key: 2 ** 32 }, 'input.key: expected an integer from 0 to 4294967295'],
    ['GetDelta', { address: at, key: 0.5 }, 'input.key: expected an integer from 0 to 4294967295'],
    ['GetDelta', { address: at }, 'input.key: expected an integer from 0 to 4294967295'],
    ['GetDelta', null, 'input: expected an object {address: address, key: index}'],
    ['GetDelta', 'text', 'input: expected an object {address: address, key: index}'],
    ['NewTaskEncryptionKey', { userPubKey: at }, 'userPubKey: expected a Uint8Array of 64 or 65 or 33 bytes'],
    ['PTTResponse', { response: [1] }, 'input.response: expected a Uint8Array'],
    ['UpdateNewContract', { address: at, bytecode: [1] }, 'bytecode: expected a Uint8Array'],
    ['ComputeTask', gas(-1n), 'input.gasLimit: expected a bigint from 0 to 18446744073709551615'],
    ['ComputeTask', gas(2n ** 64n), 'input.gasLimit: expected a bigint from 0 to 18446744073709551615'],
    ['ComputeTask', gas(1), 'input.gasLimit: expected a bigint from 0 to 18446744073709551615'],
  ] as const)('%s, row %#, is refused', (type, input, problem) => {
    expect(() => encodeRequest(type, 'a', input as never)).toThrow(
      expect.objectContaining({ name: 'FieldError', message: problem }),
    )
  })

  test.each([
    ['GetDelta', { address: at, key: 0 }],
    ['GetDelta', { address: at, key: 2 ** 32 - 1 }],
    ['ComputeTask', gas(0n)],
    ['ComputeTask', gas(2n ** 64n - 1n)],
    ['NewTaskEncryptionKey', { userPubKey: new Uint8Array(33) }],
    ['NewTaskEncryptionKey', { userPubKey: new Uint8Array(65) }],
    ['PTTResponse', { response: key }],
    ['PTTResponse', { response: key, sig: at }],
  ] as const)('%s, row %#, is what arrives', (type, input) => {
    expect(decodeRequest(encodeRequest(type, 'a', input as never))).toEqual({ ok: true, id: 'a', type, input })
  })
})
