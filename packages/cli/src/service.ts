import { type Logger, pino } from 'pino'
import { exitCodes } from './exitCodes.ts'

/** Something that runs until it is told to stop. */
export interface Service {
  close(): Promise<void>
}

/** A stop that takes longer is cut off, so that a supervisor is not kept waiting (5 s are promised). */
const stopLimitMs = 4500

/** Logs JSON lines on stderr; `room` tells the parts of one process apart. */
export function createLogger(level: string, room: string): Logger {
  return pino({ level, base: { pid: process.pid, room } }, pino.destination({ dest: 2, sync: true }))
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
  const service = await start()
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
