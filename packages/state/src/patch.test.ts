import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { jsonKey, jsonObject, jsonValue } from '../test/arbitraries.ts'
import {
  applyPatch,
  diff,
  encodeJson,
  equalJson,
  JsonFloat,
  type JsonObject,
  type JsonValue,
  type Operation,
  type Patch,
  parseJson,
  StateError,
} from './index.ts'
import { joinPointer } from './pointer.ts'

const object = (text: string): JsonObject => parseJson(new TextEncoder().encode(text)) as JsonObject
const text = (value: JsonValue) => new TextDecoder().decode(encodeJson(value))
const copy = (value: JsonObject) => object(text(value))
const refused = expect.objectContaining({ name: 'StateError', code: 'invalid_patch' })

describe('diff', () => {
  test.each<[string, string, string, unknown[]]>([
    ['equal', '{"a":[1,{"b":2}]}', '{"a":[1,{"b":2}]}', []],
    [
      'common, then added, then removed, each ascending',
      '{"m":1,"z":1,"a":1,"k":1,"j":1}',
      '{"z":2,"m":2,"y":3,"b":3}',
      ['replace /m 2', 'replace /z 2', 'add /b 3', 'add /y 3', 'remove /a', 'remove /j', 'remove /k'],
    ],
    ['descends', '{"a":{"b":{"c":1,"d":2}}}', '{"a":{"b":{"c":1,"d":3}}}', ['replace /a/b/d 3']],
    ['kinds of numbers differ', '{"a":1}', '{"a":1.0}', ['replace /a 1.0']],
    ['scalar against container', '{"a":1,"b":{}}', '{"a":[],"b":null}', ['replace /a []', 'replace /b null']],
    ['longer array', '{"a":[1]}', '{"a":[2,3,4]}', ['replace /a/0 2', 'add /a/1 3', 'add /a/2 4']],
    ['shorter array', '{"a":[1,2,3]}', '{"a":[9]}', ['replace /a/0 9', 'remove /a/1', 'remove /a/1']],
    ['array against object', '{"a":[],"b":{"0":1}}', '{"a":{},"b":[1]}', ['replace /a {}', 'replace /b [1]']],
    ['escapes', '{"a/b":{"~":1},"c":1}', '{"a/b":{"~":2},"c":2}', ['replace /a~1b/~0 2', 'replace /c 2']],
    ['UTF-8 order', '{}', '{"\u{10000}":1,"\uffff":2}', ['add /\uffff 2', 'add /\u{10000} 1']],
    ['the empty name', '{"":1}', '{"":{"":1}}', ['replace / {"":1}']],
  ])('%s', (_name, before, after, expected) => {
    const patch = diff(object(before), object(after))
    const lines = patch.map((step) => `${step.op} ${step.path}${'value' in step ? ` ${text(step.value)}` : ''}`)
    expect(lines).toStrictEqual(expected)
  })

  test('rebuilds any object from any other', () => {
    fc.assert(
      fc.property(jsonObject, jsonObject, (before, after) => {
        const original = text(before)
        const patch = diff(before, after)
        expect(patch.length === 0).toBe(equalJson(before, after))
        const rebuilt = applyPatch(copy(before), patch)
        expect(text(rebuilt)).toBe(text(after))
        expect(text(before)).toBe(original)
      }),
      { numRuns: 500 },
    )
  })
})

