// Runs test files in a process of its own: `node testRunner.js <file>…`. `node --test` would take the names for patterns, and
// so pass over a file in a folder `unit [fast]`.
import { run } from 'node:test'
import { spec } from 'node:test/reporters'
import { noTestCode } from './testRunnerCodes.ts'

let tests = 0
const count = ({ name, file, skip }: { name: string; file?: string; skip?: string | boolean }) => {
  // A file without tests is reported as if it were one.
  if (name !== file && (skip === undefined || skip === false)) tests++
}

const events = run({ files: process.argv.slice(2), concurrency: true })
events.on('test:pass', count)
events.on('test:fail', (event) => {
  count(event)
  // What is yet to be done may fail.
  if (event.todo === undefined || event.todo === false) process.exitCode = 1
})
events.on('end', () => {
  if (tests === 0 && process.exitCode === undefined) process.exitCode = noTestCode
})
events.compose(new spec()).pipe(process.stdout)
