import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gasLogVariable, readGasLog } from '@bletchley/contract'
import { afterAll, expect } from 'vitest'

export interface GasRecord {
  /** Leaves out the gas of calls that chance makes, such as those of properties. */
  without<T>(perform: () => T | Promise<T>): Promise<T>
  /**
   * Compares the gas so far with `gas.snapshot.json` beside the test, the file of `bletchley contract gas`. What differs is
   * accepted with `npx vitest run --project contracts -u`.
   */
  expectSnapshot(): Promise<void>
}

/** Notes the gas of all calls in a test file from now on. */
export function recordGas(): GasRecord {
  // `bletchley contract gas` reads it from a folder of its own, and compares it itself.
  const given = process.env[gasLogVariable]
  const folder = given ?? mkdtempSync(join(tmpdir(), 'bletchley-gas-'))
  process.env[gasLogVariable] = folder
  afterAll(() => {
    if (given === undefined) rmSync(folder, { recursive: true })
  })
  return {
    async without(perform) {
      delete process.env[gasLogVariable]
      try {
        return await perform()
      } finally {
        process.env[gasLogVariable] = folder
      }
    },
    async expectSnapshot() {
      if (given !== undefined) return
      const gas = await readGasLog(folder)
      await expect(`${JSON.stringify(gas, undefined, 2)}\n`).toMatchFileSnapshot('./gas.snapshot.json')
    },
  }
}
