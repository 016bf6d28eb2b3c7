import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import type { Reporter } from 'vitest/node'

// Unit tests stand beside their sources; the suites in test/ and packages/*/test/ start real processes and sockets.
// Packages reach each other through their built dist/, so `npm test` builds first (scripts/setup.mjs).
const report = process.env.BLETCHLEY_TEST_REPORT

// Vite takes a path to end there, its own as well.
if (/[#?]/.test(import.meta.dirname))
  throw new Error('Vitest runs in no folder whose path has a # or a ?: move the clone.')

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

const toolkit = 'packages/contract/test/**/*.test.ts'
const oneThread = { threads: { maxThreads: 1, minThreads: 1, isolate: false } }

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
  test: {
    reporters: report ? ['default', secondTries, ['json', { outputFile: report }]] : ['default', secondTries],
    // Many tests wait, for a process or for time to pass: with one at a time for each processor, a quarter of it is idle.
    maxWorkers: Math.ceil(1.5 * availableParallelism()),
    poolOptions: oneThread,
    projects: [
      { test: { ...common, name: 'unit', include: ['packages/*/src/**/*.test.ts'] } },
      // Each process that compiles contracts spends some seconds on getting the compiler going, and these files do little
      // else. Their thread is beside the processes of the others.
      {
        test: { ...common, name: 'toolkit', include: [toolkit], pool: 'threads', poolOptions: oneThread },
      },
      { test: { ...common, name: 'contracts', include: ['contracts/*/*.test.ts'] } },
      { test: { ...common, name: 'arrows', include: ['test/arrows.test.ts'] } },
      {
        test: {
          ...common,
          name: 'integration',
          include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
          exclude: ['test/arrows.test.ts', toolkit],
        },
      },
    ],
  },
})
