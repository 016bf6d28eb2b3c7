import type { CurveOptions } from '@bletchley/core'
import type { HttpAddress } from '@bletchley/core/doors'
import type { SealingOptions } from '@bletchley/crypto/key-file'

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
