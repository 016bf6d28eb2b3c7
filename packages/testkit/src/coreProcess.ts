import { CoreClient } from '@bletchley/client'
import type { Dialect } from '@bletchley/protocol'
import { CommandProcess, type ProcessOptions } from './commandProcess.ts'
import { temporaryFolder } from './temporaryFolder.ts'

export interface CoreProcessOptions extends ProcessOptions {
  dialect?: Dialect
  /** Kept at the end; a temporary folder if absent. */
  dataFolder?: string
  /** Further arguments of `bletchley core`. */
  args?: readonly string[]
}

/**
 * A busy machine must not make a request or a task fail: the test's own limit ends what takes too long. Compute threads step
 * back behind all other work, so beside it they may take twenty times as long as alone.
 */
const patienceMs = 300_000

/** A worker core as operators run it: a process with a socket and a data folder, gone at the end of the scope. */
export interface CoreProcess extends AsyncDisposable {
  readonly endpoint: string
  readonly dataFolder: string
  readonly process: CommandProcess
  readonly client: CoreClient
}

export async function startCoreProcess(options: CoreProcessOptions = {}): Promise<CoreProcess> {
  const folder = options.dataFolder === undefined ? await temporaryFolder() : undefined
  const dataFolder = options.dataFolder ?? folder!.path
  const args = ['core', '--bind', 'tcp://127.0.0.1:0', '--data', dataFolder, '--dialect', options.dialect ?? 'document']
  const clock = ['--run-limit', String(patienceMs)]
  const process = new CommandProcess([...args, ...clock, ...(options.args ?? [])], options)
  const line = await process.readLine()
  const endpoint = /^ready (\S+)$/.exec(line)?.[1]
  if (endpoint === undefined) throw new Error(`unexpected first line: ${line}`)
  const client = new CoreClient(endpoint, { timeoutMs: patienceMs })
  return {
    endpoint,
    dataFolder,
    process,
    client,
    async [Symbol.asyncDispose]() {
      client.close()
      await process[Symbol.asyncDispose]()
      await folder?.[Symbol.asyncDispose]()
    },
  }
}
