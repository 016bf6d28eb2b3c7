import { open, readFile } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { temporaryFolder } from '@bletchley/testkit'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { withProperty } from '../test/standardStreams.ts'
import { countDroppedLogLines, createLogger, flushOutput } from './log.ts'

/** A pipe whose other end is read when the test says so. */
class Pipe extends Socket {
  text = ''
  #read: (() => void)[] | undefined

  /** Lets what comes from now on wait. */
  hold(): void {
    this.#read = []
  }

  /** Reads what waits, and what comes. */
  release(): void {
    const waiting = this.#read ?? []
    this.#read = undefined
    for (const read of waiting) read()
  }

  override _write(chunk: Uint8Array, _encoding: string, done: () => void): void {
    const read = () => {
      this.text += String(chunk)
      done()
    }
    if (this.#read === undefined) read()
    else this.#read.push(read)
  }

  override _writev = undefined as never
}

const json = { logLevel: 'info', logFormat: 'json' } as const
const most = 1 << 20

afterEach(() => {
  vi.restoreAllMocks()
})

const withStderr = <T>(stderr: object, work: () => T) => withProperty(process, 'stderr', stderr, work)

/** What is logged to a pipe that is read. */
async function logged(flags: Parameters<typeof createLogger>[0], isTTY?: boolean): Promise<string> {
  const stderr = Object.assign(new Pipe(), { isTTY })
  await withStderr(stderr, () => {
    const logger = createLogger(flags, 'core')
    logger.debug('not told')
    logger.info({ some: 1 }, 'told')
  })
  return stderr.text
}

it('is JSON lines, or for people, as told or as fits', async () => {
  const line = { level: 30, time: expect.any(Number), pid: process.pid, room: 'core', some: 1, msg: 'told' }
  const pretty = /^[\d:.]{12} info {2}core {2}told {2}some=1\n$/
  expect(JSON.parse(await logged(json, true))).toEqual(line)
  expect(JSON.parse(await logged({ ...json, logFormat: 'auto' }))).toEqual(line)
  expect(await logged({ ...json, logFormat: 'json' })).toMatch(/\n$/)
  for (const [logFormat, isTTY] of [
    ['auto', true],
    ['pretty', false],
  ] as const)
    expect(stripVTControlCharacters(await logged({ ...json, logFormat }, isTTY)), logFormat).toMatch(pretty)
  expect(await logged({ ...json, logLevel: 'warn' })).toBe('')
})

it('lets a terminal that is held keep nobody waiting', async () => {
  const said: [string, boolean][] = []
  const stream = (name: string, isTTY: boolean) =>
    Object.assign(new Pipe(), {
      isTTY,
      _handle: { setBlocking: (blocking: boolean) => said.push([name, blocking]), close: () => {} },
    })
  await withProperty(process, 'stdout', stream('stdout', true), () =>
    withStderr(stream('stderr', true), () => void createLogger(json, 'core')),
  )
  expect(said).toEqual([
    ['stdout', false],
    ['stderr', false],
  ])
  await withStderr(stream('no terminal', false), () => void createLogger(json, 'core'))
  await withStderr(Object.assign(new Pipe(), { isTTY: true }), () => void createLogger(json, 'core'))
  expect(said).toHaveLength(2)
})

describe('lines that nobody reads', () => {
  it('wait up to a mebibyte, are dropped beyond it, and are counted', async () => {
    const stderr = new Pipe()
    await withStderr(stderr, async () => {
      const logger = createLogger(json, 'core')
      for (const round of [1, 2]) {
        const before = countDroppedLogLines()
        stderr.text = ''
        stderr.hold()
        stderr.write('x'.repeat(most - 1))
        logger.info('the last one')
        expect(countDroppedLogLines()).toBe(before)
        logger.info('dropped')
        logger.info('dropped')
        expect(countDroppedLogLines()).toBe(before + 2)
        const drained = new Promise((resolve) => stderr.once('drain', resolve))
        stderr.release()
        await drained
        logger.info('again')
        const lines = stderr.text
          .slice(most - 1)
          .trimEnd()
          .split('\n')
        expect(
          lines.map((line) => JSON.parse(line)),
          `round ${round}`,
        ).toMatchObject([
          { level: 30, msg: 'the last one' },
          { level: 50, msg: 'lines of the log were dropped: nobody read them', droppedLines: before + 2 },
          { level: 30, msg: 'again' },
        ])
      }
    })
  })

  it('are dropped at a mebibyte', async () => {
    const stderr = new Pipe()
    await withStderr(stderr, () => {
      const before = countDroppedLogLines()
      stderr.hold()
      stderr.write('x'.repeat(most))
      createLogger(json, 'core').info('dropped')
      expect(countDroppedLogLines()).toBe(before + 1)
    })
  })
})

it('goes to a file at once, and what finds no room there is counted', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'log')
  const file = await open(path, 'w')
  const logger = createLogger(json, 'core')
  const before = countDroppedLogLines()
  await withStderr({ fd: file.fd }, () => logger.info('told'))
  expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject({ msg: 'told' })
  expect(countDroppedLogLines()).toBe(before)
  await file.close()
  await using readOnly = await open(path, 'r')
  await withStderr({ fd: readOnly.fd }, () => logger.info('lost'))
  expect(countDroppedLogLines()).toBe(before + 1)
})

describe('the end of a service', () => {
  it('waits half a second for whoever reads what it said', async () => {
    const now = vi.spyOn(performance, 'now').mockReturnValueOnce(1000).mockReturnValueOnce(1500).mockReturnValue(1501)
    await withProperty(process.stdout, 'writableLength', 1, async () => expect(await flushOutput()).toBe(false))
    expect(now).toHaveBeenCalledTimes(3)
  })

  it('waits no longer than needed', async () => {
    let left = 3
    const stderr = {
      get writableLength() {
        return --left
      },
    }
    await withStderr(stderr, async () => expect(await flushOutput()).toBe(true))
    expect(left).toBe(0)
  })
})
