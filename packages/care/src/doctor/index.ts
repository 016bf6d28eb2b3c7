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
  const { dataFolder } = options
  const parts = await Promise.all([
    checkEnvironment(),
    checkDataFolder(dataFolder, options.sealing ?? {}),
    checkPorts(options.endpoints, dataFolder),
    checkClients(options),
    checkHttp(options.http, dataFolder),
    checkPrincipal(options.principalUrl),
    checkMachine(options.threads),
  ])
  return parts.flat()
}
