import { atOnce } from '@bletchley/bytes'
import { describe, expect, test } from 'vitest'
import type { Dialect, Handlers, Input, MessageType, Reply, ResultReply } from './index.ts'
import {
  decodeReply,
  decodeRequest,
  dialects,
  encodeReply,
  encodeReplyInPieces,
  encodeRequest,
  handle,
  isMessageType,
  isWorkerError,
  messageTypes,
  replies,
  replyTo,
} from './index.ts'
import { messageOf } from './registry.ts'

type Json = null | boolean | number | string | Json[] | { [name: string]: Json }
type Path = (string | number)[]

const encoder = new TextEncoder()
const decoder = new TextDecoder()
const jsonOf = (frame: Uint8Array) => JSON.parse(decoder.decode(frame)) as { [name: string]: Json }
const frameOf = (json: Json) => encoder.encode(JSON.stringify(json))

function exampleRequest(type: MessageType): Uint8Array {
  return encodeRequest(type, 'id-1', messageOf(type).example.input as never)
}

function exampleReply(type: MessageType, dialect: Dialect): Uint8Array {
  const request = decodeRequest(exampleRequest(type))
  if (!request.ok) throw new Error(request.message)
  const { result } = messageOf(type).example
  return encodeReply({ kind: 'result', id: 'id-1', type, input: request.input, result } as ResultReply, dialect)
}

/** Paths to all fields of an object and of the rows of its lists, without the elements of byte arrays. */
function fieldsIn(json: Json, path: Path = []): Path[] {
  if (typeof json !== 'object' || json === null) return []
  if (Array.isArray(json)) return json.flatMap((item, at) => fieldsIn(item, [...path, at]))
  return Object.entries(json).flatMap(([name, member]) => [[...path, name], ...fieldsIn(member, [...path, name])])
}

/** A copy with the value at the path replaced, or taken out if there is none. */
function withField(json: Json, path: Path, value?: Json): Json {
  const copy = structuredClone(json)
  const parent = path.slice(0, -1).reduce((at, step) => (at as Record<string | number, Json>)[step] as Json, copy)
  const last = path.at(-1) as string
  if (value === undefined) delete (parent as Record<string, Json>)[last]
  else (parent as Record<string, Json>)[last] = value
  return copy
}

/** Wrong for every field of every message. */
const wrongValues: Json[] = [true, -7, 1.5, 1e30, 'zz', ' 0', '0x0', [[true]], [-300], { other: 1 }]
const fixedTexts = ['Address Missing', 'Delta Data Missing']

test('the registry has the eighteen requests of the document, under their own names', () => {
  expect(messageTypes).toHaveLength(18)
  for (const type of messageTypes) expect(messageOf(type).type).toBe(type)
})

test('names of object members are no types', () => {
  for (const name of ['toString', 'constructor', '__proto__', 'hasOwnProperty', '', 'gettip', 'FailedTask', 'Error']) {
    expect(isMessageType(name), name).toBe(false)
  }
})

