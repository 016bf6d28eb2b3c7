import { readFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { setTimeout as wait } from 'node:timers/promises'
import { availableProcessors } from '@bletchley/core/processors'
import { type Check, ok, problem, reasonOf, warning } from './check.ts'

const GB = 2 ** 30
/** A thread's heap may take as much. */
const bytesPerThread = GB

const plausibleYears = [2025, 2100] as const
const clockProbeMs = 50
/** In milliseconds. A principal's header has whole seconds. */
const offsets = { warning: 10_000, problem: 300_000 }
const answerTimeoutMs = 5000

const openFiles = { least: 1024, better: 4096 }
/** In bytes: what the database has at first, with much to spare, and what it soon comes to. */
const fileSize = { least: 1 << 20, better: 64 * GB }

/** The clock of this machine, alone and against the principal's. */
export async function checkClock(principalUrl: string | undefined): Promise<Check[]> {
  const synchronise = 'synchronise the clock (chrony, systemd-timesyncd)'
  const year = new Date().getUTCFullYear()
  const checks: Check[] = []
  const [wall, monotonic] = [Date.now(), performance.now()]
  await wait(clockProbeMs)
  const jump = Math.abs(Date.now() - wall - (performance.now() - monotonic))
  const iso = new Date().toISOString()
  if (year < plausibleYears[0] || year > plausibleYears[1]) checks.push(problem('clock', `it is ${iso}`, synchronise))
  else if (jump > 1000) checks.push(warning('clock', `it jumped by ${Math.round(jump)} ms`, synchronise))
  else checks.push(ok('clock', iso))
  if (principalUrl !== undefined) checks.push(await compareClock(principalUrl, synchronise))
  return checks
}

async function compareClock(url: string, synchronise: string): Promise<Check> {
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
  const offset = Math.abs((sent + Date.now()) / 2 - theirs)
  const found = `it answers; its clock is ${(offset / 1000).toFixed(1)} s away`
  if (offset > offsets.problem) return problem(name, found, synchronise)
  return offset > offsets.warning ? warning(name, found, synchronise) : ok(name, found)
}

/** Limits of the process that the core would inherit, as far as the system tells. */
export async function checkLimits(threads: number | undefined): Promise<Check[]> {
  return [...(await checkUlimits()), checkMemory(threads ?? availableProcessors()), ...(await checkSwap())]
}

async function checkUlimits(): Promise<Check[]> {
  const text = await readFile('/proc/self/limits', 'utf8').catch(() => undefined)
  if (text === undefined) return []
  const soft = (label: string): number => {
    const value = new RegExp(`^${label}\\s+(\\S+)`, 'm').exec(text)?.[1]
    return value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value)
  }
  const files = soft('Max open files')
  const size = soft('Max file size')
  const core = soft('Max core file size')
  const raise = `LimitNOFILE=${openFiles.better} in the systemd unit, or ulimit -n ${openFiles.better}`
  const checks: Check[] = []
  if (files < openFiles.least) checks.push(problem('open files', `at most ${files}`, raise))
  else if (files < openFiles.better) checks.push(warning('open files', `at most ${files}`, raise))
  else checks.push(ok('open files', `at most ${files}`))
  const noLimit = 'LimitFSIZE=infinity in the systemd unit, or ulimit -f unlimited'
  if (size < fileSize.least) checks.push(problem('file size', `at most ${size} bytes: too few for a database`, noLimit))
  else if (size < fileSize.better)
    checks.push(warning('file size', `at most ${size} bytes: the database grows`, noLimit))
  else checks.push(ok('file size', size === Number.POSITIVE_INFINITY ? 'no limit' : `at most ${size} bytes`))
  if (core === 0) checks.push(ok('core dumps', 'off'))
  else {
    const remedy = 'a dump holds keys and states: LimitCORE=0 in the systemd unit, or ulimit -c 0'
    checks.push(warning('core dumps', 'on', remedy))
  }
  return checks
}

function checkMemory(threads: number): Check {
  // A number beyond the memory stands for none.
  const limit = process.constrainedMemory()
  const limited = limit !== undefined && limit > 0 && limit < totalmem()
  const bytes = limited ? limit : totalmem()
  const found = `${(bytes / GB).toFixed(1)} GB${limited ? ', the limit of the process' : ', no limit'}; ${threads} threads`
  if (bytes < threads * bytesPerThread) {
    return warning('memory', found, `give 1 GB for each thread, or fewer threads with --threads`)
  }
  return limited ? ok('memory', found) : warning('memory', found, 'give the process a limit (MemoryMax= in the unit)')
}

async function checkSwap(): Promise<Check[]> {
  const text = await readFile('/proc/swaps', 'utf8').catch(() => undefined)
  if (text === undefined) return []
  const areas = text.trim().split('\n').length - 1
  if (areas === 0) return [ok('swap', 'none')]
  const remedy = 'states and keys can land there: encrypt it, or MemorySwapMax=0 in the unit'
  return [warning('swap', `${areas} areas`, remedy)]
}
