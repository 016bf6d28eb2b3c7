import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { availableProcessors, processorQuota } from './processors.ts'

let root: string

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'bletchley-cgroups-'))
  const files = {
    'service/cpu.max': '150000 100000\n',
    'service/inner/cpu.max': 'max 100000\n',
    'free/cpu.max': 'max 100000\n',
    'cpu/half/cpu.cfs_quota_us': '50000\n',
    'cpu/half/cpu.cfs_period_us': '100000\n',
    'cpu/none/cpu.cfs_quota_us': '-1\n',
    'cpu/none/cpu.cfs_period_us': '100000\n',
  }
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
})

afterAll(() => rm(root, { recursive: true }))

describe('processorQuota', () => {
  it.each([
    ['0::/service\n', 1.5],
    ['0::/service/inner\n', 1.5],
    ['0::/free\n', Number.POSITIVE_INFINITY],
    ['0::/elsewhere/of/the/host\n', Number.POSITIVE_INFINITY],
    ['4:cpu,cpuacct:/half\n3:cpuset:/service\n0::/\n', 0.5],
    ['4:cpu:/none\n', Number.POSITIVE_INFINITY],
    ['', Number.POSITIVE_INFINITY],
  ])('of %j is %d', (cgroups, quota) => {
    expect(processorQuota(root, cgroups)).toBe(quota)
  })
})

it('there is a processor at least', () => {
  expect(availableProcessors()).toBeGreaterThanOrEqual(1)
})
