import type { Logger } from 'pino'

/** Lines with one text in one window, so that whoever can bring about one cannot fill the disk. */
const maxLines = 60
const windowMs = 60_000

/** What was said with one text since the window began. */
interface Said {
  lines: number
  notShown: number
}

const levels = ['info', 'warn', 'error'] as const

/**
 * A logger for what peers, callers, users and contracts bring about, once for each request if they like: of each text 60 lines a minute
 * are shown, then one that tells how many were not. The texts are the program's own, so they are few.
 */
export function boundLines(logger: Logger): Logger {
  const said = new Map<string, Said>()
  const bounded = Object.create(logger) as Logger

  function mayShow(text: string): boolean {
    let now = said.get(text)
    if (now === undefined) {
      now = { lines: 0, notShown: 0 }
      said.set(text, now)
      setTimeout(() => endWindow(text), windowMs).unref()
    }
    if (now.lines < maxLines) {
      now.lines++
      return true
    }
    now.notShown++
    return false
  }

  function endWindow(text: string): void {
    const { notShown } = said.get(text)!
    said.delete(text)
    if (notShown > 0) logger.warn({ text, notShown }, 'lines of the log were left out: too many with one text')
  }

  for (const level of levels) {
    bounded[level] = (first: unknown, ...others: unknown[]): void => {
      const text = typeof first === 'string' ? first : others[0]
      if (mayShow(String(text))) (logger[level] as (...parts: unknown[]) => void)(first, ...others)
    }
  }
  return bounded
}
