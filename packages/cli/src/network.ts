import { join, resolve } from 'node:path'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { type Core, type CoreOptions, startCore } from '@bletchley/core'
import { systemPath } from '@bletchley/crypto/key-file'
import type { Logger } from 'pino'
import type { Service } from './service.ts'

/** A core and its principal in one process: a network for one developer. */
export interface DevNetwork extends Service {
  readonly core: Core
  readonly principal: { readonly url: string; readonly address: string }
}

/** Where the core's part of a network's data folder is. */
export function coreFolder(dataFolder: string): string {
  return join(dataFolder, 'core')
}

const none = Number.POSITIVE_INFINITY

/**
 * Starts a principal and a core that fetches its keys by itself; each deals with the other only.
 *
 * @param options of the core; the data folder holds both
 */
export async function startDevNetwork(
  options: CoreOptions,
  principalOptions: { port: number; logger: Logger },
): Promise<DevNetwork> {
  // The working directory may go away.
  const dataFolder = resolve(systemPath(options.dataFolder))
  let becomeKnown = (_address: string) => {}
  // The core asks as soon as it runs, which is before its address can be told.
  const worker = new Promise<string>((resolve) => {
    becomeKnown = resolve
  })
  const { startPrincipal } = await import('@bletchley/principal')
  const principal = await startPrincipal({
    host: '127.0.0.1',
    ...principalOptions,
    dataFolder: join(dataFolder, 'principal'),
    limits: { perWorker: none, inAll: none, newKeys: none, contracts: none },
    authorize: async (address) => address === (await worker),
  })
  try {
    const core = await startCore({
      ...options,
      dataFolder: coreFolder(dataFolder),
      principal: hexToBytes(principal.address),
      principalUrl: principal.url,
    })
    becomeKnown(bytesToHex(core.signingAddress))
    return {
      core,
      principal,
      ...(core.reload && { reload: core.reload }),
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
