import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { findMember } from './findMember.ts'
import { ExactNumber } from './jsonReader.ts'

const encoder = new TextEncoder()
const find = (text: string, name = 'id') => findMember(encoder.encode(text), name)

describe('findMember', () => {
  test.each([
    ['cut off', '{"id":"a","type":"GetTip","inp', 'a'],
    ['cut off inside a string', '{"id":"a","type":"Get', 'a'],
    ['text before', '\ufeff{"id":"a"}', 'a'],
    ['text after', '{"id":"a"} x', 'a'],
    ['white space', '{ "type" : 1 ,\r\n"id"\t: "a" ', 'a'],
    ['broken value before', '{"input":[1,,],"id":"a"}', 'a'],
    ['an object before', '{"input":{"id":"inner"},"id":"a"', 'a'],
    ['lists in objects before', '{"input":{"rows":[[1],{}]},"id":"a"', 'a'],
    ['a longer name before', '{"ident":"b","id":"a"', 'a'],
    ['a shorter name before', '{"i":"b","id":"a"', 'a'],
    ['a name that ends like it before', '{"xd":"b","id":"a"', 'a'],
    ['a name that begins like it before', '{"ix":"b","id":"a"', 'a'],
    ['long', `{"id":"${'a'.repeat(300)}",`, 'a'.repeat(300)],
    ['escapes', '{"id":"\\u0061\\"","x', 'a"'],
    ['a brace in a string', '{"x":"}{","id":"a"', 'a'],
    ['a quote in a string', '{"x":"\\"","id":"a"', 'a'],
    ['the name as a value', '{"x":"id","id":"a"', 'a'],
    ['the name without a colon', '{"id","id":"a"', 'a'],
    ['a number', '{"id":12,', 12],
    ['a long number', '{"id":123456789012345678901,', new ExactNumber('123456789012345678901')],
    ['a boolean', '{"id":false,', false],
    ['a number and white space', '{"id":12 \n', 12],
    ['a number and white space before a comma', '{"id":12 \n,"x', 12],
    ['a number that closes the object', '{"id":-1.5e+2}x', new ExactNumber('-1.5e+2')],
    ['a string without a comma', '{"id":"a"x', 'a'],
    ['first of two', '{"id":"a","id":"b"', 'a'],
  ])('%s', (_, text, wanted) => expect(find(text)).toEqual(wanted))

  test.each([
    ['empty', ''],
    ['only in an inner object', '{"input":{"id":"inner"}'],
    ['inside a string', '{"x":"\\"id\\":\\"a\\"'],
    ['its string cut off', '{"id":"a'],
    ['its number perhaps cut off', '{"id":12'],
    ['null', '{"id":null,'],
    ['an object', '{"id":{"a":1},'],
    ['no quotes', '{id:"a"}'],
    ['other case', '{"ID":"a"}'],
  ])('nothing: %s', (_, text) => expect(find(text)).toBeUndefined())

  test.each(
    [
      '0x10',
      '01',
      '-01',
      '00',
      '-',
      '--1',
      '- 1',
      '+1',
      '.5',
      '1.',
      '1.e5',
      '1.5.2',
      '1e',
      '1e+',
      '1e5.5',
      '1ee5',
      '1-2',
    ].concat(
      [
        '12a',
        '1_000',
        '1 000',
        '1n',
        '12\\u0030',
        '12\u0000',
        '12\ufffd',
        '12"',
        '12]',
        '12:',
        '12{}',
        'NaN',
        'Infinity',
      ],
      ['truely', 'true1', 'false"', 'falsehood', 'True', 'tru'],
    ),
  )('nothing: %s, which is no value of JSON', (value) => {
    expect(find(`{"id":${value},"type":"GetTip"}`)).toBeUndefined()
    expect(find(`{"id":${value}}`)).toBeUndefined()
  })

  // Going on to the next one would cost an exception each, and a frame can consist of them.
  test.each([
    ['not UTF-8', [0x22, 0xff, 0x22]],
    ['nothing', []],
    ['a wrong escape', [...encoder.encode('"\\x"')]],
    ['an object', [...encoder.encode('{}')]],
  ])('the first id decides: %s', (_, value) => {
    const text = [...encoder.encode('{"id":'), ...value, ...encoder.encode(',"id":"b"')]
    expect(findMember(new Uint8Array(text), 'id')).toBeUndefined()
  })

  test('finds the id in every cut of a frame that still holds it whole', () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), fc.nat(), (id, input, cut) => {
        const head = encoder.encode(`{"type":"GetTip","id":${JSON.stringify(id)}`)
        const whole = encoder.encode(`{"type":"GetTip","id":${JSON.stringify(id)},"input":${JSON.stringify(input)}}`)
        const end = head.length + (cut % (whole.length - head.length + 1))
        // Lone surrogates are escaped in JSON and come back as they were.
        expect(findMember(whole.subarray(0, end), 'id')).toBe(id)
      }),
    )
  })

  test('never throws on any bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void findMember(bytes, 'id')))
  })
})
