#!/usr/bin/env node
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// Left to Node, SIGUSR1 opens its debugger, in which every user of the machine can read the memory, and SIGUSR2 ends the
// process. Other programs are told by them to write their logs elsewhere.
for (const signal of ['SIGUSR1', 'SIGUSR2']) process.on(signal, () => {})

// A umask that takes rights from the owner himself (0777) would leave folders and databases that nobody can open again. What it
// takes from others stays taken.
const ofOthers = 0o077
process.umask(process.umask(ofOthers) & ofOthers)

// In few files, because Node spends most of the start of a command on finding and reading its modules.
const main = new URL('../bundle/main.js', import.meta.url)

// `npm ci` builds, unless the user's npm runs no scripts: then the first call does.
const setup = fileURLToPath(new URL('../../../scripts/setup.mjs', import.meta.url))
if (!existsSync(main) && existsSync(setup)) {
  spawnSync(process.execPath, [setup], { stdio: ['ignore', 2, 2] })
}

// Whoever reads the output may have had enough. That is no failure. A full disk is one; neither ends a service.
process.stderr.on('error', () => {})
process.stdout.on('error', ({ code }) => {
  if (process.exitCode || ['EPIPE', 'EIO', 'ECONNRESET'].includes(code)) return
  process.exitCode = 1
  process.stderr.write(`error: the output cannot be written (${code})\n`)
})

const { main: run } = await import(main)
const exitCode = await run(process.argv)
process.exitCode ||= exitCode
