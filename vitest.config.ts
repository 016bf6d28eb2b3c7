import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

// Unit tests stand beside their sources; the suites in test/ and packages/*/test/ start real processes and sockets.
// Packages reach each other through their built dist/, so `npm test` builds first (scripts/setup.mjs).
const report = process.env.BLETCHLEY_TEST_REPORT

/** What every project has. */
const common = {
  // Far above what any test takes: a busy machine must not make one fail.
  testTimeout: 300_000,
  hookTimeout: 300_000,
  expect: { poll: { timeout: 60_000 } },
  setupFiles: ['test/setup.ts'],
}

export default defineConfig({
  test: {
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
    // Many tests wait, for a process or for time to pass: meanwhile the processors are the others'.
    maxWorkers: availableParallelism(),
    projects: [
      { test: { ...common, name: 'unit', include: ['packages/*/src/**/*.test.ts'] } },
      { test: { ...common, name: 'contracts', include: ['contracts/*/*.test.ts'] } },
      { test: { ...common, name: 'arrows', include: ['test/arrows.test.ts'] } },
      {
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