describe.each(messageTypes)('%s', (type) => {
  test('its request goes to memory and back byte for byte', () => {
    const frame = exampleRequest(type)
    const request = decodeRequest(frame)
    expect(request).toMatchObject({ ok: true, id: 'id-1', type })
    if (request.ok) expect(encodeRequest(type, request.id, request.input as never)).toEqual(frame)
  })

  test.each(dialects)('its reply arrives in dialect %s, and is the same JSON as JSON.stringify writes', (dialect) => {
    const frame = exampleReply(type, dialect)
    expect(JSON.stringify(JSON.parse(decoder.decode(frame)))).toBe(decoder.decode(frame))
    const reply = decodeReply(frame, type)
    expect(reply.kind).toBe('result')
    if (reply.kind === 'result') expect(messageOf(type).example.result).toMatchObject(reply.result)
  })

  test('every field that is missing or of a wrong shape is refused by its name', () => {
    const json = jsonOf(exampleRequest(type))
    for (const path of fieldsIn(json)) {
      if (path[0] === 'id' || path[0] === 'type') continue
      const name = String(path.at(-1))
      const variants = wrongValues.map((value) => withField(json, path, value))
      if (name !== 'sig') variants.push(withField(json, path), withField(json, path, null))
      for (const variant of variants) {
        const request = decodeRequest(frameOf(variant))
        const where = JSON.stringify(variant)
        expect(request, where).toMatchObject({ ok: false, id: 'id-1', requestType: type })
        if (request.ok) continue
        const named = request.message.includes(name) || fixedTexts.some((text) => request.message.endsWith(text))
        expect(named, `${request.message} for ${where}`).toBe(true)
        expect(request.message, where).toMatch(/^[\x20-\x7e]{1,512}$/)
      }
    }
  })

  test('every field of the reply that is missing or of a wrong shape is refused by its name', () => {
    const json = jsonOf(exampleReply(type, 'document'))
    for (const path of fieldsIn(json)) {
      if (path[0] !== 'result') continue
      for (const variant of [withField(json, path), ...wrongValues.map((value) => withField(json, path, value))]) {
        const isAbsentDelta =
          type === 'ComputeTask' && path.join('.') === 'result.delta.data' && !hasField(variant, path)
        if (isAbsentDelta) continue
        const error = thrownBy(() => decodeReply(frameOf(variant), type))
        const where = `${JSON.stringify(variant)}`
        expect(isWorkerError(error) && error.code, where).toBe('malformed_reply')
        expect(String(error), where).toContain(String(path.at(-1)))
      }
    }
  })

  test('a result or an input that is not of its type is refused before it is written', () => {
    const { input, result } = messageOf(type).example
    for (const [name, value] of Object.entries(result as object)) {
      const broken = { ...(result as object), [name]: Number.NaN }
      const reply = { kind: 'result', id: '', type, input: { addressText: '' }, result: broken } as unknown as Reply
      // The dialect that writes every member of every result.
      const error = thrownBy(() => encodeReply(reply, 'enigma-p2p'))
      expect(error, `${type}.${name} = NaN instead of ${value}`).toBeInstanceOf(TypeError)
      expect(String(error)).toContain('result.')
      const inPieces = thrownBy(() => atOnce(encodeReplyInPieces(reply as ResultReply, 'enigma-p2p', 0)))
      expect(String(inPieces)).toBe(String(error))
    }
    for (const name of Object.keys((input ?? {}) as object)) {
      const error = thrownBy(() => encodeRequest(type, '', { ...(input as object), [name]: Number.NaN } as never))
      expect(error, `${type}.${name}`).toBeInstanceOf(TypeError)
    }
  })
})

function hasField(json: Json, path: Path): boolean {
  return fieldsIn(json).some((field) => field.join('.') === path.join('.'))
}

function thrownBy(action: () => unknown): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error
  }
}

describe('handle and replyTo', () => {
  /** A worker that says to each request what the example says. */
  const handlers = Object.fromEntries(
    messageTypes.map((type) => [type, async () => messageOf(type).example.result]),
  ) as unknown as Handlers<null>

  test.each(messageTypes)('%s goes from client to handler and back', async (type) => {
    const request = decodeRequest(exampleRequest(type))
    if (!request.ok) throw new Error(request.message)
    for (const dialect of dialects) {
      const frame = encodeReply(replyTo(request, await handle(handlers, request, null)), dialect)
      expect(frame, dialect).toEqual(exampleReply(type, dialect))
    }
  })

  test.each(messageTypes)('%s is the same when it is written in pieces', async (type) => {
    const request = decodeRequest(exampleRequest(type))
    if (!request.ok) throw new Error(request.message)
    for (const dialect of dialects) {
      const reply = replyTo(request, await handle(handlers, request, null))
      for (const expected of [0, 300, 1_000_000]) {
        const pieces = encodeReplyInPieces(reply, dialect, expected)
        let piece = pieces.next()
        while (!piece.done) piece = pieces.next()
        expect(piece.value, dialect).toEqual(exampleReply(type, dialect))
      }
    }
  })

  test('a failed task becomes a FailedTask', async () => {
    const failedTask = replies.FailedTask.example.result
    const request = decodeRequest(exampleRequest('ComputeTask'))
    if (!request.ok) throw new Error(request.message)
    const failing = { ...handlers, ComputeTask: () => ({ failedTask }) }
    const reply = replyTo(request, await handle(failing, request, null))
    const frame = encodeReply(reply, 'document')
    expect(jsonOf(frame)).toMatchObject({ id: 'id-1', type: 'FailedTask' })
    expect(decodeReply(frame, 'ComputeTask')).toEqual({ kind: 'failedTask', id: 'id-1', result: failedTask })
    expect(thrownBy(() => decodeReply(frame, 'GetTip'))).toMatchObject({ code: 'malformed_reply' })
  })

  test('types: a missing handler does not compile, memory forms are what they are said to be', () => {
    const tip = (input: Input<'GetTip'>) => ({ key: input.address.length, data: input.address })
    // @ts-expect-error seventeen handlers are missing
    const incomplete: Handlers<null> = { GetTip: tip }
    const gas: Input<'ComputeTask'>['gasLimit'] = 1n
    const none: Input<'GetAllTips'> = undefined
    const spelling: Input<'RemoveContract'>['addressText'] = ''
    expect([Object.keys(incomplete), gas, none, spelling]).toEqual([['GetTip'], 1n, undefined, ''])
  })
})
