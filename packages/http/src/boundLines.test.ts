import { pino } from 'pino'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { boundLines } from './boundLines.ts'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

function start() {
  const lines: Record<string, unknown>[] = []
  const logger = boundLines(pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) }))
  return { logger, lines }
}

it('shows 60 lines of each text a minute, and then how many there were beside them', () => {
  const { logger, lines } = start()
  for (let number = 0; number < 100; number++) {
    logger.warn({ number }, 'first')
    logger.error({ number }, 'second')
  }
  logger.info('third')
  expect(lines).toHaveLength(121)
  expect(lines.slice(0, 2)).toMatchObject([
    { level: 40, number: 0, msg: 'first' },
    { level: 50, number: 0, msg: 'second' },
  ])
  expect(lines.at(-1)).toMatchObject({ level: 30, msg: 'third' })
  vi.advanceTimersByTime(59_999)
  logger.warn('first')
  expect(lines).toHaveLength(121)
  vi.advanceTimersByTime(1)
  const msg = 'lines of the log were left out: too many with one text'
  expect(lines.slice(121)).toMatchObject([
    { level: 40, text: 'first', notShown: 41, msg },
    { level: 40, text: 'second', notShown: 40, msg },
  ])
  logger.warn('first')
  expect(lines).toHaveLength(124)
  vi.advanceTimersByTime(600_000)
  expect(lines).toHaveLength(124)
})

it('is the logger that it bounds in all else', () => {
  const { logger, lines } = start()
  expect([logger.isLevelEnabled('debug'), logger.isLevelEnabled('warn')]).toEqual([false, true])
  logger.debug('nothing')
  logger.fatal('last')
  expect(lines).toMatchObject([{ level: 60, msg: 'last' }])
})
