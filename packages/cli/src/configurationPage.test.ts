import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { renderConfiguration } from './configurationPage.ts'

test('docs/configuration.md is fresh (after a build, npm run docs writes it anew)', async () => {
  const page = readFileSync(new URL('../../../docs/configuration.md', import.meta.url), 'utf8')
  expect(page).toBe(await renderConfiguration())
})
