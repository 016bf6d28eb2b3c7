export interface HttpAddress {
  /** A loopback address or `localhost`. */
  host: string
  /** 0 takes a free one. */
  port: number
}

/** @throws RangeError if other machines could reach it: what is shown there has no protection of its own */
export function assertLoopbackHost(host: string): void {
  if (isLoopback(host)) return
  throw new RangeError(
    `${host} can be reached from other machines; the HTTP door takes 127.0.0.1, ::1 or localhost only`,
  )
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)
}
