import type { SealingOptions } from '@bletchley/crypto/key-file'
import type { CurveOptions } from '../../core.ts'
import type { HttpAddress } from '../../http/httpAddress.ts'
import type { Check } from './check.ts'
import { checkDataFolder } from './dataFolder.ts'
import { checkClients, checkHttp } from './doors.ts'
import { checkEnvironment } from './environment.ts'
import { checkClock, checkLimits } from './machine.ts'
import { checkPorts } from './ports.ts'

export interface DoctorOptions {
  dataFolder: string
  /** Endpoints that the core is to serve. */
  endpoints: readonly string[]
  /** Without what unlocks the sealing key, a locked one is left alone. */
  sealing?: SealingOptions | undefined
  curve?: CurveOptions | undefined
  insecure?: boolean | undefined
  http?: HttpAddress | undefined
  principalUrl?: string | undefined
  /** Threads that the core is to have; one per processor if absent. */
  threads?: number | undefined
}

/** Looks at everything that a core needs, and changes nothing. What it finds holds no secret. */
export async function examine(options: DoctorOptions): Promise<Check[]> {
  const { dataFolder } = options
  const parts = await Promise.all([
    checkEnvironment(),
    checkDataFolder(dataFolder, options.sealing ?? {}),
    checkPorts(options.endpoints, dataFolder),
    checkClients(options),
    checkHttp(options.http, dataFolder),
    checkClock(options.principalUrl),
    checkLimits(options.threads),
  ])
  return parts.flat()
}
