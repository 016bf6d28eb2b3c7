// Runs test files in a process of its own: `node testRunner.js <file>…`. `node --test` would take the names for patterns, and
// so pass over a file in a folder `unit [fast]`.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { exitNoteSuffix, exitNotesVariable, noTestCode } from './testRunnerCodes.ts'

interface TestEvent {
  name: string
  nesting: number
  file?: string
  line?: number
  column?: number
  skip?: string | boolean
  todo?: string | boolean
  /** Of a test Node 20 does not say it. */
  details?: { type?: string }
}

const isSaid = (flag: string | boolean | undefined): boolean => flag !== undefined && flag !== false
// A file that reports nothing is reported as if it were a test.
const isFile = ({ name, file }: TestEvent): boolean => name === file

let tests = 0
/** Files that reported nothing. */
const silent = new Set<string>()
/** How many tests at a place were begun and are not done. */
const open = new Map<string, number>()

const note = (event: TestEvent, more: 1 | -1): void => {
  if (isFile(event)) return
  const { name, file, line, column, nesting } = event
  const place = JSON.stringify([file, line, column, nesting, name])
  const left = (open.get(place) ?? 0) + more
  // Those that an earlier failure cancels are done without a beginning.
  if (left > 0) open.set(place, left)
  else open.delete(place)
}

const events = run({ files: process.argv.slice(2), concurrency: true })
// Some events are in no type definitions of Node 20.
const on = (name: string, listener: (event: TestEvent) => void) => events.on(name, listener)
on('test:enqueue', (event) => note(event, 1))
on('test:complete', (event) => note(event, -1))
on('test:pass', (event) => {
  if (isFile(event)) silent.add(event.name)
  // What is yet to be done passes also if there is nothing in it.
  else if (event.details?.type !== 'suite' && !isSaid(event.skip) && !isSaid(event.todo)) tests++
})
on('test:fail', (event) => {
  if (!isFile(event)) tests++
  // What is yet to be done may fail.
  if (!isSaid(event.todo)) process.exitCode = 1
})
events.on('end', () => {
  const exited = exitedFiles().filter((file) => silent.has(file) || open.size > 0)
  for (const file of exited) process.stderr.write(`${file} called process.exit: not all of its tests were run\n`)
  if (exited.length > 0) process.exitCode = 1
  else if (tests === 0 && process.exitCode === undefined) process.exitCode = noTestCode
})
events.compose(new spec()).pipe(process.stdout)

/** Files whose process was ended by `process.exit`. */
function exitedFiles(): string[] {
  const folder = process.env[exitNotesVariable]
  if (folder === undefined) return []
  const notes = readdirSync(folder).filter((name) => name.endsWith(exitNoteSuffix))
  return notes.map((name) => readFileSync(join(folder, name), 'utf8')).sort()
}
