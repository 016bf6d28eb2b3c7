import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { GasSnapshot } from '@bletchley/contract'
import { temporaryFolder } from '@bletchley/testkit'
import { expect, it } from 'vitest'
import { CommandError } from '../exitCodes.ts'
import { checkGas, gasTable, readSnapshot, writeSnapshot } from './gas.ts'

const figures = (min: number, median: number, max: number) => ({ calls: 1, min, median, max })

it('the snapshot is read as it was written', async () => {
  await using folder = await temporaryFolder()
  expect(await readSnapshot(folder.path)).toBeUndefined()
  const gas = { token: { transfer: figures(1, 2, 3) } }
  const path = join(folder.path, 'gas.snapshot.json')
  expect(await writeSnapshot(folder.path, gas)).toBe(path)
  expect(await readFile(path, 'utf8')).toBe(`${JSON.stringify(gas, undefined, 2)}\n`)
  expect(await readSnapshot(folder.path)).toEqual(gas)
  await writeFile(path, '{')
  await expect(readSnapshot(folder.path)).rejects.toEqual(
    new CommandError(`${path} is not JSON; \`bletchley contract gas --update\` writes it anew`),
  )
})

/** What is said of gas beside its snapshot, and the error. */
function checked(snapshot: GasSnapshot, gas: GasSnapshot): { said: string[]; error?: string } {
  const said: string[] = []
  try {
    checkGas(snapshot, gas, (line) => said.push(line))
  } catch (error) {
    expect(error).toBeInstanceOf(CommandError)
    return { said, error: (error as Error).message }
  }
  return { said }
}

const update = '`bletchley contract gas --update` brings the snapshot up to date'

it('gas that is as it was is not talked about', () => {
  const gas = { token: { f: figures(1, 2, 3) } }
  expect(checked(gas, gas)).toEqual({ said: [] })
})

it('less gas, new functions and lost ones are told', () => {
  const [before, now] = [{ token: { f: figures(1, 2, 3) } }, { token: { f: figures(1, 2, 2) } }]
  expect(checked(before, now)).toEqual({ said: ['token.f: max 3 -> 2 (-1)', update] })
  expect(checked({}, now)).toEqual({ said: ['token.f: not in the snapshot yet', update] })
  expect(checked(before, {})).toEqual({ said: ['token.f: in the snapshot, but no test calls it', update] })
  const other = { token: { g: figures(1, 1, 1) } }
  expect(checked(before, other).said).toEqual([
    'token.g: not in the snapshot yet',
    'token.f: in the snapshot, but no test calls it',
    update,
  ])
})

it('more gas is an error', () => {
  const [before, now] = [{ token: { f: figures(3, 3, 3) } }, { token: { f: figures(2, 4, 5) } }]
  expect(checked(before, now)).toEqual({
    said: ['token.f: min 3 -> 2 (-1)'],
    error:
      'gas went up; if that is meant, `bletchley contract gas --update`\ntoken.f: median 3 -> 4 (+1)\ntoken.f: max 3 -> 5 (+2)',
  })
})

it('is a table in which names stand to the left and figures to the right', () => {
  const gas = { token: { transfer: { calls: 12, min: 1, median: 20_000, max: 300_000 } }, a: { f: figures(1, 2, 3) } }
  expect(gasTable(gas).split('\n')).toEqual([
    '                calls  min  median     max',
    'token.transfer     12    1   20000  300000',
    'a.f                 1    1       2       3',
  ])
  expect(gasTable({})).toBe('  calls  min  median  max')
})
