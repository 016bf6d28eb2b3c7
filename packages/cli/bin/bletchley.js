#!/usr/bin/env node
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// `npm ci` builds, unless the user's npm runs no scripts: then the first call does.
const setup = fileURLToPath(new URL('../../../scripts/setup.mjs', import.meta.url))
if (!existsSync(new URL('../dist/main.js', import.meta.url)) && existsSync(setup)) {
  spawnSync(process.execPath, [setup], { stdio: ['ignore', 2, 2] })
}

// Whoever reads the output may have had enough. That is no failure, and must not end a service.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error) => {
    if (error.code !== 'EPIPE') throw error
  })
}

const { main } = await import('../dist/main.js')
process.exitCode = await main(process.argv)
