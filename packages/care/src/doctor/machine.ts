import { readFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import { type AddressSpace, roomForMemories } from '@bletchley/core/address-space'
import { type Check, ok, problem, warning } from './check.ts'

const GB = 2 ** 30
/** A thread's heap may take as much. */
const bytesPerThread = GB

const plausibleYears = [2025, 2100] as const
export const synchronise = 'synchronise the clock (chrony, systemd-timesyncd)'

const openFiles = { least: 1024, better: 4096 }
/** In bytes: what the database has at first, with much to spare, and what it soon comes to. */
const fileSize = { least: 1 << 20, better: 64 * GB }

/** The clock, and the limits of this process that the core would inherit, as far as the system tells. */
export async function checkMachine(threads: number, space: AddressSpace | undefined): Promise<Check[]> {
  const limits = await systemText('/proc/self/limits')
  const swaps = await systemText('/proc/swaps')
  return [
    checkClock(new Date()),
    ...(limits === undefined ? [] : [...checkLimits(limits), checkSpace(space)]),
    checkMemory(threads, process.constrainedMemory(), totalmem()),
    ...(swaps === undefined ? [] : [checkSwaps(swaps)]),
  ]
}

async function systemText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined)
}

export function checkClock(now: Date): Check {
  const year = now.getUTCFullYear()
  if (year >= plausibleYears[0] && year <= plausibleYears[1]) return ok('clock', now.toISOString())
  return problem('clock', `it is ${now.toISOString()}`, synchronise)
}

/** @param limits as Linux writes them, a line for each */
export function checkLimits(limits: string): Check[] {
  const soft = (label: string): number => {
    const value = new RegExp(`^${label}\\s+(\\S+)`, 'm').exec(limits)?.[1]
    return value === 'unlimited' ? Number.POSITIVE_INFINITY : Number(value)
  }
  return [
    checkOpenFiles(soft('Max open files')),
    checkFileSize(soft('Max file size')),
    checkCoreDumps(soft('Max core file size')),
  ]
}

function checkOpenFiles(count: number): Check {
  const [name, found] = ['open files', atMost(count)]
  const raise = `LimitNOFILE=${openFiles.better} in the systemd unit, or ulimit -n ${openFiles.better}`
  if (count < openFiles.least) return problem(name, found, raise)
  return count < openFiles.better ? warning(name, found, raise) : ok(name, found)
}

function checkFileSize(bytes: number): Check {
  const [name, found] = ['file size', atMost(bytes, ' bytes')]
  const noLimit = 'LimitFSIZE=infinity in the systemd unit, or ulimit -f unlimited'
  if (bytes < fileSize.least) return problem(name, `${found}: too few for a database`, noLimit)
  return bytes < fileSize.better ? warning(name, `${found}: the database grows`, noLimit) : ok(name, found)
}

function atMost(count: number, unit = ''): string {
  return count === Number.POSITIVE_INFINITY ? 'no limit' : `at most ${count}${unit}`
}

function checkCoreDumps(bytes: number): Check {
  if (bytes === 0) return ok('core dumps', 'off')
  const remedy = 'a dump holds keys and states: LimitCORE=0 in the systemd unit, or ulimit -c 0'
  return warning('core dumps', 'on', remedy)
}

/** @param space absent if there is no limit */
function checkSpace(space: AddressSpace | undefined): Check {
  const name = 'address space'
  if (space === undefined) return ok(name, 'no limit')
  if (!space.isEnough) return problem(name, space.found, roomForMemories)
  return warning(name, `${space.found}, and the database grows`, roomForMemories)
}

/**
 * @param limit of the process, in bytes; zero, or a number that is not below the memory, stands for none
 * @param total of the machine, in bytes
 */
export function checkMemory(threads: number, limit: number, total: number): Check {
  const limited = limit > 0 && limit < total
  const bytes = limited ? limit : total
  const found = `${(bytes / GB).toFixed(1)} GB${limited ? ', the limit of the process' : ', no limit'}; ${threads} threads`
  if (bytes < threads * bytesPerThread) {
    return warning('memory', found, 'give 1 GB for each thread, or fewer threads with --threads')
  }
  return limited ? ok('memory', found) : warning('memory', found, 'give the process a limit (MemoryMax= in the unit)')
}

/** @param swaps as Linux writes them: a line for each area, below one of headings */
export function checkSwaps(swaps: string): Check {
  const areas = swaps.trim().split('\n').length - 1
  if (areas === 0) return ok('swap', 'none')
  const remedy = 'states and keys can land there: encrypt it, or MemorySwapMax=0 in the unit'
  return warning('swap', `${areas} areas`, remedy)
}
