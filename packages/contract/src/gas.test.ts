import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '@bletchley/testkit'
import { expect, it } from 'vitest'
import { compareGas, type GasOfFunction, readGasLog } from './gas.ts'
import { gasLogVariable, logGas } from './testing/gasLog.ts'

const gas = (min: number, median: number, max: number): GasOfFunction => ({ calls: 3, min, median, max })

it('tells which figures went up, which went down, and what is there on one side only', () => {
  const before = { token: { same: gas(1, 2, 3), mixed: gas(1, 5, 9), gone: gas(1, 1, 1) }, old: { f: gas(1, 1, 1) } }
  const now = { token: { same: gas(1, 2, 3), mixed: gas(1, 6, 8), fresh: gas(1, 1, 1) } }
  const mixed = { contract: 'token', function: 'mixed' }
  expect(compareGas(before, now)).toEqual({
    worse: [{ ...mixed, figure: 'median', before: 5, now: 6 }],
    better: [{ ...mixed, figure: 'max', before: 9, now: 8 }],
    added: ['token.fresh'],
    missing: ['token.gone', 'old.f'],
  })
})

it('does not mind how often a function is called', () => {
  expect(compareGas({ token: { f: gas(1, 2, 3) } }, { token: { f: { ...gas(1, 2, 3), calls: 9 } } })).toEqual({
    worse: [],
    better: [],
    added: [],
    missing: [],
  })
})

it('goes on a figure of each function by itself', () => {
  const before = { b: { g: gas(4, 4, 4), f: gas(1, 2, 3) }, a: { f: gas(1, 2, 3) } }
  const now = { b: { g: gas(3, 4, 5), f: gas(1, 2, 3) }, a: { f: gas(2, 2, 3) } }
  expect(compareGas(before, now)).toEqual({
    worse: [
      { contract: 'b', function: 'g', figure: 'max', before: 4, now: 5 },
      { contract: 'a', function: 'f', figure: 'min', before: 1, now: 2 },
    ],
    better: [{ contract: 'b', function: 'g', figure: 'min', before: 4, now: 3 }],
    added: [],
    missing: [],
  })
})

it('is summed up over the logs of all processes, sorted', async () => {
  await using folder = await temporaryFolder()
  const line = (contract: string, name: string, gas: number) => `${JSON.stringify({ contract, function: name, gas })}\n`
  const write = (name: string, ...lines: string[]) => writeFile(join(folder.path, name), lines.join(''))
  await write('1.jsonl', line('token', 'b', 9), line('token', 'a', 10), line('token', 'b', 100))
  await write('2.jsonl', line('token', 'b', 11), line('auction', 'bid', 5), line('token', 'b', 10))
  await write('3.jsonl')
  await write('notes.txt', 'no log')
  const snapshot = await readGasLog(folder.path)
  expect(snapshot).toEqual({
    auction: { bid: { calls: 1, min: 5, median: 5, max: 5 } },
    token: { a: { calls: 1, min: 10, median: 10, max: 10 }, b: { calls: 4, min: 9, median: 10, max: 100 } },
  })
  expect(Object.keys(snapshot)).toEqual(['auction', 'token'])
  expect(Object.keys(snapshot.token!)).toEqual(['a', 'b'])
})

it('has the middle one of an odd number of calls for its median, and the lower middle one of an even number', async () => {
  await using folder = await temporaryFolder()
  const figures = { one: [7], two: [8, 7], three: [9, 7, 8], four: [10, 7, 9, 8], five: [11, 7, 10, 8, 9] }
  const lines = Object.entries(figures).flatMap(([name, all]) =>
    all.map((gas) => `${JSON.stringify({ contract: 'c', function: name, gas })}\n`),
  )
  await writeFile(join(folder.path, 'log.jsonl'), lines.join(''))
  const { c } = await readGasLog(folder.path)
  expect(Object.entries(c!).map(([name, { median }]) => `${name} ${median}`)).toEqual([
    'five 9',
    'four 8',
    'one 7',
    'three 8',
    'two 7',
  ])
})

it('is logged where somebody asks for it only', async () => {
  await using folder = await temporaryFolder()
  const given = process.env[gasLogVariable]
  try {
    for (const place of [undefined, '', folder.path]) {
      if (place === undefined) delete process.env[gasLogVariable]
      else process.env[gasLogVariable] = place
      logGas('token', 'transfer', undefined, 5)
      logGas('token', 'transfer', 'first', 7)
    }
  } finally {
    if (given === undefined) delete process.env[gasLogVariable]
    else process.env[gasLogVariable] = given
  }
  expect(await readGasLog(folder.path)).toEqual({
    token: {
      transfer: { calls: 1, min: 5, median: 5, max: 5 },
      'transfer (first)': { calls: 1, min: 7, median: 7, max: 7 },
    },
  })
  await expect(readGasLog('.')).resolves.toEqual({})
})
