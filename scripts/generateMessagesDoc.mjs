// Writes docs/messages.md from the built protocol package. A test of that package fails when the page is stale.
import { mkdirSync, writeFileSync } from 'node:fs'
import { renderReference } from '../packages/protocol/dist/reference.js'

const page = new URL('../docs/messages.md', import.meta.url)
mkdirSync(new URL('.', page), { recursive: true })
writeFileSync(page, renderReference())
