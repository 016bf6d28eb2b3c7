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

it.each([
  [20, 'debug', 90],
  [30, 'info ', 32],
  [40, 'warn ', 33],
  [50, 'error', 31],
  [60, 'fatal', 35],
  [35, '35   ', 0],
])('shows level %i as %s in a colour of its own', (level, name, colour) => {
  const line = JSON.stringify({ level, time: Date.UTC(2026, 0, 2, 3, 4, 5, 67), room: 'core', msg: 'm', some: [1] })
  const [grey, off] = ['\u001b[90m', '\u001b[0m']
  expect(prettyLine(line)).toBe(
    `${grey}03:04:05.067${off} \u001b[${colour}m${name}${off} core  m  ${grey}some=${off}[1]\n`,
  )
})

it('shows an error by its stack, or else by what there is', () => {
  const shown = (err: object) => prettyLine(JSON.stringify({ level: 50, time: 0, room: 'core', msg: 'm', err }))
  const [head] = shown({}).split('\n')
  expect(shown({ message: 'why' })).toBe(`${head}\n    why\n`)
  expect(shown({ message: 'why', stack: 'Error: why' })).toBe(`${head}\n    Error: why\n`)
  expect(shown({})).toBe(`${head}\n    \n`)
})
