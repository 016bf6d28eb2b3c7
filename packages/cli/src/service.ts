import { boundLines } from '@bletchley/http/bound-lines'
import type { Logger } from 'pino'
import { exitCodes } from './exitCodes.ts'
import { flushOutput } from './log.ts'

/** Something that runs until it is told to stop. */
export interface Service {
  /** Reads again what can change while it runs; on SIGHUP, where it runs without a terminal. */
  reload?(): Promise<void>
  close(): Promise<void>
}

/** A stop that takes longer is cut off, so that a supervisor is not kept waiting (5 s are promised). */
const stopLimitMs = 4500

/** Ask for an orderly stop. SIGQUIT alone would end the process at once, and leave its memory in a file. */
const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const

/**
 * Runs a service until it is told to stop, also if that comes while it starts.
 *
 * @param start starts it, and announces it
 * @returns the exit code
 */
export async function runService(logger: Logger, start: () => Promise<Service>): Promise<number> {
  let stop = (_signal: NodeJS.Signals): void => {}
  let cutOff: NodeJS.Timeout | undefined
  const stopped = new Promise<NodeJS.Signals>((resolve) => {
    stop = resolve
  }).then((signal) => {
    logger.info({ signal }, 'stopping')
    // From now on, since what a start waits for, a passphrase for one, may never come.
    cutOff = setTimeout(() => {
      logger.fatal('the stop took too long and is cut off')
      // An orderly exit would wait for the threads, which are what takes so long. What is acknowledged is on disk.
      process.kill(process.pid, 'SIGKILL')
    }, stopLimitMs)
  })
  let service: Service | undefined
  const reload = (): void => {
    logger.info('SIGHUP: what can change is read again')
    void service?.reload?.()
  }
  // A supervisor sends it to have lists read again, also where there are none. A terminal sends it when it is closed.
  const onHangUp = process.stderr.isTTY ? stop : reload
  // A defect of ours must not end the service for all its peers, nor fill its log if one of them brings it about.
  const bounded = boundLines(logger)
  const onRejection = (error: unknown): void => bounded.error({ err: error }, 'unhandled rejection')
  // A second one that asks for a stop ends the process at once.
  for (const signal of stopSignals) process.once(signal, stop)
  process.on('SIGHUP', onHangUp)
  process.on('unhandledRejection', onRejection)
  try {
    service = await start()
    await stopped
    await service.close()
    // What nobody reads would keep the process for ever.
    if (!(await flushOutput())) process.exit(exitCodes.done)
    return exitCodes.done
  } finally {
    clearTimeout(cutOff)
    for (const signal of stopSignals) process.off(signal, stop)
    process.off('SIGHUP', onHangUp)
    process.off('unhandledRejection', onRejection)
  }
}
