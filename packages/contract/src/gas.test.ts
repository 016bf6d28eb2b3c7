import { expect, it } from 'vitest'
import { compareGas, type GasOfFunction } from './gas.ts'

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
