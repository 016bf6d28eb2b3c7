import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { type CoreProcess, startCoreProcess, temporaryFolder } from '@bletchley/testkit'

/** What coreProbe.mjs tells. */
export interface Probe {
  /** Processor time of the main thread since the last look: the longest stretch, and all of it, in milliseconds. */
  longestMs: number
  totalMs: number
  /** Resident memory that no file backs, behind a collection of garbage. */
  anonymousBytes: number
}

/** A core as operators run it, that tells of its main thread and of its memory (Linux). */
export interface ProbedCore extends AsyncDisposable {
  readonly core: CoreProcess
  look(): Promise<Probe>
}

export async function startProbedCore(): Promise<ProbedCore> {
  const folder = await temporaryFolder()
  const path = join(folder.path, 'probe')
  writeFileSync(path, '')
  const env = {
    // As an address: spaces in a path would end the option.
    NODE_OPTIONS: `--import ${new URL('./coreProbe.mjs', import.meta.url)}`,
    BLETCHLEY_PROBE: path,
  }
  const core = await startCoreProcess({ env, args: ['--http', '127.0.0.1:0', '--threads', '1'] })
  const lines = (): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1)
  return {
    core,
    async look() {
      const before = lines().length
      core.process.signal('SIGUSR2')
      while (lines().length === before) await setTimeout(5)
      const [longestMs, totalMs, anonymousBytes] = lines().at(-1)!.split(' ').map(Number)
      return { longestMs: longestMs!, totalMs: totalMs!, anonymousBytes: anonymousBytes! }
    },
    async [Symbol.asyncDispose]() {
      await core[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    },
  }
}
