import { closeSync, openSync } from 'node:fs'
import { devNull } from 'node:os'
import { describe, expect, it } from 'vitest'
import { connectionsWithin, openFiles } from './openFiles.ts'

it.runIf(process.platform === 'linux')('are counted, beside how many there may be', () => {
  const before = openFiles()!
  const fds = Array.from({ length: 50 }, () => openSync(devNull, 'r'))
  const { limit, open } = openFiles()!
  for (const fd of fds) closeSync(fd)
  expect(limit).toBe(before.limit)
  expect(open).toBeGreaterThan(before.open + 25)
  expect(open).toBeLessThan(limit)
})

describe('connectionsWithin', () => {
  it.each([
    [1000, 50, 700],
    [1002, 50, 701],
    [80, 10, 46],
    [96, 10, 62],
    [100, 10, 65],
    [1536, 50, 1102],
    [1540, 50, 1106],
    [1_000_000, 50, 999_566],
    [64, 32, 8],
    [64, 31, 9],
    [64, 60, 8],
  ])('leaves files of %i, where %i are open, to others: %i', (limit, open, most) => {
    expect(connectionsWithin({ limit, open })).toBe(most)
  })
})
