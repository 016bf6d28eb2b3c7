import { expect, it } from 'vitest'
import { outputOf } from '../test/standardStreams.ts'
import { print, printable, printableJson, printableLines } from './output.ts'

it('writes out what drives a terminal, in JSON of the same meaning', () => {
  const value = { name: 'a\u0000\u001b[2J\u007f\u009b31m\u00ad\u200d\u2028\u202e\u{e0041}é😀"\\' }
  const shown = printableJson(JSON.stringify(value))
  expect(JSON.parse(shown)).toEqual(value)
  expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  expect(shown).toContain('é😀')
})

it('writes out what drives a terminal, in text', () => {
  const text = 'a\tb\r\nc\u001b[2J\u{e0041}é'
  expect(printable(text)).toBe('a\\u{9}b\\u{d}\\u{a}c\\u{1b}[2J\\u{e0041}é')
  expect(printableLines(text)).toBe('a\tb\\u{d}\nc\\u{1b}[2J\\u{e0041}é')
})

it('prints a line for each member, and an object or a list under its name', async () => {
  const value = {
    name: 'a\u001b',
    none: null,
    absent: undefined,
    count: 0,
    inner: { yes: true, deeper: { number: 1n, list: ['x'] } },
    list: [{ address: 'ab', tip: null, more: { a: 1 } }, 'text\u007f'],
    empty: [],
  }
  const { stdout, stderr } = await outputOf(() => print(value, {}))
  expect(stdout).toBe(
    [
      'name: a\\u{1b}',
      'none: none',
      'count: 0',
      'inner:',
      '  yes: true',
      '  deeper:',
      '    number: 1',
      '    list: 1',
      '      x',
      'list: 2',
      '  address ab, tip none, more a 1',
      '  text\\u{7f}',
      'empty: 0',
      '',
    ].join('\n'),
  )
  expect(stderr).toBe('')
})

it('prints one line of JSON for scripts', async () => {
  const { stdout } = await outputOf(() => print({ a: ['\u202e', null] }, { json: true }))
  expect(stdout).toBe('{"a":["\\u202e",null]}\n')
})
