import { expect, it } from 'vitest'
import { peerOf } from './peer.ts'

it('is an address of IPv4, or a network of IPv6', () => {
  expect(peerOf('192.0.2.1')).toBe('192.0.2.1')
  expect(peerOf('::ffff:192.0.2.1')).toBe('192.0.2.1')
  expect(peerOf('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2')
  expect(peerOf('2001:db8:1:2::6')).toBe('2001:db8:1:2')
  expect(peerOf('2001:db8::6')).toBe('2001:db8:0:0')
  expect(peerOf('2001:db8:0:1::')).toBe('2001:db8:0:1')
  expect(peerOf('2001::1:2:3:4:5:6')).toBe('2001:0:1:2')
  expect(peerOf('::1:2:3:4:5:6:7')).toBe('0:1:2:3')
  expect(peerOf('2001:db8:1::2:3')).toBe('2001:db8:1:0')
  expect(peerOf('::1')).toBe('0:0:0:0')
  expect(peerOf('fe80::1%eth0')).toBe('fe80:0:0:0')
})
