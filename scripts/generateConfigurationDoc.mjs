// Writes docs/configuration.md from the built command. A test of that package fails when the page is stale.
import { writeFileSync } from 'node:fs'
import { renderConfiguration } from '../packages/cli/dist/configurationPage.js'

writeFileSync(new URL('../docs/configuration.md', import.meta.url), await renderConfiguration())
