import { expect, it } from 'vitest'
import { parseConfiguration } from './configurationFile.ts'
import { CommandError, exitCodes } from './exitCodes.ts'

function parsed(text: string, path = 'a.yaml'): [shared: object, sections: object] {
  const file = parseConfiguration(text, path)
  expect(file.path).toBe(path)
  const sections = [...file.sections].map(([name, section]) => [name, Object.fromEntries(section)])
  return [Object.fromEntries(file.shared), Object.fromEntries(sections)]
}

it('holds values and lists of them as texts, for all commands or for one', () => {
  const text =
    'threads: 007\ninsecure: true\nnothing:\nbind: [ipc:///a, 5]\ncore:\n  logLevel: warn\n  bind: []\nempty: {}\n'
  expect(parsed(text)).toEqual([
    { threads: '007', insecure: 'true', nothing: '', bind: ['ipc:///a', '5'] },
    { core: { logLevel: 'warn', bind: [] }, empty: {} },
  ])
  expect(parsed('{"gasLimit": 18446744073709551615, "a": null}', 'a.json')).toEqual([
    { gasLimit: '18446744073709551615', a: 'null' },
    {},
  ])
})

it('may be empty', () => {
  for (const text of ['', '\n# nothing\n', '---\n', "''"]) expect(parsed(text), text).toEqual([{}, {}])
})

it.each([
  ['a: 1\n---\nb: 2', 'a.yaml holds more than one YAML document; one is read.'],
  ['a: 1\na: 2', /^a\.yaml: Map keys must be unique at line 2, column 1/],
  ['a: !other 1', /^a\.yaml: Unresolved tag: !other/],
  ['text', 'a.yaml: the file must hold names and values.'],
  ['- a', 'a.yaml: the file must hold names and values.'],
  ['a: [1, [2]]', 'a.yaml: a must be a value or a list of values.'],
  ['core:\n  a: {b: 1}', 'a.yaml: core.a must be a value or a list of values.'],
])('is refused where it says %j', (text, message) => {
  const error = errorOf(() => parseConfiguration(text, 'a.yaml'))
  if (typeof message === 'string') expect(error.message).toBe(message)
  else expect(error.message).toMatch(message)
})

it('is held to JSON if it is called so', () => {
  expect(errorOf(() => parseConfiguration('a: 1', 'b.json')).message).toMatch(/^b\.json is not JSON: ./)
  expect(parsed('a: 1', 'json')).toEqual([{ a: '1' }, {}])
})

function errorOf(work: () => unknown): CommandError {
  try {
    work()
  } catch (error) {
    expect(error).toBeInstanceOf(CommandError)
    expect((error as CommandError).exitCode).toBe(exitCodes.usage)
    return error as CommandError
  }
  throw new Error('nothing was thrown')
}
