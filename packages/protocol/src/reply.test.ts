import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ErrorReply } from './index.ts'
import {
  decodeReply,
  decodeRequest,
  encodeReply,
  encodeReplyInPieces,
  messageTypes,
  type ResultReply,
  replyId,
  WorkerError,
} from './index.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const error: ErrorReply = { kind: 'error', id: 'a', requestType: 'GetTip', message: 'no' }
const write = (reply: ErrorReply, dialect: 'document' | 'enigma-p2p') => decoder.decode(encodeReply(reply, dialect))

describe('Error', () => {
  test('document dialect: the type is that of the request', () => {
    expect(write(error, 'document')).toBe('{"id":"a","type":"GetTip","msg":"no"}')
    expect(write({ ...error, requestType: 'NoSuchType' }, 'document')).toBe('{"id":"a","type":"NoSuchType","msg":"no"}')
    expect(write({ ...error, requestType: undefined }, 'document')).toBe('{"id":"a","type":"Error","msg":"no"}')
  })

  test('dialect enigma-p2p: the type is Error', () => {
    expect(write(error, 'enigma-p2p')).toBe('{"id":"a","type":"Error","msg":"no","error":"no","requestType":"GetTip"}')
    expect(write({ ...error, requestType: undefined }, 'enigma-p2p')).toContain('"requestType":"Error"')
  })

  test('types and texts of any kind become short and printable', () => {
    const json = JSON.parse(write({ ...error, requestType: 'x'.repeat(9999), message: 'é\n'.repeat(9999) }, 'document'))
    expect(json.type).toBe('x'.repeat(64))
    expect(json.msg).toMatch(/^\?{509}\.\.\.$/)
  })

  test('a refused frame is answered in both dialects, and the client reads it back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.string(), (bytes, type) => {
        const head = encoder.encode(`{"id":7,"type":${JSON.stringify(type)},`)
        const refused = decodeRequest(new Uint8Array([...head, ...bytes]))
        if (refused.ok) return
        for (const dialect of ['document', 'enigma-p2p'] as const) {
          const frame = encodeReply({ kind: 'error', ...refused }, dialect)
          expect(replyId(frame)).toBe(7)
          expect(decodeReply(frame, 'GetTip')).toEqual({
            kind: 'error',
            id: 7,
            requestType: type.slice(0, 64),
            message: refused.message,
          })
        }
      }),
    )
  })

  test('ids are repeated digit by digit', () => {
    for (const id of ['9007199254740993', '-0', '1.50', '"a\\"\\u0000"', 'true', '12345678901234567890']) {
      const refused = decodeRequest(encoder.encode(`{"id":${id},"type":"x"}`))
      if (refused.ok) throw new Error('x is no type')
      expect(write({ kind: 'error', ...refused }, 'document')).toMatch(`{"id":${id},"type":"x"`)
    }
  })
})

test('the address of a write reply is spelt as in the request', () => {
  const spelling = `0X${'5C'.repeat(32)}`
  const request = decodeRequest(encoder.encode(`{"id":"a","type":"RemoveContract","address":"${spelling}"}`))
  if (!request.ok || request.type !== 'RemoveContract') throw new Error('refused')
  const frame = encodeReply(
    { kind: 'result', id: 'a', type: request.type, input: request.input, result: { status: 0 } },
    'document',
  )
  expect(decoder.decode(frame)).toBe(`{"id":"a","type":"RemoveContract","address":"${spelling}","result":{"status":0}}`)
})

test('a status is 0 or -1 and nothing else', () => {
  const frame = (status: number) => encoder.encode(`{"id":"a","type":"RemoveContract","result":{"status":${status}}}`)
  for (const status of [0, -1])
    expect(decodeReply(frame(status), 'RemoveContract')).toMatchObject({ result: { status } })
  for (const status of [1, -2]) expect(() => decodeReply(frame(status), 'RemoveContract')).toThrow(/result\.status: /)
})

test('gas is written in full', () => {
  const result = { output: new Uint8Array(1), usedGas: 2n ** 64n - 1n, signature: new Uint8Array(65) }
  const frame = encodeReply({ kind: 'failedTask', id: 'a', result }, 'document')
  expect(decoder.decode(frame)).toContain('"usedGas":18446744073709551615,')
  expect(decodeReply(frame, 'ComputeTask')).toEqual({ kind: 'failedTask', id: 'a', result })
})

