import { writeSync } from 'node:fs'
import { Socket } from 'node:net'
import { type Logger, pino } from 'pino'
import { prettyLine } from './prettyLog.ts'

/** The options of a command that logs. */
export interface LogFlags {
  logLevel: string
  logFormat: 'json' | 'pretty' | 'auto'
}

/** Bytes of lines that wait for whoever reads the log; further lines are dropped. */
const maxWaitingBytes = 1 << 20

/** How long the end of a service waits for whoever reads what it has said. */
const lastLinesMs = 500

let droppedLines = 0
let isDropping = false
/** Of the service, where it has several. */
let first: Logger | undefined

/** Lines of the log that this process has dropped so far, since nobody read those before them. */
export function countDroppedLogLines(): number {
  return droppedLines
}

/** Logs on stderr, JSON lines unless people read it; `room` tells the parts of one process apart. */
export function createLogger({ logLevel: level, logFormat }: LogFlags, room: string): Logger {
  unblock()
  const isPretty = logFormat === 'pretty' || (logFormat === 'auto' && process.stderr.isTTY)
  const write = (line: string) => writeLine(line, isPretty ? prettyLine : asItIs)
  const logger = pino({ level, base: { pid: process.pid, room } }, { write })
  first ??= logger
  return logger
}

/**
 * Waits a moment until what was written has been read.
 *
 * @returns whether it has
 */
export async function flushOutput(): Promise<boolean> {
  const streams = [process.stdout, process.stderr]
  const limit = performance.now() + lastLinesMs
  while (streams.some(({ writableLength }) => writableLength > 0)) {
    if (performance.now() > limit) return false
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return true
}

/** Nothing waits for the reader of a pipe. On a terminal Node would, while it is held (Ctrl-S). */
function unblock(): void {
  for (const stream of [process.stdout, process.stderr]) {
    if (stream.isTTY) (stream as unknown as TerminalStream)._handle?.setBlocking?.(false)
  }
}

/** Node has no public way to say it. */
interface TerminalStream {
  _handle?: { setBlocking?(blocking: boolean): number }
}

function writeLine(line: string, shape: (line: string) => string): void {
  const { stderr } = process
  if (!(stderr instanceof Socket)) writeToFile(shape(line))
  else if (stderr.writableLength < maxWaitingBytes) stderr.write(shape(line))
  else drop()
}

function drop(): void {
  droppedLines++
  if (isDropping) return
  isDropping = true
  process.stderr.once('drain', () => {
    isDropping = false
    first?.error({ droppedLines }, 'lines of the log were dropped: nobody read them')
  })
}

/** A full disk must not end the service; when there is room again, there are lines again. */
function writeToFile(line: string): void {
  try {
    writeSync(process.stderr.fd, line)
  } catch {
    droppedLines++
  }
}

function asItIs(line: string): string {
  return line
}
