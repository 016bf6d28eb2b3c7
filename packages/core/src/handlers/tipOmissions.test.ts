import { bytesToHex } from '@bletchley/bytes'
import { pino } from 'pino'
import { expect, it } from 'vitest'
import { TipOmissions } from './tipOmissions.ts'

it('counts all that is left out, and says so whenever it becomes more or less', () => {
  const log: object[] = []
  const omissions = new TipOmissions(
    pino({ base: null }, { write: (line: string) => void log.push(JSON.parse(line) as object) }),
  )
  const tips = Array.from({ length: 12 }, (_, index) => new Uint8Array(32).fill(index))
  for (const count of [0, 12, 12, 1, 0, 0]) omissions.count(tips.slice(0, count))
  expect(omissions.total).toBe(25)
  const left = (omitted: number, shown: number, msg: string) => ({
    ...{ level: 40, omitted, contracts: tips.slice(0, shown).map(bytesToHex), msg },
  })
  const out = 'GetAllTips leaves out the largest tips: they do not fit into a message'
  expect(log).toMatchObject([left(12, 10, out), left(1, 1, out), left(0, 0, 'all tips fit again')])
  expect((log[0] as { contracts: string[] }).contracts).toHaveLength(10)
})
