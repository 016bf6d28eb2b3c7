import { lookup } from 'node:dns/promises'
import { BlockList, isIP } from 'node:net'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/**
 * Whether only processes of this machine can reach what listens there.
 *
 * @param host an address, one of IPv6 with or without brackets, or a name; of names only `localhost` is loopback
 */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === 'localhost') return true
  const address = withoutBrackets(host)
  const family = isIP(address)
  // An IPv6 address that stands for one of IPv4 (`::ffff:127.0.0.1`) is looked up as that one.
  return family !== 0 && loopback.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

/**
 * The address that a host is on this machine. Whoever lets `localhost` in binds to this: it is what the machine's resolver
 * makes of it, and need not be loopback.
 *
 * @throws Error of Node if the name stands for none
 */
export async function resolveHost(host: string): Promise<string> {
  // An address is found to be itself.
  return (await lookup(withoutBrackets(host))).address
}

/** An address of IPv6 as sockets want it, where it is written as in a URL; anything else as it is. */
export function withoutBrackets(host: string): string {
  const address = /^\[(.*)\]$/.exec(host)?.[1]
  return address !== undefined && isIP(address) === 6 ? address : host
}
