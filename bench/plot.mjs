// Plain SVG, no library: lines and a grid.

const width = 640
const height = 400
const margin = { left: 80, right: 20, top: 50, bottom: 60 }
const bottom = height - margin.bottom
const colours = ['#1f6feb', '#8c959f', '#2da44e']

/**
 * Draws how a cost grows, on logarithmic axes: a straight line that rises by one decade a decade is linear, a flat one does
 * not depend on x.
 *
 * @param growth as in measure.mjs
 */
export function plotGrowth({ title, x, unit, points }) {
  const names = ['ours', 'baseline'].filter((name) => points.some((point) => point[name] !== undefined))
  const series = names.map((name) => ({
    name: name === 'ours' ? 'Bletchley' : 'baseline',
    points: points.filter((point) => point[name] > 0).map((point) => ({ x: point.x, y: point[name] })),
  }))
  return plot({ title, x, unit, series, scale: decades, dots: true })
}

/** Draws what changes with time, on axes that begin at zero. */
export function plotOverTime({ title, x, unit, series }) {
  return plot({ title, x, unit, series, scale: fromZero, dots: false })
}

/** @param series lines with names, of points `{ x, y }` */
function plot({ title, x: xLabel, unit, series, scale, dots }) {
  const all = series.flatMap(({ points }) => points)
  const across = scale(
    all.map(({ x }) => x),
    margin.left,
    width - margin.right,
  )
  const up = scale(
    all.map(({ y }) => y),
    bottom,
    margin.top,
  )
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<title>${escapeText(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(width / 2, 24, title, 'middle', 15),
    text(width / 2, height - 14, xLabel),
    `<text x="20" y="${height / 2}" text-anchor="middle" fill="#24292f" transform="rotate(-90 20 ${height / 2})">${escapeText(unit)}</text>`,
  ]
  for (const tick of across.ticks) {
    const at = across.at(tick)
    parts.push(line(at, margin.top, at, bottom), text(at, bottom + 18, label(tick)))
  }
  for (const tick of up.ticks) {
    const at = up.at(tick)
    parts.push(line(margin.left, at, width - margin.right, at), text(margin.left - 8, at + 4, label(tick), 'end'))
  }
  let legendAt = margin.left + 10
  for (const [index, { name, points }] of series.entries()) {
    const places = points.map(({ x, y }) => [across.at(x), up.at(y)])
    const path = places.map((place) => place.map((value) => value.toFixed(1)).join(',')).join(' ')
    parts.push(`<polyline points="${path}" fill="none" stroke="${colours[index]}" stroke-width="2"/>`)
    for (const [cx, cy] of dots ? places : []) {
      parts.push(`<circle cx="${cx.toFixed(1)}" cy="${cy.toFixed(1)}" r="4" fill="${colours[index]}"/>`)
    }
    parts.push(
      `<rect x="${legendAt}" y="34" width="10" height="10" fill="${colours[index]}"/>`,
      text(legendAt + 16, 43, name, 'start'),
    )
    legendAt += Math.max(110, 40 + 7 * name.length)
  }
  return `${parts.join('\n')}\n</svg>\n`
}

/** A logarithmic axis over whole decades. */
function decades(values, from, to) {
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...values))))
  const ticks = Array.from({ length: high - low + 1 }, (_, index) => 10 ** (low + index))
  return { ticks, at: (value) => from + ((Math.log10(value) - low) / (high - low)) * (to - from) }
}

/** An axis from zero to the greatest value, with four to eight steps of 1, 2 or 5 times a power of ten. */
function fromZero(values, from, to) {
  const most = Math.max(...values)
  const decade = 10 ** Math.floor(Math.log10(most / 8))
  const step = [1, 2, 5, 10].map((factor) => factor * decade).find((size) => most / size <= 8)
  const end = Math.ceil(most / step) * step
  const ticks = Array.from({ length: Math.round(end / step) + 1 }, (_, index) => index * step)
  return { ticks, at: (value) => from + (value / end) * (to - from) }
}

function label(value) {
  if (value >= 1e6) return `${value / 1e6} M`
  if (value >= 1e3) return `${value / 1e3} k`
  return String(Number(value.toPrecision(2)))
}

function line(x1, y1, x2, y2) {
  return `<line x1="${x1.toFixed(1)}" y1="${y1.toFixed(1)}" x2="${x2.toFixed(1)}" y2="${y2.toFixed(1)}" stroke="#d0d7de"/>`
}

function text(x, y, content, anchor = 'middle', size = 12) {
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" text-anchor="${anchor}" font-size="${size}" fill="#24292f">${escapeText(content)}</text>`
}

function escapeText(content) {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
