import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { defineConfig } from 'vitest/config'
import type { Reporter } from 'vitest/node'

// Unit tests stand beside their sources; the suites in test/ and packages/*/test/ start real processes and sockets.
// Packages reach each other through their built dist/, so `npm test` builds first (scripts/setup.mjs).
const report = process.env.BLETCHLEY_TEST_REPORT

/**
 * Vite takes a path to end at `#` or `?`. A clone whose path has one is therefore given a second name, and its tests run
 * under that.
 */
const place = /[#?]/.test(import.meta.dirname)
  ? { root: secondName(import.meta.dirname), resolve: { preserveSymlinks: true } }
  : { root: import.meta.dirname }

function secondName(folder: string): string {
  const link = join(mkdtempSync(join(tmpdir(), 'bletchley-clone-')), 'clone')
  symlinkSync(folder, link)
  process.once('exit', () => rmSync(dirname(link), { recursive: true }))
  return link
}

/** What every project has. */
const common = {
  // One of thousands of tests with real processes, sockets and a browser meets bad luck at times. It has a second try in
  // CI, and is named below, so that it is mended; elsewhere it fails.
  retry: process.env.CI ? 1 : 0,
  // Far above what any test takes: a busy machine must not make one fail.
  testTimeout: 300_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 60_000 } },
  setupFiles: ['test/setup.ts'],
}

const lucky: string[] = []
const secondTries: Reporter = {
  onTestCaseResult(test) {
    if (!test.diagnostic()?.flaky) return
    const [error] = test.result().errors ?? []
    lucky.push(`passed only at the second try: ${test.module.moduleId} > ${test.fullName}\n${error?.stack}\n`)
  },
  onTestRunEnd: () => void process.stderr.write(lucky.join('')),
}

export default defineConfig({
  ...place,
  test: {
    reporters: report ? ['default', secondTries, ['json', { outputFile: report }]] : ['default', secondTries],
    // Many tests wait, for a process or for time to pass: meanwhile the processors are the others'.
    maxWorkers: availableParallelism(),
    projects: [
      { ...place, test: { ...common, name: 'unit', include: ['packages/*/src/**/*.test.ts'] } },
      { ...place, test: { ...common, name: 'contracts', include: ['contracts/*/*.test.ts'] } },
      { ...place, test: { ...common, name: 'arrows', include: ['test/arrows.test.ts'] } },
      {
        ...place,
        test: {
          ...common,
          name: 'integration',
          include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
          exclude: ['test/arrows.test.ts'],
        },
      },
    ],
  },
})
