import { useEffect, useRef, useState } from 'preact/hooks'
import UPlot from 'uplot'
import { formatClock } from './format.ts'
import { isDark } from './theme.ts'

export interface Series {
  /** Shown when a chart has several. */
  label: string
  values: readonly (number | null)[]
  /** A custom property of the style sheet. */
  colour: `--${string}`
}

interface ChartProps {
  title: string
  /** Times in ms, or whatever `formatX` knows. */
  x: readonly number[]
  series: readonly Series[]
  format: (value: number) => string
  formatX?: (value: number) => string
  /** For the axis, where there is less room. */
  formatTick?: (value: number) => string
  /** Bars stand for counted things, lines for what is there all the time. */
  bars?: boolean
  /** There is nothing between one and two. */
  whole?: boolean
  /** Sizes need not start at nothing. */
  fromZero?: boolean
  height?: number
  /** Charts of one group share their cursor. */
  group?: string
}

type Range = [number, number]

/** Bars stand on their place, so that the outermost need half a step more. */
function halfStepRound({ data: [x] }: UPlot, min: number, max: number): Range {
  const half = x.length > 1 ? (max - min) / (x.length - 1) / 2 : 0.5
  return [min - half, max + half]
}

const aboveZero = (_: UPlot, _min: number, max: number): Range => [0, max > 0 ? max * 1.15 : 1]

function around(_: UPlot, min: number, max: number): Range {
  const room = (max - min) * 0.15 || Math.max(1, Math.abs(max) * 0.01)
  return [Math.max(0, min - room), max + room]
}

const newest = (values: readonly (number | null)[]): number | null => values.findLast((value) => value !== null) ?? null

/** A value without another one to draw a line to. */
const isAlone = ({ data }: UPlot, index: number): boolean =>
  Array.from(data[index]!).filter((value) => value != null).length === 1

const formatTime = (at: number): string => formatClock(at, false)

/** Minutes are enough where a step of the axis is one. */
const formatMinutes = (_: UPlot, at: number[], _axis: number, _space: number, step: number): string[] =>
  at.map((each) => formatTime(each).slice(0, step < 60_000 ? 8 : 5))

const timeSteps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800].map((seconds) => seconds * 1000)

const wholeSteps = Array.from({ length: 12 }, (_, power) => [1, 2, 5].map((digit) => digit * 10 ** power)).flat()

export function Chart(props: ChartProps) {
  const { title, x, series, format, formatX = formatTime, formatTick } = props
  const { bars = false, fromZero = true, whole = false, height = 92, group } = props
  const element = useRef<HTMLDivElement>(null)
  const plot = useRef<UPlot | undefined>(undefined)
  const [hovered, setHovered] = useState<number | null>(null)
  const dark = isDark.value
  const data = [x, ...series.map(({ values }) => values)] as UPlot.AlignedData

  useEffect(() => {
    const host = element.current!
    const colour = (token: string): string => {
      host.style.color = `var(${token})`
      return getComputedStyle(host).color
    }
    const axis = {
      stroke: colour('--muted'),
      font: '11px system-ui, sans-serif',
      grid: { stroke: colour('--line'), width: 1 },
      ticks: { show: false },
    }
    const made = new UPlot(
      {
        width: host.clientWidth,
        height,
        padding: [6, 6, 0, 0],
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, y: false, ...(group && { sync: { key: group } }) },
        scales: {
          x: { time: false, ...(bars && { range: halfStepRound }) },
          y: { range: fromZero ? aboveZero : around },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 20,
            gap: 4,
            space: 70,
            ...(formatTick ? { values: (_, at) => at.map(formatTick) } : { values: formatMinutes, incrs: timeSteps }),
          },
          {
            ...axis,
            size: 50,
            gap: 6,
            space: 26,
            ...(whole && { incrs: wholeSteps }),
            values: (_, at) => at.map(format),
          },
        ],
        series: [
          {},
          ...series.map(({ colour: token, label }) => ({
            label,
            stroke: colour(token),
            width: 1.5,
            points: { show: isAlone },
            spanGaps: true,
            ...(bars && { paths: UPlot.paths.bars!({ size: [0.7, 18, 1] }), fill: colour(token), width: 0 }),
            ...(!bars && series.length === 1 && { fill: colour(`${token}-wash`) }),
          })),
        ],
        hooks: { setCursor: [({ cursor }) => setHovered(cursor.idx ?? null)] },
      },
      data,
      host,
    )
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: host.clientWidth, height }))
    observer.observe(host)
    return () => {
      observer.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [dark, series.length, height, bars])

  useEffect(() => plot.current?.setData(data), [x, ...series.map(({ values }) => values)])

  const shown = series.map(({ values }) => (hovered === null ? newest(values) : (values[hovered] ?? null)))
  const text = shown.map((value) => (value === null ? '–' : format(value)))
  const summary = series.map(({ label, values }, index) => {
    const numbers = values.filter((value) => value !== null)
    return `${label} ${text[index]}, at most ${numbers.length === 0 ? '–' : format(numbers.reduce((a, b) => Math.max(a, b)))}`
  })
  return (
    <figure class="chart">
      <figcaption>
        <span class="title">{title}</span>
        {hovered !== null && x[hovered] !== undefined && <span class="when">{formatX(x[hovered])}</span>}
        <span class="values">
          {series.map(({ label, colour }, index) => (
            <span key={label}>
              {series.length > 1 && <span style={{ color: `var(${colour})` }}>{label} </span>}
              <b>{text[index]}</b>
            </span>
          ))}
        </span>
      </figcaption>
      <div class="plot" ref={element} role="img" aria-label={`${title}: ${summary.join('; ')}`} />
    </figure>
  )
}