describe('applyPatch', () => {
  const value = (json: string) => object(`{"v":${json}}`).get('v')!

  test.each<[string, string, Patch, string]>([
    ['add a member', '{}', [{ op: 'add', path: '/a', value: 1 }], '{"a":1}'],
    ['add replaces a member', '{"a":1}', [{ op: 'add', path: '/a', value: 2 }], '{"a":2}'],
    ['add into an array', '{"a":[1,3]}', [{ op: 'add', path: '/a/1', value: 2 }], '{"a":[1,2,3]}'],
    ['append', '{"a":[1]}', [{ op: 'add', path: '/a/-', value: 2 }], '{"a":[1,2]}'],
    [
      'null is a value',
      '{"a":null}',
      [
        { op: 'replace', path: '/a', value: 1 },
        { op: 'test', path: '/a', value: 1 },
      ],
      '{"a":1}',
    ],
    ['replace an element', '{"a":[1,2]}', [{ op: 'replace', path: '/a/1', value: null }], '{"a":[1,null]}'],
    [
      'remove',
      '{"a":[1,2,3],"b":1}',
      [
        { op: 'remove', path: '/a/0' },
        { op: 'remove', path: '/b' },
      ],
      '{"a":[2,3]}',
    ],
    ['move', '{"a":{"x":1},"b":[]}', [{ op: 'move', from: '/a/x', path: '/b/0' }], '{"a":{},"b":[1]}'],
    ['move within an array', '{"a":[1,2,3]}', [{ op: 'move', from: '/a/0', path: '/a/2' }], '{"a":[2,3,1]}'],
    [
      'move to a deeper place',
      '{"a":1,"b":{"c":{}}}',
      [{ op: 'move', from: '/a', path: '/b/c/d' }],
      '{"b":{"c":{"d":1}}}',
    ],
    ['move to where it is', '{"a":1}', [{ op: 'move', from: '/a', path: '/a' }], '{"a":1}'],
    ['copy', '{"a":{"x":1}}', [{ op: 'copy', from: '/a', path: '/b' }], '{"a":{"x":1},"b":{"x":1}}'],
    ['copy the root', '{"a":1}', [{ op: 'copy', from: '', path: '/b' }], '{"a":1,"b":{"a":1}}'],
    [
      'a copy is not an alias',
      '{"a":{"x":1}}',
      [
        { op: 'copy', from: '/a', path: '/b' },
        { op: 'replace', path: '/b/x', value: 2 },
      ],
      '{"a":{"x":1},"b":{"x":2}}',
    ],
    ['replace the root', '{"a":1}', [{ op: 'replace', path: '', value: value('{"b":2}') }], '{"b":2}'],
    ['move a member to the root', '{"a":{"b":2}}', [{ op: 'move', from: '/a', path: '' }], '{"b":2}'],
    [
      'escapes',
      '{"a/b":1,"~1":1}',
      [
        { op: 'remove', path: '/a~1b' },
        { op: 'replace', path: '/~01', value: 2 },
      ],
      '{"~1":2}',
    ],
    ['an unescaped ~ of the reference', '{"a~b":1}', [{ op: 'replace', path: '/a~b', value: 2 }], '{"a~b":2}'],
    ['a member that looks like an index', '{"a":{"0":1,"-":2}}', [{ op: 'remove', path: '/a/-' }], '{"a":{"0":1}}'],
    ['__proto__', '{}', [{ op: 'add', path: '/__proto__', value: 1 }], '{"__proto__":1}'],
  ])('%s', (_name, before, patch, after) => {
    const root = object(before)
    expect(applyPatch(root, patch)).toBe(root)
    expect(text(root)).toBe(after)
  })

  test.each<[string, string, Operation]>([
    ['replace of a missing member', '{}', { op: 'replace', path: '/a', value: 1 }],
    ['remove of a missing member', '{}', { op: 'remove', path: '/a' }],
    ['add below a missing member', '{}', { op: 'add', path: '/a/b', value: 1 }],
    ['add below a scalar', '{"a":1}', { op: 'add', path: '/a/b', value: 1 }],
    ['an index past the end', '{"a":[1]}', { op: 'add', path: '/a/2', value: 1 }],
    ['replace at the end', '{"a":[1]}', { op: 'replace', path: '/a/1', value: 1 }],
    ['remove with -', '{"a":[1]}', { op: 'remove', path: '/a/-' }],
    ['replace with -', '{"a":[1]}', { op: 'replace', path: '/a/-', value: 1 }],
    ['a leading zero', '{"a":[1,2]}', { op: 'remove', path: '/a/01' }],
    ['a sign', '{"a":[1,2]}', { op: 'remove', path: '/a/+1' }],
    ['an empty index', '{"a":[1,2]}', { op: 'remove', path: '/a/' }],
    ['an array property', '{"a":[1,2]}', { op: 'replace', path: '/a/length', value: 0 }],
    ['a pointer without its slash', '{"a":1}', { op: 'remove', path: 'a' }],
    ['remove of the root', '{"a":1}', { op: 'remove', path: '' }],
    ['a scalar as the root', '{"a":1}', { op: 'replace', path: '', value: 1 }],
    ['an array as the root', '{"a":[]}', { op: 'copy', from: '/a', path: '' }],
    ['a failed test', '{"a":1}', { op: 'test', path: '/a', value: new JsonFloat(1) }],
    ['a test of nothing', '{}', { op: 'test', path: '/a', value: null }],
    ['move into itself', '{"a":{"b":{}}}', { op: 'move', from: '/a', path: '/a/b/c' }],
    ['move of an element into itself', '{"a":[{},{}]}', { op: 'move', from: '/a/0', path: '/a/0/b' }],
    ['move from nowhere', '{}', { op: 'move', from: '/a', path: '/b' }],
    ['copy from nowhere', '{}', { op: 'copy', from: '/a', path: '/b' }],
  ])('%s is refused and rolled back', (_name, before, operation) => {
    const root = object(before)
    const patch: Patch = [{ op: 'add', path: '/first', value: 1 }, operation]
    expect(() => applyPatch(root, patch)).toThrow(refused)
    expect(text(root)).toBe(text(object(before)))
  })

  test('a surplus of removals does not pass the end of the array', () => {
    const root = object('{"a":[1,2,3]}')
    const removal: Operation = { op: 'remove', path: '/a/1' }
    expect(() => applyPatch(root, [removal, removal, removal])).toThrow(refused)
    expect(() =>
      applyPatch(object('{"a":1}'), [
        { op: 'remove', path: '/a' },
        { op: 'remove', path: '/a' },
      ]),
    ).toThrow(refused)
    expect(text(applyPatch(root, [removal, removal]))).toBe('{"a":[1]}')
  })

  test('whatever fails, the state is as before', () => {
    const pointer = fc
      .array(fc.oneof(jsonKey, fc.constantFrom('0', '1', '-')), { maxLength: 3 })
      .map((path) => path.reduce(joinPointer, ''))
    const operation: fc.Arbitrary<Operation> = fc.oneof(
      fc.record({ op: fc.constantFrom('add', 'replace', 'test'), path: pointer, value: jsonValue }),
      fc.record({ op: fc.constant('remove'), path: pointer }),
      fc.record({ op: fc.constantFrom('move', 'copy'), from: pointer, path: pointer }),
    )
    const fails: Operation = { op: 'test', path: '/no/such/place', value: 0 }
    fc.assert(
      fc.property(jsonObject, jsonObject, fc.array(operation, { maxLength: 4 }), (before, after, random) => {
        const root = copy(before)
        // A long valid beginning, then random steps, then one that surely fails.
        expect(() => applyPatch(root, [...diff(before, after), ...random, fails])).toThrow(refused)
        expect(text(root)).toBe(text(before))
      }),
      { numRuns: 500 },
    )
  })

  test('the same patch can be applied to two states that then live apart', () => {
    const patch = diff(object('{}'), object('{"a":{"b":[1]}}'))
    const one = applyPatch(new Map(), patch)
    const other = applyPatch(new Map(), patch)
    applyPatch(one, [{ op: 'add', path: '/a/b/-', value: 2 }])
    expect(text(one)).toBe('{"a":{"b":[1,2]}}')
    expect(text(other)).toBe('{"a":{"b":[1]}}')
  })

  test('depth is bounded at the limit of parseJson below the root', () => {
    const deep = (levels: number) => {
      let value: JsonValue[] = []
      while (--levels > 0) value = [value]
      return value
    }
    const root = object('{"a":[]}')
    const deepObject = (levels: number) => {
      let value: JsonObject = new Map()
      while (--levels > 0) value = new Map([['', value]])
      return value
    }
    expect(() => applyPatch(root, [{ op: 'add', path: '/a/0', value: deep(127) }])).toThrow(refused)
    expect(() => applyPatch(root, [{ op: 'add', path: '/a/0', value: deepObject(127) }])).toThrow(refused)
    expect(() => applyPatch(root, [{ op: 'add', path: '/a/0', value: [deepObject(126)] }])).toThrow(refused)
    for (const value of [deepObject(126), [deepObject(125)], new Map([['', deep(125)]])]) {
      applyPatch(root, [
        { op: 'add', path: '/a/0', value },
        { op: 'remove', path: '/a/0' },
      ])
    }
    // A scalar may stand in the innermost container.
    const full = deep(126)
    let innermost: JsonValue[] = full
    while (innermost.length > 0) innermost = innermost[0] as JsonValue[]
    innermost.push(1)
    applyPatch(root, [
      { op: 'add', path: '/a/0', value: full },
      { op: 'remove', path: '/a/0' },
    ])
    applyPatch(root, [{ op: 'add', path: '/a/0', value: deep(126) }])
    applyPatch(root, [{ op: 'add', path: '/b', value: deep(127) }])
    expect(() => applyPatch(root, [{ op: 'move', from: '/b', path: '/a/1' }])).toThrow(refused)
    expect(root.has('b')).toBe(true)
    expect(() => applyPatch(root, [{ op: 'replace', path: '/a/0', value: deep(127) }])).toThrow(refused)
    expect(() => applyPatch(root, [{ op: 'replace', path: '/a', value: deep(128) }])).toThrow(refused)
    applyPatch(root, [{ op: 'replace', path: '/a/0', value: deep(126) }])
    expect(() => applyPatch(root, [{ op: 'copy', from: '/b', path: '/a/0' }])).toThrow(refused)
  })

  test('depth is bounded from the root on', () => {
    const deepObject = (levels: number): JsonObject => {
      let value: JsonObject = new Map([['', 1]])
      while (--levels > 0) value = new Map([['', value]])
      return value
    }
    for (const op of ['replace', 'add'] as const) {
      const root = object('{"a":1}')
      expect(() => applyPatch(root, [{ op, path: '', value: deepObject(129) }]), op).toThrow(
        /operation 0 of the patch cannot be applied: nested too deeply/,
      )
      expect(text(root)).toBe('{"a":1}')
      applyPatch(root, [{ op, path: '', value: deepObject(128) }])
      expect(text(root)).toBe(text(deepObject(128)))
    }
  })

  test.each<[string, Operation]>([
    ['not a pointer', { op: 'remove', path: 'a' }],
    ['not a pointer', { op: 'move', from: 'a', path: '/b' }],
    ['no such place', { op: 'remove', path: '/none' }],
    ['no such place', { op: 'add', path: '/none/a', value: 1 }],
    ['no such place', { op: 'add', path: '/a/b', value: 1 }],
    ['no such place', { op: 'add', path: '/list/2', value: 1 }],
    ['no such place', { op: 'add', path: '/list/x', value: 1 }],
    ['test failed', { op: 'test', path: '/a', value: 2 }],
    ['a value cannot be moved into itself', { op: 'move', from: '/list', path: '/list/0' }],
    ['the root cannot be removed', { op: 'remove', path: '' }],
    ['the root must stay an object', { op: 'replace', path: '', value: [] }],
  ])('is refused with its reason: %s', (reason, operation) => {
    const root = object('{"a":1,"list":[1]}')
    expect(() => applyPatch(root, [{ op: 'test', path: '/a', value: 1 }, operation])).toThrow(
      new StateError('invalid_patch', `operation 1 of the patch cannot be applied: ${reason}`),
    )
  })

  test('copies cannot multiply without end', () => {
    const root = object('{"a":[1]}')
    const bomb = Array.from({ length: 64 }, (): Operation => ({ op: 'copy', from: '/a', path: '/a/-' }))
    expect(() => applyPatch(root, bomb)).toThrow(refused)
    expect(text(root)).toBe('{"a":[1]}')
  })

  test('a patch may copy a million values, and no more', () => {
    // The arrays count as well.
    const half = new Array<JsonValue>(499_998).fill(0)
    const root: JsonObject = new Map<string, JsonValue>([['a', [half]]])
    const twice: Patch = ['/b', '/c'].map((path) => ({ op: 'copy', from: '/a', path }))
    applyPatch(root, twice)
    expect(() => applyPatch(root, [...twice, { op: 'copy', from: '/a/0/0', path: '/d' }])).toThrow(refused)
    const members: JsonObject = new Map([['a', new Map(half.map((value, index) => [String(index), value]))]])
    applyPatch(members, [...twice, { op: 'copy', from: '/a/0', path: '/d' }, { op: 'copy', from: '/a/0', path: '/e' }])
    expect(() => applyPatch(members, [...twice, { op: 'copy', from: '/a', path: '/d' }])).toThrow(refused)
  })

  test('a long array is shortened and restored in one move', () => {
    const long: JsonValue[] = Array.from({ length: 200_000 }, (_, index) => index)
    const root: JsonObject = new Map([['a', long]])
    const patch = diff(root, new Map([['a', [0]]]))
    expect(patch).toHaveLength(199_999)
    expect(() => applyPatch(root, [...patch, { op: 'remove', path: '/none' }])).toThrow(refused)
    expect(long).toHaveLength(200_000)
    expect(long[150_000]).toBe(150_000)
    applyPatch(root, patch)
    expect(text(root)).toBe('{"a":[0]}')
  })

  test('the message holds no name and no value', () => {
    const patch: Patch = [{ op: 'replace', path: '/secretName', value: 'secretValue' }]
    expect(() => applyPatch(new Map(), patch)).toThrow(
      new StateError('invalid_patch', 'operation 0 of the patch cannot be applied: no such place'),
    )
  })
})
