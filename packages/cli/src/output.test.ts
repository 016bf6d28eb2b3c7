import { expect, it } from 'vitest'
import { printableJson } from './output.ts'

it('writes out what drives a terminal, in JSON of the same meaning', () => {
  const value = { name: 'a\u0000\u001b[2J\u007f\u009b31m\u00ad\u200d\u2028\u202e\u{e0041}é😀"\\' }
  const shown = printableJson(JSON.stringify(value))
  expect(JSON.parse(shown)).toEqual(value)
  expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u)
  expect(shown).toContain('é😀')
})
