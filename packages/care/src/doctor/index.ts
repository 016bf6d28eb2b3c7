import { checkAddressSpace } from '@bletchley/core/address-space'
import { storeFolder } from '@bletchley/core/data-folder'
import { availableProcessors } from '@bletchley/core/processors'
import type { Check } from './check.ts'
import { checkDataFolder } from './dataFolder.ts'
import { checkClients, checkHttp } from './doors.ts'
import { checkEnvironment } from './environment.ts'
import { checkMachine } from './machine.ts'
import type { DoctorOptions } from './options.ts'
import { checkPorts } from './ports.ts'
import { checkPrincipal } from './principal.ts'

/** Looks at everything that a core needs, and changes nothing. What it finds holds no secret. */
export async function examine(options: DoctorOptions): Promise<Check[]> {
  const { dataFolder, principalUrl, threads = availableProcessors() } = options
  const web = (options.http ?? principalUrl) !== undefined
  // Before all else: where there is no room for it, asking a principal would end the process.
  const space = await checkAddressSpace({ threads, web, store: storeFolder(dataFolder) })
  const parts = await Promise.all([
    checkEnvironment(),
    checkDataFolder(dataFolder, options.sealing ?? {}),
    checkPorts(options.endpoints, dataFolder),
    checkClients(options),
    checkHttp(options.http, dataFolder),
    checkPrincipal(principalUrl, space),
    checkMachine(threads, space),
  ])
  return parts.flat()
}
