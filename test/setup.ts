import { setImmediate } from 'node:timers/promises'
import { afterEach } from 'vitest'

// Between two tests the runner's messages get their turn. Tests that compute and wait for nothing would otherwise keep them
// from being heard, on a busy machine for longer than the runner waits.
afterEach(() => setImmediate())
