import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

/** Starts a compute thread in a process of its own, and prints the native code that is loaded when it takes jobs. */
const program = `
  import { Worker } from 'node:worker_threads'
  const workerData = { signingKey: new Uint8Array(32).fill(1), encryptEmptyOutput: false }
  const thread = new Worker(process.argv[1], { workerData, execArgv: [] })
  thread.once('message', () => {
    const { sharedObjects } = process.report.getReport()
    process.stdout.write(JSON.stringify(sharedObjects.filter((path) => path.endsWith('.node'))), () => process.exit())
  })`

// A thread may be ended at any time. While the native code of the database, or of sockets, is being loaded by it, that aborts the
// process.
it.each([
  ['of the package', '../dist/engine/computeThread.js'],
  ['of the command', '../../cli/bundle/computeThread.js'],
])('a compute thread %s loads neither the database nor sockets', async (_, path) => {
  const thread = fileURLToPath(new URL(path, import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program, thread])
  const loaded = JSON.parse(stdout) as string[]
  expect(loaded.filter((path) => !/secp256k1/.test(path))).toEqual([])
})
