import { appendFileSync } from 'node:fs'
import { join } from 'node:path'

/** Names the folder that `bletchley contract gas` reads the gas of all calls from. */
export const gasLogVariable = 'BLETCHLEY_GAS_LOG'

/** One successful call: a line of JSON in the log. */
export interface GasEntry {
  contract: string
  /** And behind it the scenario, if the call is of one. */
  function: string
  gas: number
}

/** Notes the gas of a call, if somebody wants to know. Each process has a file of its own. */
export function logGas(contract: string, name: string, scenario: string | undefined, gas: number): void {
  const folder = process.env[gasLogVariable]
  if (folder === undefined || folder === '') return
  const entry: GasEntry = { contract, function: scenario === undefined ? name : `${name} (${scenario})`, gas }
  appendFileSync(join(folder, `${process.pid}.jsonl`), `${JSON.stringify(entry)}\n`)
}
