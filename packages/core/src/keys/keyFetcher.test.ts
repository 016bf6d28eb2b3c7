import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { generateKeyPair, randomBytes } from '@bletchley/crypto'
import { pino } from 'pino'
import { afterEach, expect, it, vi } from 'vitest'
import { KeyFetcher } from './keyFetcher.ts'
import { StateKeys } from './stateKeys.ts'

// Pauses of minutes pass at once, and are noted.
vi.mock('node:timers/promises', async (actual) => ({ ...(await actual<object>()), setTimeout: vi.fn(async () => {}) }))

afterEach(() => void vi.restoreAllMocks())

it('a principal that fails is asked less and less often, up to once a minute', async () => {
  vi.spyOn(Math, 'random').mockReturnValue(1)
  let requests = 0
  const principal = createServer((_request, response) => {
    if (++requests === 9) fetcher.close()
    response.writeHead(500).end()
  })
  await once(principal.listen(0, '127.0.0.1'), 'listening')
  const stateKeys = new StateKeys(generateKeyPair().secretKey, undefined)
  const { port } = principal.address() as AddressInfo
  const fetcher = new KeyFetcher(stateKeys, `http://127.0.0.1:${port}`, pino({ enabled: false }))
  vi.mocked(sleep).mockClear()
  fetcher.want([randomBytes(32)])
  await vi.waitUntil(() => requests === 9, { timeout: 60_000 })
  principal.closeAllConnections()
  await new Promise((resolve) => principal.close(resolve))
  const pauses = vi.mocked(sleep).mock.calls.map(([ms]) => ms!)
  // Each in two parts: the first is there for tasks, too.
  const whole = pauses.flatMap((ms, i) => (i % 2 === 0 ? ms + (pauses[i + 1] ?? Number.NaN) : []))
  expect(whole.slice(0, 8)).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000])
})
