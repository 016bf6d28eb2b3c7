import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { compareGas, type GasComparison, type GasSnapshot } from '@bletchley/contract'
import { CommandError } from '../exitCodes.ts'

const snapshotFile = (folder: string): string => join(folder, 'gas.snapshot.json')

/** The committed snapshot of a folder, or undefined if there is none. */
export async function readSnapshot(folder: string): Promise<GasSnapshot | undefined> {
  const path = snapshotFile(folder)
  const text = await readFile(path, 'utf8').catch(() => undefined)
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as GasSnapshot
  } catch {
    throw new CommandError(`${path} is not JSON; \`bletchley contract gas --update\` writes it anew`)
  }
}

/** @returns where it was written */
export async function writeSnapshot(folder: string, gas: GasSnapshot): Promise<string> {
  const path = snapshotFile(folder)
  await writeFile(path, `${JSON.stringify(gas, undefined, 2)}\n`)
  return path
}

/**
 * Says what differs from the snapshot.
 *
 * @throws CommandError if a figure went up
 */
export function checkGas(snapshot: GasSnapshot, gas: GasSnapshot, say: (line: string) => void): void {
  const { worse, better, added, missing } = compareGas(snapshot, gas)
  for (const change of better) say(describe(change))
  for (const name of added) say(`${name}: not in the snapshot yet`)
  for (const name of missing) say(`${name}: in the snapshot, but no test calls it`)
  if (worse.length > 0) {
    const lines = worse.map(describe).join('\n')
    throw new CommandError(`gas went up; if that is meant, \`bletchley contract gas --update\`\n${lines}`)
  }
  if (better.length + added.length + missing.length > 0)
    say('`bletchley contract gas --update` brings the snapshot up to date')
}

function describe({ contract, function: name, figure, before, now }: GasComparison['worse'][number]): string {
  return `${contract}.${name}: ${figure} ${before} -> ${now} (${now > before ? '+' : ''}${now - before})`
}

/** The figures as a table for people. */
export function gasTable(gas: GasSnapshot): string {
  const rows = Object.entries(gas).flatMap(([contract, functions]) =>
    Object.entries(functions).map(([name, { calls, min, median, max }]) => [
      `${contract}.${name}`,
      ...[calls, min, median, max].map(String),
    ]),
  )
  const table = [['', 'calls', 'min', 'median', 'max'], ...rows]
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)))
  return table
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join('  '))
    .join('\n')
}
