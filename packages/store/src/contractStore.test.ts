import { harnesses } from '../test/harness.ts'
import { storeConformance } from '../test/storeConformance.ts'

for (const [name, createHarness] of Object.entries(harnesses)) storeConformance(name, createHarness)
