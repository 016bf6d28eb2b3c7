import { describe, expect, it } from 'vitest'
import { isLoopback, resolveHost } from './loopback.ts'

describe('isLoopback', () => {
  it.each([
    ...['127.0.0.1', '127.0.0.2', '127.255.255.254', 'localhost', 'LocalHost'],
    ...['::1', '[::1]', '0:0:0:0:0:0:0:1', '::ffff:127.0.0.1', '[::FFFF:127.0.0.1]', '::ffff:7f00:1'],
  ])('is true of %s', (host) => {
    expect(isLoopback(host)).toBe(true)
  })

  it.each([
    ...['', '0.0.0.0', '10.0.0.1', '128.0.0.1', '127.999.0.1', '127.0.0', '127.0.0.1.example.org', '127.0.0.1:80'],
    ...['::', '[::]', '::2', '[::1', '::1]', '[[::1]]', '[127.0.0.1]', '::ffff:10.0.0.1', 'localhost.example.org'],
  ])('is false of %j', (host) => {
    expect(isLoopback(host)).toBe(false)
  })
})

it.each([
  ['127.0.0.1', '127.0.0.1'],
  ['192.0.2.1', '192.0.2.1'],
  ['::1', '::1'],
  ['[::1]', '::1'],
  ['2001:db8::1', '2001:db8::1'],
])('the host %s is the address %s', async (host, address) => {
  expect(await resolveHost(host)).toBe(address)
})
