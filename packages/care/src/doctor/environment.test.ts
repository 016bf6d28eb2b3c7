import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFilesOf } from '@bletchley/testkit/files'
import { expect, it } from 'vitest'
import { checkEnvironment, checkNode, checkPlatform } from './environment.ts'

it.each([
  ['v18.20.0', 'problem'],
  ['v20.18.9', 'problem'],
  ['v20.19.0', 'ok'],
  ['v20.20.0', 'ok'],
  ['v19.20.0', 'problem'],
  ['v21.0.0', 'ok'],
  ['v100.2.3', 'ok'],
])('Node %s: %s', (version, status) => {
  const remedy = 'install Node 20.19 or later'
  expect(checkNode(version)).toEqual({ name: 'node', status, found: version, ...(status !== 'ok' && { remedy }) })
})

it.each([
  ['linux-x64', 'ok'],
  ['linux-arm64', 'ok'],
  ['darwin-x64', 'ok'],
  ['darwin-arm64', 'ok'],
  ['linux-riscv64', 'warning'],
])('platform %s: %s', (platform, status) => {
  const remedy = 'what was tried is linux-x64, linux-arm64, darwin-x64, darwin-arm64'
  const found = `${platform}, glibc 2.36`
  expect(checkPlatform(platform, 'glibc 2.36')).toEqual({
    name: 'platform',
    status,
    found,
    ...(status !== 'ok' && { remedy }),
  })
})

it('a folder for temporary files that is of no use is told from a module that is', async () => {
  const { TMPDIR } = process.env
  try {
    for (const folder of ['/nowhere/at all', '/proc', '/dev/null']) {
      process.env.TMPDIR = folder
      const tried = (await checkEnvironment()).filter(({ name }) => ['lmdb', 'folder lock'].includes(name))
      const remedy = `set TMPDIR to a folder with room in which this user may write; it is ${folder} now`
      const found = expect.stringMatching(/^it could not be tried: E[A-Z]+: .*, mkdtemp /)
      expect(tried).toEqual(['lmdb', 'folder lock'].map((name) => ({ name, status: 'problem', found, remedy })))
    }
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
  }
})

it('the probes leave no folder, no file open, and no way to look up names', async () => {
  const temporary = await mkdtemp(join(tmpdir(), 'bletchley-'))
  const { TMPDIR } = process.env
  process.env.TMPDIR = temporary
  Object.assign(process.report, { excludeNetwork: false })
  try {
    await checkEnvironment()
    // What the first probes had left behind would be in the way of these.
    const checks = await checkEnvironment()
    expect(checks.map(({ name }) => name)).toEqual(['node', 'platform', 'zeromq', 'lmdb', 'folder lock', 'secp256k1'])
    expect(checks.slice(2).map(({ status }) => status)).toEqual(['ok', 'ok', 'ok', 'ok'])
    expect(await readdir(temporary)).toEqual([])
    if (process.platform !== 'linux') return
    const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } }
    const libc = header.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`
    expect(checks[1]).toEqual(checkPlatform(`linux-${process.arch}`, libc))
    // A report would ask for the names of all peers.
    expect(process.report).toHaveProperty('excludeNetwork', true)
    expect(await readFile('/proc/self/maps', 'utf8')).not.toContain(temporary)
    expect(await openFilesOf(temporary)).toEqual([])
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
    await rm(temporary, { recursive: true })
  }
})
