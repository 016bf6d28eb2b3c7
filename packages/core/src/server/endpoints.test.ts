import { describe, expect, it } from 'vitest'
import { isLocal } from './endpoints.ts'

describe('isLocal', () => {
  it.each([
    ...[
      'tcp://127.0.0.1:5552',
      'tcp://127.255.0.1:0',
      'tcp://localhost:5552',
      'tcp://LOCALHOST:5552',
      'tcp://[::1]:5552',
    ],
    ...['tcp://[::ffff:127.0.0.1]:5552', 'tcp://127.0.0.1:*', 'ipc:///run/core', 'inproc://core'],
  ])('is true of %s', (endpoint) => {
    expect(isLocal(endpoint)).toBe(true)
  })

  it.each([
    ...['tcp://0.0.0.0:5552', 'tcp://*:5552', 'tcp://10.0.0.1:5552', 'tcp://[::]:5552', 'tcp://127.999.0.1:5552'],
    ...['tcp://127.0.0.1.example.org:5552', 'tcp://example.org:5552', 'tcp://127.0.0.1', 'ipc://@name'],
  ])('is false of %s', (endpoint) => {
    expect(isLocal(endpoint)).toBe(false)
  })
})
