import { join } from 'node:path'
import { type Core, type CoreOptions, startCore } from '@bletchley/core'
import { bytesToHex, hexToBytes } from '@bletchley/crypto'
import { startPrincipal } from '@bletchley/principal'
import { createLogger, type Service } from './service.ts'

/** A core and its principal in one process: a network for one developer. */
export interface DevNetwork extends Service {
  readonly core: Core
  readonly principal: { readonly url: string; readonly address: string }
}

/**
 * Starts a principal and a core that fetches its keys by itself; each deals with the other only.
 *
 * @param options of the core; the data folder holds both
 */
export async function startDevNetwork(options: CoreOptions, principalPort: number): Promise<DevNetwork> {
  const { dataFolder } = options
  let worker: string | undefined
  const principal = await startPrincipal({
    host: '127.0.0.1',
    port: principalPort,
    dataFolder: join(dataFolder, 'principal'),
    authorize: (address) => address === worker,
    logger: createLogger(options.logger.level, 'principal'),
  })
  try {
    const core = await startCore({
      ...options,
      dataFolder: join(dataFolder, 'core'),
      principal: hexToBytes(principal.address),
      principalUrl: principal.url,
    })
    worker = bytesToHex(core.signingAddress)
    return {
      core,
      principal,
      async close() {
        await core.close()
        await principal.close()
      },
    }
  } catch (error) {
    await principal.close()
    throw error
  }
}
