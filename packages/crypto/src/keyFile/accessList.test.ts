import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { AccessList } from './accessList.ts'

let folder: string
let path: string
let events: string[]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
  path = join(folder, 'list')
  events = []
})
afterEach(() => rm(folder, { recursive: true }))

const write = async (text: string): Promise<void> => {
  await writeFile(`${path}.new`, text)
  await rename(`${path}.new`, path)
}
const open = () =>
  AccessList.open({
    path,
    maxBytes: 100,
    parse: (text) => {
      if (text.includes('!')) throw new Error(`${text} is none`)
      return text
    },
    onRead: (now, before) => events.push(`${before} > ${now}`),
    onFailure: ({ message }) => events.push(message),
  })

it('is read when the file has become another one, and only then', async () => {
  await write('one')
  const list = await open()
  await list.refresh()
  expect([list.current, events]).toEqual(['one', []])
  await write('two')
  await Promise.all([list.refresh(), list.refresh()])
  await list.refresh()
  expect([list.current, events]).toEqual(['two', ['one > two']])
})

it('is, for each who waits for it, what stood there when they came', async () => {
  await write('0')
  const list = await open()
  const waits: Promise<void>[] = []
  for (let change = 1; change <= 30; change++) {
    await write(String(change))
    // Some come while the look of those before is under way.
    waits.push(list.refresh().then(() => expect(Number(list.current)).toBeGreaterThanOrEqual(change)))
  }
  await Promise.all(waits)
  expect(list.current).toBe('30')
})

it('stays in force while there is none, which is told once for each reason', async () => {
  await write('one')
  const list = await open()
  for (const text of ['two!', 'three!']) {
    await write(text)
    for (let look = 0; look < 3; look++) await list.refresh()
  }
  await rm(path)
  for (let look = 0; look < 3; look++) await list.refresh()
  const missing = `ENOENT: no such file or directory, open '${path}'`
  expect([list.current, events]).toEqual(['one', ['two! is none', 'three! is none', missing]])
  await write('four')
  await list.refresh()
  expect([list.current, events.at(-1)]).toEqual(['four', 'one > four'])
})

it('is read and told of when somebody asks, changed or not, also behind a look that is under way', async () => {
  await write('one')
  const list = await open()
  await Promise.all([list.refresh(), Promise.resolve().then(() => list.reload())])
  await list.refresh()
  expect(events).toEqual(['one > one'])
  await write('two!')
  for (let time = 0; time < 2; time++) await list.reload()
  expect(events.slice(1)).toEqual(['two! is none', 'two! is none'])
})

it('must be one from the start', async () => {
  await expect(open()).rejects.toThrow('ENOENT')
  await write('none!')
  await expect(open()).rejects.toThrow('none! is none')
  await write('x'.repeat(101))
  await expect(open()).rejects.toThrow(`${path} is larger than 100 bytes`)
})
