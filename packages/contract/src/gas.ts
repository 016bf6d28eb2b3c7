import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { GasEntry } from './testing/gasLog.ts'

/** Gas of the calls of one function. The median of an even number of calls is the lower of the middle ones. */
export interface GasOfFunction {
  calls: number
  min: number
  median: number
  max: number
}

/** By contract and function, both sorted: what `gas.snapshot.json` holds. */
export type GasSnapshot = Record<string, Record<string, GasOfFunction>>

/** A figure that is not what the snapshot says. */
export interface GasChange {
  contract: string
  function: string
  figure: 'min' | 'median' | 'max'
  before: number
  now: number
}

export interface GasComparison {
  /** Figures that went up. */
  worse: GasChange[]
  /** Figures that went down. */
  better: GasChange[]
  /** Functions that the snapshot does not have, as `contract.function`. */
  added: string[]
  /** Functions that only the snapshot has: no test calls them any more. */
  missing: string[]
}

/** Sums up the gas of all calls that test processes have noted in a folder. */
export async function readGasLog(folder: string): Promise<GasSnapshot> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.jsonl'))
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))
  const gasOf = new Map<string, Map<string, number[]>>()
  for (const line of texts.join('').split('\n').filter(Boolean)) {
    const { contract, function: name, gas } = JSON.parse(line) as GasEntry
    const functions = gasOf.get(contract) ?? new Map<string, number[]>()
    const calls = functions.get(name) ?? []
    calls.push(gas)
    gasOf.set(contract, functions.set(name, calls))
  }
  return sortedObject(gasOf, (functions) => sortedObject(functions, summarize))
}

function summarize(gas: readonly number[]): GasOfFunction {
  const sorted = gas.toSorted((a, b) => a - b)
  return {
    calls: sorted.length,
    min: sorted[0]!,
    median: sorted[(sorted.length - 1) >> 1]!,
    max: sorted.at(-1)!,
  }
}

function sortedObject<From, To>(map: ReadonlyMap<string, From>, convert: (value: From) => To): Record<string, To> {
  return Object.fromEntries([...map.keys()].sort().map((key) => [key, convert(map.get(key)!)]))
}

export function compareGas(before: GasSnapshot, now: GasSnapshot): GasComparison {
  const [old, present] = [flatten(before), flatten(now)]
  const changes = [...present].flatMap(([key, { contract, name, gas }]) => {
    const known = old.get(key)?.gas
    if (known === undefined) return []
    return (['min', 'median', 'max'] as const)
      .filter((figure) => gas[figure] !== known[figure])
      .map((figure) => ({ contract, function: name, figure, before: known[figure], now: gas[figure] }))
  })
  return {
    worse: changes.filter((change) => change.now > change.before),
    better: changes.filter((change) => change.now < change.before),
    added: [...present.keys()].filter((key) => !old.has(key)),
    missing: [...old.keys()].filter((key) => !present.has(key)),
  }
}

function flatten(snapshot: GasSnapshot): Map<string, { contract: string; name: string; gas: GasOfFunction }> {
  return new Map(
    Object.entries(snapshot).flatMap(([contract, functions]) =>
      Object.entries(functions).map(([name, gas]) => [`${contract}.${name}`, { contract, name, gas }] as const),
    ),
  )
}
