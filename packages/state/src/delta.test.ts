import { encrypt, keccak256, MsgPackWriter } from '@bletchley/crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonObject } from '../test/arbitraries.ts'
import { stateExtent } from './extent.ts'
import {
  applyDelta,
  type ContractState,
  decodeDelta,
  decodeState,
  diff,
  encodeDelta,
  encodeState,
  initialState,
  isInitial,
  JsonFloat,
  type JsonObject,
  openDelta,
  openState,
  type Patch,
  parseJson,
  StateError,
  sealDelta,
  sealState,
} from './index.ts'

const key = new Uint8Array(32).fill(7)
const zeros = new Uint8Array(32)
const object = (text: string) => parseJson(new TextEncoder().encode(text)) as JsonObject
const stateError = (code: string) => expect.objectContaining({ name: 'StateError', code })
const patch: Patch = [{ op: 'add', path: '/a', value: 1 }]

describe('a chain', () => {
  test('rebuilds every state of a random history', () => {
    fc.assert(
      fc.property(fc.array(jsonObject, { minLength: 1, maxLength: 5 }), (history) => {
        const state = initialState()
        const hashes: Uint8Array[] = [zeros]
        let before: JsonObject = new Map()
        history.forEach((after, index) => {
          const blob = sealDelta(key, { patch: diff(before, after), previousHash: hashes[index]! })
          applyDelta(state, index, key, blob)
          hashes.push(keccak256(blob))
          expect(state).toMatchObject(stateExtent(after))
          expect(encodeState(state)).toStrictEqual(
            encodeState({ json: after, deltaHash: hashes[index + 1]!, deltaIndex: index }),
          )
          before = after
        })
        expect(openState(key, sealState(key, state))).toStrictEqual(decodeState(encodeState(state)))
      }),
    )
  })

  test.each<[string, string, (state: ContractState) => void]>([
    [
      'index_gap',
      'a skipped index',
      (state) => applyDelta(state, 2, key, sealDelta(key, { patch, previousHash: state.deltaHash })),
    ],
    [
      'index_gap',
      'the same index again',
      (state) => applyDelta(state, 0, key, sealDelta(key, { patch, previousHash: zeros })),
    ],
    [
      'hash_mismatch',
      'another predecessor',
      (state) => applyDelta(state, 1, key, sealDelta(key, { patch, previousHash: zeros })),
    ],
    [
      'undecryptable',
      'another key',
      (state) => applyDelta(state, 1, key, sealDelta(zeros, { patch, previousHash: state.deltaHash })),
    ],
    ['undecryptable', 'no bytes', (state) => applyDelta(state, 1, key, new Uint8Array())],
    ['malformed', 'other content', (state) => applyDelta(state, 1, key, encrypt(key, new Uint8Array([0xc0])))],
    [
      'invalid_patch',
      'a patch that fails half-way',
      (state) =>
        applyDelta(
          state,
          1,
          key,
          sealDelta(key, { patch: [...patch, { op: 'remove', path: '/none' }], previousHash: state.deltaHash }),
        ),
    ],
  ])('%s: %s leaves the state alone', (code, _name, attempt) => {
    const state = initialState()
    applyDelta(state, 0, key, sealDelta(key, { patch: [{ op: 'add', path: '/x', value: 1 }], previousHash: zeros }))
    const before = encodeState(state)
    expect(() => attempt(state)).toThrow(stateError(code))
    expect(encodeState(state)).toStrictEqual(before)
  })

  test.each<[string, Patch]>([
    ['replaced', [{ op: 'replace', path: '', value: object('{"b":[1,2],"c":"x"}') }]],
    ['replaced by nothing', [{ op: 'replace', path: '', value: new Map() }]],
    ['put anew', [{ op: 'add', path: '', value: object('{"long name":{"d":1.5}}') }]],
    ['replaced, and changed', [...patch, { op: 'replace', path: '', value: object('{"b":1}') }, ...patch]],
  ])('the size of a state whose root is %s is known', (_name, root) => {
    const state = initialState()
    applyDelta(state, 0, key, sealDelta(key, { patch: [{ op: 'add', path: '/x', value: 'abc' }], previousHash: zeros }))
    applyDelta(state, 1, key, sealDelta(key, { patch: root, previousHash: state.deltaHash }))
    expect(state).toMatchObject(stateExtent(state.json))
  })

  test('the first delta is number 0, whatever the index of the initial state says', () => {
    const state: ContractState = { json: new Map(), deltaHash: zeros, deltaIndex: 5, size: 0, memory: 0 }
    const blob = sealDelta(key, { patch, previousHash: zeros })
    expect(() => applyDelta(state, 6, key, blob)).toThrow(stateError('index_gap'))
    applyDelta(state, 0, key, blob)
    expect(isInitial(state)).toBe(false)
    expect(state.deltaIndex).toBe(0)
  })

  test('D2: a stored initial state counts as none', () => {
    const stored = sealState(key, { json: object('{"stale":1}'), deltaHash: zeros, deltaIndex: 0 })
    expect(openState(key, stored)).toStrictEqual(initialState())
  })
})

