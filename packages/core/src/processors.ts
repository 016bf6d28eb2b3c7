import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'

/**
 * How many threads the machine lets compute at once: the processors that the process may use, or the whole of its quota if
 * that is less (a container with half a processor has one).
 */
export function availableProcessors(): number {
  return Math.min(availableParallelism(), Math.max(1, Math.ceil(processorQuota())))
}

/**
 * The quota of processor time that the process's cgroup has, in processors; infinity if there is none.
 *
 * @param root    where the cgroups are mounted
 * @param cgroups the text of `/proc/self/cgroup`
 */
export function processorQuota(root = '/sys/fs/cgroup', cgroups = read('/proc/self/cgroup') ?? ''): number {
  let least = Number.POSITIVE_INFINITY
  for (const line of cgroups.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? []
    if (controllers === undefined || path === undefined) continue
    if (controllers === '') least = Math.min(least, smallest(root, path, quotaOfVersion2))
    else if (controllers.split(',').includes('cpu')) {
      least = Math.min(least, smallest(join(root, 'cpu'), path, quotaOfVersion1))
    }
  }
  return least
}

/** Each cgroup has the quota of those above it as well. In a container the path may be one that only the host knows. */
function smallest(mount: string, path: string, quotaOf: (folder: string) => number): number {
  let least = quotaOf(mount)
  for (let each = path; each !== '/'; each = dirname(each)) least = Math.min(least, quotaOf(join(mount, each)))
  return least
}

function quotaOfVersion2(folder: string): number {
  const [quota, period] = (read(join(folder, 'cpu.max')) ?? '').trim().split(' ')
  return processors(quota, period)
}

function quotaOfVersion1(folder: string): number {
  return processors(read(join(folder, 'cpu.cfs_quota_us'))?.trim(), read(join(folder, 'cpu.cfs_period_us'))?.trim())
}

/** `max`, -1 and what is not there mean that there is none. */
function processors(quota: string | undefined, period: string | undefined): number {
  const value = Number(quota) / Number(period)
  return value > 0 ? value : Number.POSITIVE_INFINITY
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
