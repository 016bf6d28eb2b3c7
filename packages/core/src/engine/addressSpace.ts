import { execFile } from 'node:child_process'
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/*
 * V8 reserves some 10 GB of address space for each memory of WebAssembly, so that what lies beyond it traps without being checked.
 * That costs no memory, but a process whose address space is limited (RLIMIT_AS, `ulimit -v`) runs out of it: it starts, and
 * then runs no contract.
 */

const GB = 2 ** 30

/** What to do about a limit that is too low. */
export const roomForMemories =
  'LimitAS=infinity in the systemd unit, or ulimit -v unlimited; what limits memory itself is MemoryMax='

/** Address space, in bytes. */
interface Measured {
  /** Of a core that has started no thread yet. */
  base: number
  /** Of a compute thread, with the memory of a contract. Absent if there is no room for one. */
  thread?: number
  /** Of one more memory. Absent likewise. */
  memory?: number
}

export interface AddressSpace {
  isEnough: boolean
  /** What there may be, and what is needed. */
  found: string
}

export interface Needs {
  /** Compute threads. */
  threads: number
  /** Whether it fetches keys, or has an HTTP door: what Node has for that takes a memory, and ends the process if there is none. */
  web: boolean
  /** Where the database lies, or will: all of its file is mapped. */
  store: string
}

/**
 * Whether the process may have the address space that a core needs. It is measured in a process that has the same limit, since
 * Node ends one in which a thread cannot start.
 *
 * @returns undefined if there is no limit
 */
export async function checkAddressSpace({ threads, web, store }: Needs): Promise<AddressSpace | undefined> {
  const limit = addressSpaceLimit()
  if (limit === Number.POSITIVE_INFINITY) return undefined
  const measured = await measure()
  const has = `at most ${gigabytes(limit)}`
  const runs = `${threads} ${threads === 1 ? 'thread' : 'threads'}`
  if (measured?.thread === undefined)
    return { isEnough: false, found: `${has}, too little for one thread that runs contracts` }
  const { base, thread, memory } = measured
  const needed = base + sizeOf(join(store, 'data.mdb')) + threads * thread + (web ? (memory ?? 0) : 0)
  const isKnown = !web || memory !== undefined
  const needs = `a core with ${runs} needs ${isKnown ? '' : 'more than '}${gigabytes(needed)}`
  return { isEnough: isKnown && needed <= limit, found: `${has}; ${needs}` }
}

/** @throws Error that says what is needed and what to do, if no contract could run */
export async function assertAddressSpace(needs: Needs): Promise<void> {
  const space = await checkAddressSpace(needs)
  if (space === undefined || space.isEnough) return
  throw new Error(`The address space of this process is too small: ${space.found}. Raise the limit: ${roomForMemories}`)
}

/** In bytes; infinity if there is none, or the system does not say. */
function addressSpaceLimit(): number {
  const value = /^Max address space\s+(\d+)/m.exec(systemText('limits'))?.[1]
  return value === undefined ? Number.POSITIVE_INFINITY : Number(value)
}

/** In bytes; 0 if the system does not say. */
export function usedAddressSpace(): number {
  return Number(/^VmSize:\s+(\d+) kB/m.exec(systemText('status'))?.[1] ?? 0) * 1024
}

/** 0 if there is no file yet, or it cannot be looked at. */
function sizeOf(file: string): number {
  try {
    return statSync(file).size
  } catch {
    return 0
  }
}

function systemText(name: 'limits' | 'status'): string {
  try {
    return readFileSync(`/proc/self/${name}`, 'utf8')
  } catch {
    return ''
  }
}

/** @returns undefined if the process ended by a signal, or did not even get so far */
async function measure(): Promise<Measured | undefined> {
  const file = fileURLToPath(new URL('./measureThread.js', import.meta.url))
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [file])
    return JSON.parse(stdout) as Measured
  } catch {
    return undefined
  }
}

function gigabytes(bytes: number): string {
  return `${(bytes / GB).toFixed(1)} GB`
}
