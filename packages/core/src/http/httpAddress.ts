import type { HttpAddress } from '@bletchley/http'
import { isLoopback, resolveHost } from '@bletchley/http/loopback'

/** Where the HTTP door is to be; a loopback address or `localhost`. */
export type { HttpAddress }

/** @throws RangeError if other machines could reach it: what is shown there has no protection of its own */
export function assertLoopbackHost(host: string): void {
  if (!isLoopback(host)) throw reachable(host)
}

/**
 * The address to listen at, with what `localhost` is on this machine.
 *
 * @throws RangeError if other machines could reach it; Error of Node if the name stands for nothing
 */
export async function loopbackAddress({ host, port }: HttpAddress): Promise<HttpAddress> {
  assertLoopbackHost(host)
  const address = await resolveHost(host)
  if (!isLoopback(address)) throw reachable(`${host} is ${address} on this machine, which`)
  return { host: address, port }
}

function reachable(what: string): RangeError {
  return new RangeError(
    `${what} can be reached from other machines; the HTTP door takes 127.0.0.1, ::1 or localhost only`,
  )
}
