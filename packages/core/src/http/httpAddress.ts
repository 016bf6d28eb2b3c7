import type { HttpAddress } from '@bletchley/http'
import { isLoopback } from '@bletchley/http/loopback'

/** Where the HTTP door is to be; a loopback address or `localhost`. */
export type { HttpAddress }

/** @throws RangeError if other machines could reach it: what is shown there has no protection of its own */
export function assertLoopbackHost(host: string): void {
  if (isLoopback(host)) return
  throw new RangeError(
    `${host} can be reached from other machines; the HTTP door takes 127.0.0.1, ::1 or localhost only`,
  )
}