describe('decoding', () => {
  const write = (build: (writer: MsgPackWriter) => void) => {
    const writer = new MsgPackWriter()
    build(writer)
    return writer.bytes()
  }
  const hash = keccak256(key)

  test('structs may be maps with member names, in any order, with unknown ones', () => {
    const state = write((writer) => {
      writer.mapHeader(4)
      writer.str('delta_index')
      writer.int(3)
      writer.str('extra')
      writer.arrayHeader(1)
      writer.nil()
      writer.str('json')
      writer.mapHeader(0)
      writer.str('delta_hash')
      writer.byteArray(hash)
    })
    expect(decodeState(state)).toStrictEqual({ json: new Map(), deltaHash: hash, deltaIndex: 3, size: 0, memory: 0 })
    const delta = write((writer) => {
      writer.mapHeader(2)
      writer.str('previous_hash')
      writer.byteArray(hash)
      writer.str('patch')
      writer.arrayHeader(1)
      writer.mapHeader(4)
      writer.str('path')
      writer.str('/a')
      writer.str('unknown')
      writer.arrayHeader(1)
      writer.str('op')
      writer.str('value')
      writer.float(1)
      writer.str('op')
      writer.str('add')
    })
    expect(decodeDelta(delta)).toStrictEqual({
      patch: [{ op: 'add', path: '/a', value: new JsonFloat(1) }],
      previousHash: hash,
    })
  })

  test('every kind of operation survives', () => {
    const delta = {
      patch: [
        { op: 'add', path: '/a', value: object('{"b":[1,1.0,null,true,18446744073709551615]}') },
        { op: 'replace', path: '/a', value: 'x' },
        { op: 'test', path: '/a', value: 'x' },
        { op: 'move', from: '/a', path: '/b' },
        { op: 'copy', from: '/b', path: '/c' },
        { op: 'remove', path: '/c' },
      ] satisfies Patch,
      previousHash: hash,
    }
    expect(decodeDelta(encodeDelta(delta))).toStrictEqual(delta)
  })

  test('a long patch, which is not held, is the same, has the same errors in the same order, and is taken back as a whole', () => {
    const many = Array.from({ length: 12_000 }, (_, at): Patch[0] => ({ op: 'add', path: `/${at}`, value: [at] }))
    const removals = Array.from({ length: 6000 }, (): Patch[0] => ({ op: 'remove', path: '/a/0' }))
    const items = object(`{"a":[${Array.from({ length: 6001 }, (_, at) => at).join()}]}`)
    const patch: Patch = [...many, { op: 'add', path: '/a', value: items.get('a')! }, ...removals]
    const delta = { patch, previousHash: zeros }
    expect(decodeDelta(encodeDelta(delta))).toStrictEqual(delta)
    const state = initialState()
    applyDelta(state, 0, key, sealDelta(key, delta))
    expect([state.json.size, state.json.get('11999'), state.json.get('a')]).toEqual([12_001, [11_999], [6000]])
    expect(stateExtent(state.json)).toEqual({ size: state.size, memory: state.memory })

    const before = encodeState(state)
    const next = (patch: Patch, previousHash = state.deltaHash) => sealDelta(key, { patch, previousHash })
    const absent: Patch = [{ op: 'remove', path: '/none' }]
    const refusals: [code: string, blob: Uint8Array][] = [
      ['invalid_patch', next([...many, ...absent])],
      ['invalid_patch', next([...many, { op: 'replace', path: '', value: new Map() }, ...many, ...absent])],
      ['hash_mismatch', next([...many, ...absent], zeros)],
    ]
    const writer = new MsgPackWriter()
    writer.arrayHeader(2)
    writer.arrayHeader(12_000)
    for (let at = 0; at < 12_000; at++) {
      writer.arrayHeader(2)
      writer.str(at < 11_999 ? 'remove' : 'removed')
      writer.str('/none')
    }
    writer.byteArray(zeros)
    refusals.push(['malformed', encrypt(key, writer.bytes())])
    for (const [code, blob] of refusals) {
      expect(() => applyDelta(state, 1, key, blob), code).toThrow(stateError(code))
      expect(encodeState(state)).toEqual(before)
    }
    expect(() => applyDelta(state, 1, key, refusals[0]![1])).toThrow('operation 12000 of the patch')
  })

  test.each<[string, (writer: MsgPackWriter) => void]>([
    ['nothing', () => {}],
    ['a scalar', (writer) => writer.int(1)],
    ['too few members', (writer) => writer.arrayHeader(1)],
    [
      'too many members',
      (writer) => [writer.arrayHeader(3), writer.arrayHeader(0), writer.byteArray(hash), writer.nil()],
    ],
    ['a missing member', (writer) => [writer.mapHeader(1), writer.str('patch'), writer.arrayHeader(0)]],
    ['a short hash', (writer) => [writer.arrayHeader(2), writer.arrayHeader(0), writer.byteArray(hash.subarray(1))]],
    [
      'trailing bytes',
      (writer) => [writer.arrayHeader(2), writer.arrayHeader(0), writer.byteArray(hash), writer.nil()],
    ],
    ['a patch that is no array', (writer) => [writer.arrayHeader(2), writer.nil(), writer.byteArray(hash)]],
    [
      'an empty operation',
      (writer) => [writer.arrayHeader(2), writer.arrayHeader(1), writer.arrayHeader(0), writer.byteArray(hash)],
    ],
    [
      'an unknown operation',
      (writer) => [
        writer.arrayHeader(2),
        writer.arrayHeader(1),
        // As long as the function of that name says that it is.
        writer.arrayHeader(1),
        writer.str('toString'),
        writer.byteArray(hash),
      ],
    ],
    [
      'an operation map of an unknown operation',
      (writer) => [
        writer.arrayHeader(2),
        writer.arrayHeader(1),
        writer.mapHeader(3),
        writer.str('op'),
        writer.str('toString'),
        writer.str('path'),
        writer.str('/a'),
        writer.str('value'),
        writer.nil(),
        writer.byteArray(hash),
      ],
    ],
    [
      'an operation without its value',
      (writer) => [
        writer.arrayHeader(2),
        writer.arrayHeader(1),
        writer.arrayHeader(2),
        writer.str('add'),
        writer.str('/a'),
        writer.byteArray(hash),
      ],
    ],
    [
      'an operation map without its path',
      (writer) => [
        writer.arrayHeader(2),
        writer.arrayHeader(1),
        writer.mapHeader(1),
        writer.str('op'),
        writer.str('remove'),
        writer.byteArray(hash),
      ],
    ],
    ...['add', 'replace', 'test', 'move', 'copy'].map((op): [string, (writer: MsgPackWriter) => void] => [
      `an operation map ${op} that has only its path`,
      (writer) => [
        writer.arrayHeader(2),
        writer.arrayHeader(1),
        writer.mapHeader(2),
        writer.str('op'),
        writer.str(op),
        writer.str('path'),
        writer.str('/a'),
        writer.byteArray(hash),
      ],
    ]),
    [
      'an operation map without its operation',
      (writer) => [
        writer.arrayHeader(2),
        writer.arrayHeader(1),
        writer.mapHeader(1),
        writer.str('path'),
        writer.str('/a'),
        writer.byteArray(hash),
      ],
    ],
    [
      'an operation with more than its members',
      (writer) => [
        writer.arrayHeader(2),
        writer.arrayHeader(1),
        writer.arrayHeader(3),
        writer.str('remove'),
        writer.str('/a'),
        writer.nil(),
        writer.byteArray(hash),
      ],
    ],
    ['a long hash', (writer) => [writer.arrayHeader(2), writer.arrayHeader(0), writer.byteArray(new Uint8Array(33))]],
  ])('a delta with %s is malformed', (_name, build) => {
    expect(() => decodeDelta(write((writer) => void build(writer)))).toThrow(stateError('malformed'))
  })

  test.each<[string, (writer: MsgPackWriter) => void]>([
    ['a root that is no object', (writer) => writer.arrayHeader(0)],
    ['a name that is no string', (writer) => [writer.mapHeader(1), writer.int(1), writer.int(1)]],
    ['a number that is not finite', (writer) => [writer.mapHeader(1), writer.str('a'), writer.float(Number.NaN)]],
    [
      'nesting without end',
      (writer) => [
        writer.mapHeader(1),
        writer.str('a'),
        ...Array.from({ length: 128 }, () => writer.arrayHeader(1)),
        writer.nil(),
      ],
    ],
  ])('a state with %s is malformed', (_name, build) => {
    const bytes = write((writer) => {
      writer.arrayHeader(3)
      build(writer)
      writer.byteArray(hash)
      writer.int(0)
    })
    expect(() => decodeState(bytes)).toThrow(stateError('malformed'))
  })

  test('a state may be nested as deep as one that is computed, and not deeper, and have the last index there is', () => {
    const state = (levels: number) =>
      write((writer) => {
        writer.arrayHeader(3)
        writer.mapHeader(1)
        writer.str('a')
        for (let level = 0; level < levels; level++) writer.arrayHeader(1)
        writer.nil()
        writer.byteArray(hash)
        writer.int(2 ** 32 - 1)
      })
    expect(decodeState(state(127))).toMatchObject({ deltaHash: hash, deltaIndex: 4_294_967_295 })
    expect(() => decodeState(state(128))).toThrow(new StateError('malformed', 'the state is nested too deeply'))
  })

  test('what a state cannot hold is told', () => {
    const state = (build: (writer: MsgPackWriter) => void) =>
      write((writer) => {
        writer.arrayHeader(3)
        writer.mapHeader(1)
        writer.str('a')
        build(writer)
        writer.byteArray(hash)
        writer.int(0)
      })
    for (const number of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => decodeState(state((writer) => writer.float(number)))).toThrow(
        new StateError('malformed', 'a number of the state is not finite'),
      )
    }
    // `bin` of one byte, which the writer does not write.
    const bytes = state((writer) => writer.nil())
    const at = bytes.indexOf(0xc0)
    const withBin = Uint8Array.from([...bytes.subarray(0, at), 0xc4, 1, 0, ...bytes.subarray(at + 1)])
    expect(() => decodeState(withBin)).toThrow(new StateError('malformed', 'the state holds a value that is not JSON'))
  })

  test.each([-1, 2 ** 32, 2n ** 64n - 1n])('a state with index %s is malformed', (index) => {
    const bytes = write((writer) => {
      writer.arrayHeader(3)
      writer.mapHeader(0)
      writer.byteArray(hash)
      writer.int(index)
    })
    expect(() => decodeState(bytes)).toThrow(stateError('malformed'))
  })

  test('cut or random plaintexts are malformed, never a crash', () => {
    const good = encodeState({ json: object('{"a":[1,2,{"b":"c"}]}'), deltaHash: hash, deltaIndex: 1 })
    for (let length = 0; length < good.length; length++) {
      expect(() => decodeState(good.subarray(0, length)), `${length} bytes`).toThrow(stateError('malformed'))
    }
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        for (const decode of [decodeState, decodeDelta]) {
          try {
            decode(bytes)
          } catch (error) {
            expect(error).toStrictEqual(stateError('malformed'))
          }
        }
      }),
      { numRuns: 1000 },
    )
  })

  test('a blob with any byte changed cannot be opened', () => {
    const blob = sealDelta(key, { patch, previousHash: zeros })
    for (let index = 0; index < blob.length; index++) {
      const changed = blob.slice()
      changed[index]! ^= 1
      expect(() => openDelta(key, changed), `byte ${index}`).toThrow(stateError('undecryptable'))
    }
  })
})
