import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { renderReference } from './reference.ts'

test('docs/messages.md is fresh (after a build, node scripts/generateMessagesDoc.mjs writes it anew)', () => {
  const page = readFileSync(new URL('../../../docs/messages.md', import.meta.url), 'utf8')
  expect(page).toBe(renderReference())
})
