// Writes docs/limits.md from the built sandbox package. A test of that package fails when the page is stale.
import { writeFileSync } from 'node:fs'
import { renderLimits } from '../packages/sandbox/dist/limitsPage.js'

writeFileSync(new URL('../docs/limits.md', import.meta.url), renderLimits())
