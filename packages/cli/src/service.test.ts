import { pino } from 'pino'
import { afterEach, expect, it, vi } from 'vitest'
import { withProperty } from '../test/standardStreams.ts'
import { runService, type Service } from './service.ts'

const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP'] as const
type Signal = (typeof signals)[number]

const logger = pino({ enabled: false })
const others = new Map(signals.map((signal) => [signal, process.listeners(signal)]))

/** Those who wait for a signal since the service runs. */
const waiting = (signal: Signal) => process.listeners(signal).filter((each) => !others.get(signal)!.includes(each))

function send(signal: Signal): void {
  for (const listener of waiting(signal)) listener(signal)
}

afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

class Recorded implements Service {
  readonly seen: string[] = []

  async reload(): Promise<void> {
    this.seen.push('reload')
  }

  async close(): Promise<void> {
    this.seen.push('close')
  }
}

it.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)('is closed by %s', async (signal) => {
  const service = new Recorded()
  const running = runService(logger, async () => service)
  expect(signals.map((each) => waiting(each).length)).toEqual([1, 1, 1, 1])
  await Promise.resolve()
  expect(service.seen).toEqual([])
  send(signal)
  expect(await running).toBe(0)
  expect(service.seen).toEqual(['close'])
  expect(signals.map((each) => waiting(each).length)).toEqual([0, 0, 0, 0])
})

it('is closed also if that comes while it starts', async () => {
  const service = new Recorded()
  const running = runService(logger, async () => {
    send('SIGTERM')
    return service
  })
  expect(await running).toBe(0)
  expect(service.seen).toEqual(['close'])
})

it('reads again what can change on SIGHUP, unless its terminal is closed with it', async () => {
  const service = new Recorded()
  const running = runService(logger, async () => service)
  await Promise.resolve()
  send('SIGHUP')
  send('SIGHUP')
  expect(service.seen).toEqual(['reload', 'reload'])
  send('SIGTERM')
  await running

  const atTerminal = new Recorded()
  await withProperty(process.stderr, 'isTTY', true, async () => {
    const seen = runService(logger, async () => atTerminal)
    send('SIGHUP')
    expect(await seen).toBe(0)
  })
  expect(atTerminal.seen).toEqual(['close'])
})

it('may have nothing to read again', async () => {
  const running = runService(logger, async () => ({ close: async () => {} }))
  send('SIGHUP')
  await Promise.resolve()
  send('SIGHUP')
  send('SIGTERM')
  expect(await running).toBe(0)
})

it('that cannot start waits for no signal any more', async () => {
  const running = runService(logger, () => Promise.reject(new Error('the port is taken')))
  await expect(running).rejects.toThrow('the port is taken')
  expect(signals.map((each) => waiting(each).length)).toEqual([0, 0, 0, 0])
})

it('survives a defect of ours, which is logged', async () => {
  const lines: string[] = []
  const before = process.listeners('unhandledRejection')
  const running = runService(pino({}, { write: (line) => lines.push(line) }), async () => new Recorded())
  const added = process.listeners('unhandledRejection').filter((each) => !before.includes(each))
  const defect = { level: 50, msg: 'unhandled rejection', err: { message: 'a defect' } }
  for (const listener of added) listener(new Error('a defect'), Promise.resolve())
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([defect])
  // A peer may bring it about again and again.
  for (let count = 1; count < 100; count++) {
    for (const listener of added) listener(new Error('a defect'), Promise.resolve())
  }
  expect(lines.map((line) => JSON.parse(line))).toMatchObject(Array(60).fill(defect))
  send('SIGTERM')
  await running
  expect(process.listeners('unhandledRejection')).toEqual(before)
})

it('is cut off if its stop takes longer than 4.5 s', async () => {
  vi.useFakeTimers()
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
  let closed = (): void => {}
  const close = () =>
    new Promise<void>((resolve) => {
      closed = resolve
    })
  const running = runService(logger, async () => ({ close }))
  send('SIGTERM')
  await vi.advanceTimersByTimeAsync(4499)
  expect(kill).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(kill.mock.calls).toEqual([[process.pid, 'SIGKILL']])
  closed()
  expect(await running).toBe(0)
})

it('is cut off likewise if what its start waits for does not come', async () => {
  vi.useFakeTimers()
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
  let started = (_service: Service): void => {}
  const running = runService(
    logger,
    () =>
      new Promise<Service>((resolve) => {
        started = resolve
      }),
  )
  send('SIGTERM')
  await vi.advanceTimersByTimeAsync(4499)
  expect(kill).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(1)
  expect(kill.mock.calls).toEqual([[process.pid, 'SIGKILL']])
  started(new Recorded())
  expect(await running).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})

it('that has stopped is not cut off any more', async () => {
  vi.useFakeTimers()
  const running = runService(logger, async () => new Recorded())
  send('SIGTERM')
  expect(await running).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})

it('ends though nobody reads what it said last', async () => {
  vi.spyOn(performance, 'now').mockReturnValueOnce(0).mockReturnValue(501)
  const exit = vi.spyOn(process, 'exit').mockReturnValue(undefined as never)
  const running = runService(logger, async () => new Recorded())
  send('SIGTERM')
  await withProperty(process.stdout, 'writableLength', 1, () => running)
  expect(exit.mock.calls).toEqual([[0]])
})
