import { printable } from './output.ts'

/** Colours of the levels: debug, info, warn, error, fatal. */
const levels: Readonly<Record<number, readonly [name: string, colour: number]>> = {
  20: ['debug', 90],
  30: ['info', 32],
  40: ['warn', 33],
  50: ['error', 31],
  60: ['fatal', 35],
}

/**
 * A line of the log as people read it: `12:34:56.789 warn  core  message  name=value …`.
 *
 * @param line JSON, as pino writes it
 */
export function prettyLine(line: string): string {
  const { time, level, room, msg, pid: _, err, ...rest } = JSON.parse(line) as Record<string, unknown>
  const [name, colour] = levels[Number(level)] ?? [String(level), 0]
  const clock = new Date(Number(time)).toISOString().slice(11, 23)
  const fields = Object.entries(rest).map(([key, value]) => `  \x1b[90m${key}=\x1b[0m${shown(value)}`)
  const head = `\x1b[90m${clock}\x1b[0m \x1b[${colour}m${name.padEnd(5)}\x1b[0m ${String(room)}  ${shown(msg)}`
  return `${head}${fields.join('')}\n${err === undefined ? '' : errorLines(err as LoggedError)}`
}

interface LoggedError {
  message?: string
  stack?: string
}

function errorLines({ message, stack }: LoggedError): string {
  return (stack ?? message ?? '')
    .split('\n')
    .map((line) => `    ${printable(line)}\n`)
    .join('')
}

function shown(value: unknown): string {
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}
