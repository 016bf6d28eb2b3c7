// `npm run bench`: prints ratios of two things measured in the same run, and writes them to bench/results/.
// Absolute numbers say more about the machine than about the code, so a target is always a ratio.
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { benchWire } from './wire.mjs'

const suites = [benchWire]
const rows = []
for (const suite of suites) {
  for (const row of await suite()) {
    const ratio = row.ours / row.baseline
    const met = row.atMost === undefined ? ratio >= row.atLeast : ratio <= row.atMost
    rows.push({ ...row, ratio, met })
    const target = row.atMost === undefined ? `>= ${row.atLeast}` : `<= ${row.atMost}`
    process.stdout.write(
      `${row.name}: ${format(row.ours)} against ${format(row.baseline)} ${row.unit}, ratio ${ratio.toFixed(2)}, target ${target}, ${met ? 'met' : 'missed'}\n`,
    )
  }
}

const results = new URL('./results/', import.meta.url)
await mkdir(results, { recursive: true })
const date = new Date().toISOString()
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version }
await writeFile(
  new URL(`${date.replaceAll(':', '-')}.json`, results),
  `${JSON.stringify({ date, machine, rows }, null, 2)}\n`,
)

function format(value) {
  return value >= 100 ? value.toFixed(0) : value.toFixed(3)
}
