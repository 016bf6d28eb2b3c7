import { defineConfig } from 'vitest/config'

// Unit tests stand beside their sources; the suites in test/ and packages/*/test/ start real processes and sockets.
// Packages reach each other through their built dist/, so `npm test` builds first (scripts/setup.mjs).
const report = process.env.BLETCHLEY_TEST_REPORT

export default defineConfig({
  test: {
    reporters: report ? ['default', ['json', { outputFile: report }]] : ['default'],
    projects: [
      { test: { name: 'unit', include: ['packages/*/src/**/*.test.ts'] } },
      { test: { name: 'arrows', include: ['test/arrows.test.ts'] } },
      {
        test: {
          name: 'integration',
          include: ['test/**/*.test.ts', 'packages/*/test/**/*.test.ts'],
          exclude: ['test/arrows.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
    ],
  },
})
