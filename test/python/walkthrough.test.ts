import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Dialect } from '@bletchley/protocol'
import { ensureDebianPackages, startCoreProcess } from '@bletchley/testkit'
import { beforeAll, describe, expect, it } from 'vitest'

// The packages are Debian's, so the Python is too, whichever other one comes first on the path.
const python = '/usr/bin/python3'
const packages = ['python3', 'python3-zmq', 'python3-pycryptodome', 'python3-msgpack']
const script = fileURLToPath(new URL('walkthrough.py', import.meta.url))
/** The address of the script's own principal, which it derives from a fixed key. */
const principal = '3974238f93d3ca407a29d9ded636f5dd0eceea72'

const run = promisify(execFile)

/** Runs the script to its end; `code` is 0 if every check passed. */
async function walk(args: readonly string[]): Promise<{ code: number; output: string }> {
  // -B: no compiled files beside the sources.
  return run(python, ['-B', script, ...args]).then(
    ({ stdout, stderr }) => ({ code: 0, output: stdout + stderr }),
    ({ code, stdout, stderr }) => ({ code, output: stdout + stderr }),
  )
}

describe('a peer in Python, without any code of ours', () => {
  beforeAll(() => ensureDebianPackages(packages, [python, '-c', 'import zmq, Cryptodome, msgpack']), 600_000)

  const cores: [name: string, dialect: Dialect, coreArgs: string[], scriptArgs: string[]][] = [
    ['in the dialect document', 'document', [], []],
    ['in the dialect enigma-p2p', 'enigma-p2p', [], []],
    ['that takes keys of one principal only', 'document', ['--principal', principal], ['--principal-pinned']],
  ]
  it.each(cores)('walks through a core %s', async (_, dialect, coreArgs, scriptArgs) => {
    await using core = await startCoreProcess({ dialect, args: coreArgs })
    const { code, output } = await walk(['--endpoint', core.endpoint, '--dialect', dialect, ...scriptArgs])
    expect(code, output.slice(-3000)).toBe(0)
    expect(output).toMatch(/\d{3} checks passed\n$/)
    expect((await core.process.kill('SIGTERM')).code).toBe(0)
  })
})
