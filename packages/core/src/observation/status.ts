import { bytesToHex } from '@bletchley/bytes'
import type { Observed } from './observed.ts'
import { readinessReasons } from './readiness.ts'

/** Contracts of the queue that are shown. */
const maxQueueRows = 50

/** What a core is and does right now; `GET /api/status`. */
export function statusOf(observed: Observed) {
  const { observation, engine, stateKeys, keyFetcher, userKeys, dispatcher, facts } = observed
  const { version, signingAddress, endpoints, curve, dialect, principal, startedAt } = facts
  const { storeWatch } = observation
  const threads = engine.pool.threads
  const reasons = readinessReasons(observed)
  return {
    version,
    signingAddress: bytesToHex(signingAddress),
    endpoints,
    curve,
    dialect,
    attestation: 'simulation',
    principal: principal && bytesToHex(principal),
    fetchesKeys: keyFetcher !== undefined,
    startedAt,
    now: Date.now(),
    ready: reasons.length === 0,
    reasons,
    contracts: observation.contracts.size,
    stateKeys: stateKeys.size,
    userKeys: userKeys.size,
    lastPttAt: stateKeys.lastPttAt,
    storeBytes: storeWatch.bytes,
    dataFolderFreeBytes: storeWatch.freeBytes,
    inFlight: dispatcher.inFlight,
    queue: longest(engine.queue).map(([address, waiting]) => ({ address, waiting })),
    threads: threads.map(({ alive, running, replaced }, id) => ({
      id,
      alive,
      busy: running !== undefined,
      kind: running?.kind,
      address: running && bytesToHex(running.address),
      runningMs: running && Math.round(running.milliseconds),
      replaced,
    })),
    caches: { modules: engine.pool.modules, states: engine.pool.states },
    eventLoopDelayMs: Math.round(observation.eventLoopMs * 10) / 10,
  }
}

/** The contracts with most jobs, the longest first. One response may have tens of thousands queue: they are not sorted. */
function longest(queue: Iterable<readonly [address: string, jobs: number]>) {
  const rows: (readonly [address: string, jobs: number])[] = []
  for (const row of queue) {
    if (rows.length === maxQueueRows && row[1] <= rows.at(-1)![1]) continue
    const place = rows.findIndex(([, waiting]) => waiting < row[1])
    rows.splice(place === -1 ? rows.length : place, 0, row)
    if (rows.length > maxQueueRows) rows.pop()
  }
  return rows
}
