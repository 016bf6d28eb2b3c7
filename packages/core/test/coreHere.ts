import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Level, pino } from 'pino'
import { Request } from 'zeromq'
import { type Core, type CoreOptions, startCore } from '../src/core.ts'

/** A core in this process, without compute threads: these run what is built. It is gone at the end of the scope. */
export interface CoreHere extends AsyncDisposable {
  readonly core: Core
  readonly dataFolder: string
  /** What it has logged. */
  readonly lines: Record<string, unknown>[]
  /** The texts among it that an operator should look at. */
  warnings(): unknown[]
  /** The replies to the frames of one message. */
  ask(...requests: object[]): Promise<Record<string, unknown>[]>
}

export async function startCoreHere({
  level = 'info',
  ...options
}: Partial<CoreOptions> & { level?: Level } = {}): Promise<CoreHere> {
  const folder = options.dataFolder === undefined ? await mkdtemp(join(tmpdir(), 'bletchley-test-')) : undefined
  const removeFolder = async (): Promise<void> => {
    if (folder !== undefined) await rm(folder, { recursive: true })
  }
  const dataFolder = options.dataFolder ?? folder!
  const lines: Record<string, unknown>[] = []
  const logger = pino({ level, base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  const core = await startCore({
    endpoints: ['tcp://127.0.0.1:0'],
    dialect: 'document',
    threads: 0,
    logger,
    ...options,
    dataFolder,
  }).catch(async (error: unknown) => {
    await removeFolder()
    throw error
  })
  return {
    core,
    dataFolder,
    lines,
    warnings: () => lines.filter(({ level }) => Number(level) >= 40).map(({ msg }) => msg),
    async ask(...requests) {
      const peer = new Request({ linger: 0 })
      try {
        peer.connect(core.endpoints[0]!)
        await peer.send(requests.map((request) => JSON.stringify(request)))
        return (await peer.receive()).map((frame) => JSON.parse(frame.toString()) as Record<string, unknown>)
      } finally {
        peer.close()
      }
    },
    async [Symbol.asyncDispose]() {
      await core.close()
      await removeFolder()
    },
  }
}

/** A request that is answered from the database. */
export const getTip = (address: string) => ({ id: 'tip', type: 'GetTip', input: address })

export const putContract = (address: string, bytecode: readonly number[]) => ({
  ...{ id: 'put', type: 'UpdateNewContract', address, bytecode },
})
