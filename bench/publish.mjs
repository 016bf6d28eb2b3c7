// Writes the results of a whole run into docs/: the table of docs/performance.md between its markers, and the pictures.
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { plotGrowth } from './plot.mjs'

const page = new URL('../docs/performance.md', import.meta.url)
const pictures = new URL('../docs/performance/', import.meta.url)
const markers = /(<!-- measured -->\n)[\s\S]*(<!-- \/measured -->)/

export async function publish({ date, machine, rows, growths }) {
  await mkdir(pictures, { recursive: true })
  for (const growth of growths) await writeFile(new URL(`${growth.file}.svg`, pictures), plotGrowth(growth))
  const table = rows.map(
    ({ name, ours, baseline, unit, ratio, target, verdict }) =>
      `| ${name} | ${figure(ours)} ${unit} | ${figure(baseline)} ${unit} | ${ratio.toFixed(2)} | ${target} | ${verdict} |`,
  )
  const text = [
    `Measured ${date.slice(0, 10)} on ${machine.cores} cores of ${machine.cpu}, Node ${machine.node} (V8 ${machine.v8}).`,
    '',
    '| bench | Bletchley | baseline | ratio | target | |',
    '|---|---|---|---|---|---|',
    ...table,
    '',
    ...growths.flatMap(({ file, title }) => [`![${title}](performance/${file}.svg)`, '']),
  ].join('\n')
  const before = await readFile(page, 'utf8')
  if (!markers.test(before)) throw new Error('docs/performance.md has lost its markers')
  await writeFile(
    page,
    before.replace(markers, (_, opening, closing) => `${opening}${text}${closing}`),
  )
}

function figure(value) {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