describe('decodeReply', () => {
  test('takes a PTTResponse reply under the name that the document prints', () => {
    const frame = encoder.encode('{"id":"a","type":"GetPTTRequest","result":{"errors":[]}}')
    expect(decodeReply(frame, 'PTTResponse')).toEqual({ kind: 'result', id: 'a', result: { errors: [] } })
  })

  const get = '{"id":"a","type":"GetTip"'
  test.each([
    ['nothing', '', /^Malformed reply: /],
    ['not JSON', '{"id":"a"', /^Malformed reply: /],
    ['no object', '[]', 'not a JSON object'],
    ['neither result nor msg', `${get}}`, 'neither result nor msg'],
    ['a msg that is no text', `${get},"msg":7}`, 'neither result nor msg'],
    ['another type', '{"id":"a","type":"GetTips","result":{"key":1,"data":[]}}', 'type: expected GetTip'],
    ['no type', '{"id":"a","result":{"key":1,"data":[]}}', 'type: expected GetTip'],
    ['the type that a PTTResponse may have', '{"id":"a","type":"GetPTTRequest","result":{}}', 'type: expected GetTip'],
    [
      'a FailedTask for a read',
      '{"id":"a","type":"FailedTask","result":{"output":"","usedGas":0,"signature":""}}',
      'type: expected GetTip',
    ],
    ['a wrong result', `${get},"result":{"key":1,"data":[256]}}`, /^Malformed reply: result\.data: expected hex/],
    ['a result without a member', `${get},"result":{"key":1}}`, 'result.data: missing, expected bytes[]'],
    ['msg beside a null result', `${get},"msg":"x","result":null}`, /^Malformed reply: result: expected an object/],
  ])('refuses %s', (_, text, problem) => {
    const message = typeof problem === 'string' ? `Malformed reply: ${problem}` : expect.stringMatching(problem)
    expect(() => decodeReply(encoder.encode(text), 'GetTip')).toThrow(
      expect.objectContaining({ code: 'malformed_reply', message }),
    )
  })

  test('a PTTResponse has one other name and no third', () => {
    const frame = encoder.encode('{"id":"a","type":"GetTip","result":{"errors":[]}}')
    expect(() => decodeReply(frame, 'PTTResponse')).toThrow('Malformed reply: type: expected PTTResponse')
  })

  test('a reply of more than 256 MiB is not read', () => {
    const frame = new Uint8Array(2 ** 28 + 1)
    expect(() => decodeReply(frame.subarray(1), 'GetTip')).toThrow(/^Malformed reply: (?!more than)/)
    expect(() => decodeReply(frame, 'GetTip')).toThrow('Malformed reply: more than 268435456 bytes')
  })

  test('throws nothing but WorkerError, on any bytes and any JSON', () => {
    const frames = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((json) => encoder.encode(json)),
      fc
        .tuple(fc.constantFrom(...messageTypes), fc.jsonValue())
        .map(([type, result]) => encoder.encode(JSON.stringify({ id: 'a', type, result }))),
    )
    fc.assert(
      fc.property(frames, fc.constantFrom(...messageTypes), (frame, type) => {
        try {
          expect(['result', 'failedTask', 'error']).toContain(decodeReply(frame, type).kind)
        } catch (thrown) {
          expect(thrown).toBeInstanceOf(WorkerError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})

describe('a large reply in pieces', () => {
  const address = new Uint8Array(32).fill(0xab)
  const tips = (lengths: readonly number[], fill: (index: number) => number) =>
    lengths.map((length, key) => ({ address, key, data: Uint8Array.from({ length }, (_, index) => fill(index)) }))

  function write(reply: ResultReply, dialect: 'document' | 'enigma-p2p', expected: number) {
    const pieces = encodeReplyInPieces(reply, dialect, expected)
    for (let stops = 0; ; stops++) {
      const { done, value } = pieces.next()
      if (done) return { frame: value, stops }
    }
  }

  test('is the same, with stops in between that follow its size', () => {
    const [most, least] = [(index: number) => 100 + (index % 100), () => 0]
    for (const fill of [most, least, (index: number) => index % 256]) {
      const lengths = [0, 1, 65_535, 65_536, 65_537, 1_000_000, 0]
      const reply = {
        kind: 'result',
        id: 'a',
        type: 'GetTips',
        input: undefined,
        result: { tips: tips(lengths, fill) },
      } as const
      const whole = encodeReply(reply, 'document')
      for (const expected of [0, whole.length, whole.length + 5_000_000]) {
        const { frame, stops } = write(reply, 'document', expected)
        expect(Buffer.compare(frame, whole)).toBe(0)
        expect(stops).toBeGreaterThanOrEqual(1_196_609 / 65_536)
        // Memory for what was expected, and for one piece more: it does not grow, which would copy all at once.
        if (expected >= whole.length) expect(frame.buffer.byteLength).toBeLessThanOrEqual(expected + 5 * 65_536)
      }
    }
    // Small rows share stops.
    const rows = tips(new Array<number>(5000).fill(300), least)
    const many = { kind: 'result', id: 'a', type: 'GetTips', input: undefined, result: { tips: rows } } as const
    const { frame, stops } = write(many, 'document', 0)
    expect(Buffer.compare(frame, encodeReply(many, 'document'))).toBe(0)
    expect(stops).toBeGreaterThanOrEqual(Math.floor(frame.length / 131_072))
    expect(stops).toBeLessThanOrEqual(Math.ceil(frame.length / 65_536))
  })

  test('is the same in the dialect enigma-p2p, where it has hex', () => {
    const [delta] = tips([200_001], (index) => index % 256)
    const reply = { kind: 'result', id: 'a', type: 'GetDelta', input: undefined, result: delta! } as const
    const { frame, stops } = write(reply, 'enigma-p2p', 0)
    expect(Buffer.compare(frame, encodeReply(reply, 'enigma-p2p'))).toBe(0)
    expect(stops).toBeGreaterThanOrEqual(8)
  })

  test('a row with a few large members has stops in between', () => {
    const [row] = tips([200_000], () => 0)
    const reply = { kind: 'result', id: 'a', type: 'GetTips', input: undefined, result: { tips: [row!] } } as const
    expect(write(reply, 'document', 0).stops).toBeGreaterThanOrEqual(3)
  })

  test('names the same field when it is not of its shape', () => {
    const rows = [...tips([1], () => 0), { address, key: 1, data: 'text' as unknown as Uint8Array }]
    const reply = { kind: 'result', id: 'a', type: 'GetTips', input: undefined, result: { tips: rows } } as const
    expect(() => write(reply, 'document', 0)).toThrow('result.tips[1].data: expected a Uint8Array')
    expect(() => encodeReply(reply, 'document')).toThrow('result.tips[1].data: expected a Uint8Array')
  })
})
