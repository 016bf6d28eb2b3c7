import { CommandError } from './exitCodes.ts'

const barWidth = 30
const linesApartMs = 5000

/** What the work is told with, as of `LongRun`. */
export interface Progress {
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

/**
 * Runs something long: shows on stderr how far it is (a bar on a terminal, elsewhere a line per tenth, at most one in
 * 5 s), and lets SIGINT or SIGTERM stop it between two steps. A second one ends the
 * process at once.
 *
 * @param what  shown before the bar
 * @param again what a rerun does, for whoever stopped it
 */
export async function runLong<T>(what: string, again: string, work: (progress: Progress) => Promise<T>): Promise<T> {
  const { stderr } = process
  const stop = new AbortController()
  const onSignal = (): void => stop.abort(new CommandError(`stopped; ${again}`))
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal)
  // A wait that nothing keeps alive would end the process without a word.
  const alive = setInterval(() => {}, linesApartMs)
  let shown = -1
  let shownAt = performance.now()
  const draw = (done: number, total: number): void => {
    const part = total === 0 ? 1 : Math.min(done / total, 1)
    const percent = Math.floor(part * 100)
    if (stderr.isTTY) {
      if (percent === shown) return
      const full = Math.round(part * barWidth)
      stderr.write(`\r${what} [${'#'.repeat(full)}${'.'.repeat(barWidth - full)}] ${percent} %`)
    } else {
      if (Math.floor(percent / 10) === Math.floor(shown / 10) || performance.now() - shownAt < linesApartMs) return
      stderr.write(`${what}: ${percent} %\n`)
      shownAt = performance.now()
    }
    shown = percent
  }
  try {
    return await work({ signal: stop.signal, onProgress: draw })
  } finally {
    clearInterval(alive)
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal)
    if (stderr.isTTY && shown >= 0) stderr.write('\n')
  }
}
