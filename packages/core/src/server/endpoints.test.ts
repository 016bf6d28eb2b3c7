import { statSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Router } from 'zeromq'
import { assertEndpoint, bindEndpoint, folderRisk, isLocal } from './endpoints.ts'

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

describe('bindEndpoint', () => {
  it('makes a socket that is its owner’s from the moment on that it is there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bletchley-endpoints-'))
    const path = join(folder, 'socket')
    let modeAtFirst: number | undefined
    // In place of ZeroMQ's socket, so that the file can be looked at when it has just been made.
    const socket = {
      bindSync() {
        writeFileSync(path, '', { mode: 0o777 })
        modeAtFirst = statSync(path).mode & 0o777
      },
      lastEndpoint: `ipc://${path}`,
    }
    const mask = process.umask(0)
    try {
      expect(await bindEndpoint(socket as unknown as Router, `ipc://${path}`)).toBe(`ipc://${path}`)
      expect(process.umask()).toBe(0)
    } finally {
      process.umask(mask)
    }
    expect(modeAtFirst).toBe(0o700)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    await rm(folder, { recursive: true })
  })
})

describe('endpoints that cannot be', () => {
  it('are named, with the reason', () => {
    const long = `ipc:///${'x'.repeat(110)}`
    expect(() => assertEndpoint('tcp://127.0.0.1')).toThrow('tcp://127.0.0.1 has no port')
    expect(() => assertEndpoint('tcp://[::1]')).toThrow('tcp://[::1] has no port')
    expect(() => assertEndpoint(long)).toThrow(`${long} is 111 bytes long`)
    expect(() => folderRisk('ipc:///nowhere/at/all/socket')).toThrow('there is no folder /nowhere/at/all')
  })
})
