// Loaded into the process of each test file, before it: notes that the process was ended by `process.exit`. That looks like a
// good end, and leaves out whatever tests are still to be run or reported.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { exitNoteSuffix, exitNotesVariable } from './testRunnerCodes.ts'

const folder = process.env[exitNotesVariable]
const [, file] = process.argv

if (isMainThread && folder !== undefined && file !== undefined) {
  let nothingLeft = false
  process.once('beforeExit', () => {
    nothingLeft = true
  })
  process.once('exit', () => {
    if (!nothingLeft) writeFileSync(join(folder, `${process.pid}${exitNoteSuffix}`), file)
  })
}
