import { describe, expect, it } from 'vitest'
import type { Check } from './check.ts'
import { checkClock, checkLimits, checkMemory, checkSwaps } from './machine.ts'

const GB = 2 ** 30
const all = ({ name, status, found, remedy }: Check) => [name, status, found, ...(remedy === undefined ? [] : [remedy])]

it.each([
  ['2024-12-31T23:59:59.999Z', 'problem'],
  ['2025-01-01T00:00:00.000Z', 'ok'],
  ['2100-12-31T23:59:59.999Z', 'ok'],
  ['2101-01-01T00:00:00.000Z', 'problem'],
])('a clock at %s: %s', (time, status) => {
  const remedy = 'synchronise the clock (chrony, systemd-timesyncd)'
  expect(all(checkClock(new Date(time)))).toEqual(
    status === 'ok' ? ['clock', status, time] : ['clock', status, `it is ${time}`, remedy],
  )
})

describe('limits', () => {
  /** As Linux writes them. */
  const limits = (files: number | string, size: number | string, core: number | string) =>
    [
      'Limit                     Soft Limit           Hard Limit           Units     ',
      `Max file size             ${`${size}`.padEnd(20)} unlimited            bytes     `,
      `Max core file size        ${`${core}`.padEnd(20)} unlimited            bytes     `,
      'Max processes             1                    1                    processes ',
      `Max open files            ${`${files}`.padEnd(20)} 1048576              files     `,
      '',
    ].join('\n')
  const found = (...values: Parameters<typeof limits>) => checkLimits(limits(...values)).map(all)

  it('that are good', () => {
    expect(found(4096, 64 * GB, 0)).toEqual([
      ['open files', 'ok', 'at most 4096'],
      ['file size', 'ok', 'at most 68719476736 bytes'],
      ['core dumps', 'ok', 'off'],
    ])
    expect(found('unlimited', 'unlimited', 0)).toEqual([
      ['open files', 'ok', 'no limit'],
      ['file size', 'ok', 'no limit'],
      ['core dumps', 'ok', 'off'],
    ])
  })

  it.each([
    [1023, 'problem'],
    [1024, 'warning'],
    [4095, 'warning'],
  ])('of %i open files', (files, status) => {
    const raise = 'LimitNOFILE=4096 in the systemd unit, or ulimit -n 4096'
    expect(found(files, 'unlimited', 0)[0]).toEqual(['open files', status, `at most ${files}`, raise])
  })

  it.each([
    [2 ** 20 - 1, 'problem', 'too few for a database'],
    [2 ** 20, 'warning', 'the database grows'],
    [64 * GB - 1, 'warning', 'the database grows'],
  ])('of files of %i bytes', (bytes, status, why) => {
    const noLimit = 'LimitFSIZE=infinity in the systemd unit, or ulimit -f unlimited'
    expect(found(4096, bytes, 0)[1]).toEqual(['file size', status, `at most ${bytes} bytes: ${why}`, noLimit])
  })

  it.each([1, 'unlimited'])('of dumps of %s bytes', (core) => {
    const off = 'a dump holds keys and states: LimitCORE=0 in the systemd unit, or ulimit -c 0'
    expect(found(4096, 'unlimited', core)[2]).toEqual(['core dumps', 'warning', 'on', off])
  })
})

describe('memory', () => {
  const fewer = 'give 1 GB for each thread, or fewer threads with --threads'
  const limit = 'give the process a limit (MemoryMax= in the unit)'
  it.each([
    [4, 4 * GB, 16 * GB, ['memory', 'ok', '4.0 GB, the limit of the process; 4 threads']],
    [4, 4 * GB - 1, 16 * GB, ['memory', 'warning', '4.0 GB, the limit of the process; 4 threads', fewer]],
    [2, 4.25 * GB, 4.25 * GB + 1, ['memory', 'ok', '4.3 GB, the limit of the process; 2 threads']],
    [2, 4 * GB, 4 * GB, ['memory', 'warning', '4.0 GB, no limit; 2 threads', limit]],
    [2, 0, 4 * GB, ['memory', 'warning', '4.0 GB, no limit; 2 threads', limit]],
    [2, 2 ** 64, 4 * GB, ['memory', 'warning', '4.0 GB, no limit; 2 threads', limit]],
    [5, 2 ** 64, 4 * GB, ['memory', 'warning', '4.0 GB, no limit; 5 threads', fewer]],
    [1, 1, 4 * GB, ['memory', 'warning', '0.0 GB, the limit of the process; 1 threads', fewer]],
  ])('%i threads, a limit of %d bytes, %d in all', (threads, bytes, total, expected) => {
    expect(all(checkMemory(threads, bytes, total))).toEqual(expected)
  })
})

it('swap', () => {
  const heading = 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'
  const area = '/dev/sda2                               partition\t8388604\t\t0\t\t-2\n'
  const remedy = 'states and keys can land there: encrypt it, or MemorySwapMax=0 in the unit'
  expect(all(checkSwaps(heading))).toEqual(['swap', 'ok', 'none'])
  expect(all(checkSwaps(heading + area))).toEqual(['swap', 'warning', '1 areas', remedy])
  expect(all(checkSwaps(heading + area + area))).toEqual(['swap', 'warning', '2 areas', remedy])
})
