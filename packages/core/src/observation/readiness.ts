import type { Observed } from './observed.ts'

/** With less room on the disk an operator should have been there already; LMDB needs some to write at all. */
const leastFreeBytes = 100 * 1024 * 1024

/** Why a core cannot do its work; nothing if it can. */
export function readinessReasons({
  observation,
  folderWatch,
  engine,
  stateKeys,
  keyFetcher,
  dispatcher,
}: Observed): string[] {
  const { storeWatch } = observation
  const reasons: string[] = []
  if (dispatcher.stopping) reasons.push('the core is stopping')
  if (folderWatch.problem !== undefined) reasons.push(folderWatch.problem)
  if (folderWatch.unreachable !== undefined) reasons.push(folderWatch.unreachable)
  if (storeWatch.broken) reasons.push('the last write to the database failed')
  if (storeWatch.freeBytes !== undefined && storeWatch.freeBytes < leastFreeBytes) {
    reasons.push(`the disk is nearly full: ${Math.floor(storeWatch.freeBytes / 1024 / 1024)} MiB are free`)
  }
  if (!engine.pool.threads.some(({ alive }) => alive)) reasons.push('no compute thread is up')
  // Where a p2p node brings the keys, they come with the first task, and none is amiss before.
  const missing = keyFetcher === undefined ? 0 : observation.missingKeys(stateKeys)
  if (missing > 0) {
    const error = keyFetcher?.lastError
    const why = error === undefined ? '' : ` (the principal: ${error})`
    reasons.push(`state keys are missing for ${missing} of ${observation.contracts.size} contracts${why}`)
  }
  return reasons
}
