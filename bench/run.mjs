// `npm run bench`: prints ratios of two things measured in the same run, and writes them to bench/results/.
// Absolute numbers say more about the machine than about the code, so a target is always a ratio.
//
//   npm run bench                      all suites
//   npm run bench -- wire sandbox      some
//   npm run bench -- --publish         all, and writes table and pictures into docs/
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { plotGrowth } from './plot.mjs'
import { publish } from './publish.mjs'
import { suites } from './suites.mjs'

const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const unknown = names.filter((name) => !Object.hasOwn(suites, name))
if (unknown.length > 0) {
  process.stderr.write(`No suite ${unknown.join(', ')}; there are ${Object.keys(suites).join(', ')}.\n`)
  process.exit(2)
}

const rows = []
const growths = []
for (const name of names.length > 0 ? names : Object.keys(suites)) {
  const { rows: measured, growth = [] } = await suites[name]()
  for (const row of measured) {
    const ratio = row.ours / row.baseline
    const met = row.atMost === undefined ? ratio >= row.atLeast : ratio <= row.atMost
    const target = row.atMost === undefined ? `>= ${row.atLeast}` : `<= ${row.atMost}`
    rows.push({ suite: name, ...row, ratio, target, verdict: met ? 'met' : 'missed' })
    process.stdout.write(
      `${row.name}: ${format(row.ours)} against ${format(row.baseline)} ${row.unit}, ratio ${ratio.toFixed(2)}, target ${target}, ${met ? 'met' : 'missed'}\n`,
    )
  }
  for (const each of growth) {
    growths.push({ suite: name, ...each })
    const points = each.points.map(({ x, ours }) => `${x}: ${format(ours)}`).join(', ')
    process.stdout.write(`${each.title}: ${points} ${each.unit}\n`)
  }
}

const date = new Date().toISOString()
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version, v8: process.versions.v8 }
const results = { date, machine, rows, growths }
const folder = new URL('./results/', import.meta.url)
await mkdir(folder, { recursive: true })
const stem = date.replaceAll(':', '-')
await writeFile(new URL(`${stem}.json`, folder), `${JSON.stringify(results, null, 2)}\n`)
for (const growth of growths) await writeFile(new URL(`${stem}-${growth.file}.svg`, folder), plotGrowth(growth))
if (process.argv.includes('--publish')) await publish(results)

function format(value) {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}
