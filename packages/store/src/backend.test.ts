import { backendConformance } from '../test/backendConformance.ts'
import { harnesses } from '../test/harness.ts'

for (const [name, createHarness] of Object.entries(harnesses)) backendConformance(name, createHarness)
