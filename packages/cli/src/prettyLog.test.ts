import { stripVTControlCharacters } from 'node:util'
import { expect, it } from 'vitest'
import { prettyLine } from './prettyLog.ts'

it('shows a line of the log with its fields and errors, and lets nothing of it drive the terminal', () => {
  const line = JSON.stringify({
    ...{ level: 40, time: 0, pid: 1, room: 'core', msg: 'client refused', address: '\u001b[2Jx\n\u202ey', count: 3 },
    err: { message: 'm', stack: 'Error: m\u0007\n    at f' },
  })
  const shown = prettyLine(line)
  expect(stripVTControlCharacters(shown)).toBe(
    '00:00:00.000 warn  core  client refused  address=\\u{1b}[2Jx\\u{a}\\u{202e}y  count=3\n    Error: m\\u{7}\n        at f\n',
  )
  expect(shown).not.toContain('\u001b[2J')
})
