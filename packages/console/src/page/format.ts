/** Characters that hide, reorder or pile up: a peer must not be able to make a text look like another. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}\p{M}]|(?! )\p{Zs}/u

/** A peer's words with control, bidi and combining characters written out, cut to `most` characters. */
export function printable(text: string, most = 64): string {
  let shown = ''
  for (const character of text) {
    const next = unprintable.test(character) ? `\\u{${character.codePointAt(0)!.toString(16)}}` : character
    if (shown.length + next.length > most) return `${shown}…`
    shown += next
  }
  return shown
}

/** Hex that is too long to show: its head and its tail. */
export const shortHex = (hex: string, head = 8, tail = 6): string =>
  hex.length <= head + tail + 1 ? hex : `${hex.slice(0, head)}…${hex.slice(-tail)}`

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })

/** With thousands apart: 12,345. */
export const formatCount = (value: number): string => whole.format(value)

/** Three digits that count: 0.42, 12.3, 1.2M. */
export function formatRate(value: number): string {
  if (value >= 1000) return compact.format(value)
  return value === 0 ? '0' : Number(value.toPrecision(3)).toString()
}

export function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let value = bytes
  let unit = 0
  for (; value >= 999.5 && unit < units.length - 1; unit++) value /= 1000
  return `${unit === 0 ? value : Number(value.toPrecision(3))} ${units[unit]}`
}

/** Gas is a decimal text, since it may exceed what numbers hold. */
export const formatGas = (gas: string): string =>
  /^\d{1,20}$/.test(gas) ? BigInt(gas).toLocaleString('en') : printable(gas, 12)

/** For columns: milliseconds with all their digits. */
export const formatTook = (ms: number): string => (ms < 10 ? `${ms.toFixed(2)} ms` : formatDuration(ms))

export function formatDuration(ms: number): string {
  if (ms < 10) return `${Number(ms.toFixed(2))} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 60) return `${Number(seconds.toPrecision(3))} s`
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [Math.floor(seconds) % 60, 's'],
  ] as const
  const first = parts.findIndex(([value]) => value > 0)
  return parts
    .slice(first, first + 2)
    .map(([value, unit]) => `${value} ${unit}`)
    .join(' ')
}

const pad = (value: number, digits = 2): string => String(value).padStart(digits, '0')

/** Local time of day: 14:03:09.120. */
export function formatClock(at: number, withMs = true): string {
  const time = new Date(at)
  const clock = `${pad(time.getHours())}:${pad(time.getMinutes())}:${pad(time.getSeconds())}`
  return withMs ? `${clock}.${pad(time.getMilliseconds(), 3)}` : clock
}

/** Local date and time of day. */
export function formatMoment(at: number): string {
  const time = new Date(at)
  return `${time.getFullYear()}-${pad(time.getMonth() + 1)}-${pad(time.getDate())} ${formatClock(at, false)}`
}
