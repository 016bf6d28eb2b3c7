import type { AddressSpace } from '@bletchley/core/address-space'
import { type Check, ok, problem, reasonOf, warning } from './check.ts'
import { synchronise } from './machine.ts'

/** In milliseconds. A principal's header has whole seconds. */
const offsets = { warning: 10_000, problem: 300_000 }
const answerTimeoutMs = 5000

/**
 * Whether the principal answers, and how far its clock is from the one of this machine.
 *
 * @param space absent if it is not limited
 */
export async function checkPrincipal(url: string | undefined, space: AddressSpace | undefined): Promise<Check[]> {
  if (url === undefined) return []
  // Node ends the process where `fetch` finds no room.
  if (space?.isEnough === false) return [warning('principal', 'not asked', 'see `address space`')]
  return [await askPrincipal(url)]
}

async function askPrincipal(url: string): Promise<Check> {
  const name = 'principal'
  let date: string | null
  let sent: number
  // Not AbortSignal.timeout, which lets the process end while fetch waits for a server that has hung up.
  const stop = new AbortController()
  const timer = setTimeout(() => stop.abort(new Error(`no answer in ${answerTimeoutMs} ms`)), answerTimeoutMs)
  try {
    sent = Date.now()
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"jsonrpc":"2.0","id":1,"method":"getHealthCheck"}',
      signal: stop.signal,
    })
    const { result } = (await response.json()) as { result?: unknown }
    if (result !== true) return problem(name, 'it answers, but not as a principal', 'check --principal-url')
    date = response.headers.get('date')
  } catch (error) {
    const reason = error instanceof Error && error.cause !== undefined ? reasonOf(error.cause) : reasonOf(error)
    return problem(name, `it does not answer: ${reason}`, 'check --principal-url, and that the principal runs')
  } finally {
    clearTimeout(timer)
  }
  const theirs = date === null ? Number.NaN : Date.parse(date)
  if (Number.isNaN(theirs)) return ok(name, 'it answers; it does not tell the time')
  return checkOffset(Math.abs((sent + Date.now()) / 2 - theirs))
}

/** @param offset of the principal's clock, in milliseconds */
export function checkOffset(offset: number): Check {
  const found = `it answers; its clock is ${(offset / 1000).toFixed(1)} s away`
  if (offset > offsets.problem) return problem('principal', found, synchronise)
  return offset > offsets.warning ? warning('principal', found, synchronise) : ok('principal', found)
}
