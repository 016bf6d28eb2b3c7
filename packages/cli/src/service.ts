import { type Logger, pino } from 'pino'
import { exitCodes } from './exitCodes.ts'
import { prettyLine } from './prettyLog.ts'

/** Something that runs until it is told to stop. */
export interface Service {
  /** Reads again what can change while it runs; on SIGHUP, where it runs without a terminal. */
  reload?(): Promise<void>
  close(): Promise<void>
}

/** A stop that takes longer is cut off, so that a supervisor is not kept waiting (5 s are promised). */
const stopLimitMs = 4500

/** The options of a command that logs. */
export interface LogFlags {
  logLevel: string
  logFormat: 'json' | 'pretty' | 'auto'
}

/** Logs on stderr, JSON lines unless people read it; `room` tells the parts of one process apart. */
export function createLogger({ logLevel: level, logFormat }: LogFlags, room: string): Logger {
  const isPretty = logFormat === 'pretty' || (logFormat === 'auto' && process.stderr.isTTY)
  const destination = isPretty
    ? { write: (line: string) => void process.stderr.write(prettyLine(line)) }
    : pino.destination({ dest: 2, sync: true })
  return pino({ level, base: { pid: process.pid, room } }, destination)
}

/**
 * Runs a service until SIGTERM or SIGINT, also if one comes while it starts.
 *
 * @param start starts it, and announces it
 * @returns the exit code
 */
export async function runService(logger: Logger, start: () => Promise<Service>): Promise<number> {
  const stopped = new Promise<NodeJS.Signals>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
  // A defect of ours must not end the service for all its peers.
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'unhandled rejection'))
  let service: Service | undefined
  // A supervisor sends it to have lists read again, also where there are none. A terminal sends it when it is closed.
  if (!process.stderr.isTTY) {
    process.on('SIGHUP', () => {
      logger.info('SIGHUP: what can change is read again')
      void service?.reload?.()
    })
  }
  service = await start()
  logger.info({ signal: await stopped }, 'stopping')
  const cutOff = setTimeout(() => {
    logger.fatal('the stop took too long and is cut off')
    // An orderly exit would wait for the threads, which are what takes so long. What is acknowledged is on disk.
    process.kill(process.pid, 'SIGKILL')
  }, stopLimitMs)
  await service.close()
  clearTimeout(cutOff)
  return exitCodes.done
}
