import { isIPv6, type Socket } from 'node:net'

/** Whose connection it is; nobody's when it has ended. */
export function peerOfSocket({ remoteAddress = '' }: Socket): string {
  return peerOf(remoteAddress)
}

/** Who shares its allowance: an address of IPv4, or the network (/64) of one of IPv6, which one machine may have whole. */
export function peerOf(address: string): string {
  const mapped = /^::ffff:([\d.]+)$/i.exec(address)?.[1]
  if (mapped !== undefined || !isIPv6(address)) return mapped ?? address
  const [head = [], tail = []] = address.split('::').map((part) => part.split(':').filter((group) => group !== ''))
  const zeros = Array<string>(8 - head.length - tail.length).fill('0')
  return [...head, ...zeros, ...tail].slice(0, 4).join(':')
}
