import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { renderLimits } from './limitsPage.ts'

test('docs/limits.md is fresh (after a build, npm run docs writes it anew)', () => {
  const page = readFileSync(new URL('../../../docs/limits.md', import.meta.url), 'utf8')
  expect(page).toBe(renderLimits())
})
