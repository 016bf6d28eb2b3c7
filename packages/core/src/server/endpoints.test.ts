import { lookup } from 'node:dns/promises'
import { chmod, chown, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { assertEndpoint, assertLocal, folderRisk, isLocal, needsIpv6, withAddress } from './endpoints.ts'

const isRoot = process.getuid?.() === 0
const nobody = 65_534

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bletchley-endpoints-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

describe('assertEndpoint', () => {
  it.each([
    ...['tcp://*:5552', 'tcp://eth0:1', 'tcp://[::1]:65535', 'tcp://127.0.0.1:*'],
    ...['ipc:///run/core', 'ipc://x', 'ipc:///run/core:65536', 'ipc:///run/@*'],
  ])('takes %s', (endpoint) => {
    expect(() => assertEndpoint(endpoint)).not.toThrow()
  })

  it.each([
    ...['', '127.0.0.1:5552', 'http://127.0.0.1:5552', 'tcp://', 'xtcp://127.0.0.1:1', 'tcp://::1:5552', 'tcp://:1'],
    ...['inproc://x', 'ipc://', 'ipc://*', 'ipc://@name'],
  ])('refuses %j', (endpoint) => {
    const text = `${JSON.stringify(endpoint)} is no endpoint, as tcp://127.0.0.1:5552 and ipc://<file> are`
    expect(() => assertEndpoint(endpoint)).toThrow(new RangeError(text))
  })

  it.each(['tcp://127.0.0.1', 'tcp://[::1]', 'tcp://127.0.0.1:', 'tcp://127.0.0.1:x'])(
    'refuses %s, which has no port',
    (endpoint) => {
      const text = `${endpoint} has no port, as tcp://127.0.0.1:5552 has`
      expect(() => assertEndpoint(endpoint)).toThrow(new RangeError(text))
    },
  )

  it.each(['tcp://127.0.0.1:65536', 'tcp://[::1]:99999', 'tcp://*:4294972848'])(
    'refuses %s, a port that none is',
    (endpoint) => {
      expect(() => assertEndpoint(endpoint)).toThrow(new RangeError(`${endpoint}: ports end at 65535`))
    },
  )

  it.runIf(process.platform === 'linux')('takes the path of a socket up to what the system does, in bytes', () => {
    const longest = `ipc:///${'x'.repeat(106)}`
    expect(() => assertEndpoint(longest)).not.toThrow()
    const text = 'bytes long, and the path of a socket has at most 107'
    expect(() => assertEndpoint(`${longest}x`)).toThrow(new RangeError(`${longest}x is 108 ${text}`))
    const umlauts = `ipc:///x${'ä'.repeat(53)}`
    expect(() => assertEndpoint(umlauts)).toThrow(new RangeError(`${umlauts} is 108 ${text}`))
    expect(() => assertEndpoint(`tcp://${'x'.repeat(200)}:1`)).not.toThrow()
  })
})

describe('isLocal', () => {
  it.each([
    ...[
      'tcp://127.0.0.1:5552',
      'tcp://127.255.0.1:0',
      'tcp://localhost:5552',
      'tcp://LOCALHOST:5552',
      'tcp://[::1]:5552',
    ],
    ...['tcp://[::ffff:127.0.0.1]:5552', 'tcp://127.0.0.1:*', 'ipc:///run/core'],
  ])('is true of %s', (endpoint) => {
    expect(isLocal(endpoint)).toBe(true)
    expect(() => assertLocal(endpoint)).not.toThrow()
  })

  it.each([
    ...['tcp://0.0.0.0:5552', 'tcp://*:5552', 'tcp://10.0.0.1:5552', 'tcp://[::]:5552', 'tcp://127.999.0.1:5552'],
    ...['tcp://127.0.0.1.example.org:5552', 'tcp://example.org:5552', 'tcp://127.0.0.1', 'ipc://@name'],
    ...['tcp://eth0:1', 'pgm://x', 'inproc://core', ''],
  ])('is false of %s, and assertLocal says what to do', (endpoint) => {
    expect(isLocal(endpoint)).toBe(false)
    expect(() => assertLocal(endpoint)).toThrow(
      new RangeError(
        `${endpoint} can be reached by others, so its clients must be known: make a key pair with \`bletchley keys curve\`, ` +
          'list the public keys of the clients in a file, and say --clients <file>; or bind to 127.0.0.1; ' +
          'or say --insecure to serve whoever comes',
      ),
    )
  })

  it('is not enough where the name stands for another address', () => {
    const localhost = 'tcp://localhost:1'
    expect(() => assertLocal(localhost, 'tcp://127.0.0.1:1')).not.toThrow()
    expect(() => assertLocal(localhost, 'tcp://192.0.2.1:1')).toThrow(
      'tcp://localhost:1 is tcp://192.0.2.1:1 on this machine, which can be reached by others',
    )
    expect(() => assertLocal('tcp://example.org:1', 'tcp://127.0.0.1:1')).toThrow(
      'tcp://example.org:1 is tcp://127.0.0.1:1 on this machine, which can be reached by others',
    )
  })
})

describe('folderRisk', () => {
  /** What speaks against a socket in a new folder, within folders of these modes. */
  async function riskIn(...modes: number[]) {
    let path = folder
    for (const mode of modes) {
      path = join(path, 'inner')
      await mkdir(path)
      await chmod(path, mode)
    }
    return folderRisk(`ipc://${join(path, 'socket')}`)
  }
  const writable = (path: string) => ({
    text: `other users can write to ${path}, and replace the socket (chmod go-w)`,
    replaceable: true,
  })

  it.each([[0o700], [0o755], [0o1755]])('is none where nobody else can write: %o', async (mode) => {
    expect(await riskIn(mode)).toBe(undefined)
  })

  it.each([[0o770], [0o707], [0o777]])('is that others replace the socket: %o', async (mode) => {
    expect(await riskIn(mode)).toEqual(writable(join(folder, 'inner')))
  })

  it('is that others make the socket before this core does, where each can only remove what is his', async () => {
    const text = `other users can put a socket into ${join(folder, 'inner')} while this core is not running`
    expect(await riskIn(0o1777)).toEqual({ text, replaceable: false })
  })

  it('is that of the folders above as well, but for what others may put there', async () => {
    expect(await riskIn(0o777, 0o700)).toEqual(writable(join(folder, 'inner')))
  })

  it('is none below a folder in which each can only remove what is his', async () => {
    expect(await riskIn(0o1777, 0o700)).toBe(undefined)
  })

  it('is that of the way that the path takes, and of where it leads', async () => {
    const [open, safe] = [join(folder, 'open'), join(folder, 'safe')]
    for (const each of [open, safe]) await mkdir(each, { mode: 0o700 })
    await mkdir(join(open, 'inner'), { mode: 0o700 })
    await chmod(open, 0o777)
    await symlink(join(open, 'inner'), join(safe, 'into'))
    await symlink(safe, join(open, 'out'))
    expect(folderRisk(`ipc://${join(safe, 'into', 'socket')}`)).toEqual(writable(open))
    expect(folderRisk(`ipc://${join(open, 'out', 'socket')}`)).toEqual(writable(open))
    // Up from where the link leads, as the system goes.
    expect(folderRisk(`ipc://${safe}/into/../socket`)).toEqual(writable(open))
  })

  it.runIf(isRoot)('is that of a folder which belongs to another user', async () => {
    await mkdir(join(folder, 'inner'), { mode: 0o700 })
    await chown(folder, nobody, nobody)
    expect(folderRisk(`ipc://${join(folder, 'inner', 'socket')}`)).toEqual({
      ...{ text: `${folder} belongs to another user, who can replace the socket`, replaceable: true },
    })
  })

  it.each(['tcp://127.0.0.1:1', 'ipc://@name', 'ipc://*'])('is none of %s', (endpoint) => {
    expect(folderRisk(endpoint)).toBe(undefined)
  })

  it('cannot be told of a folder that is not there', () => {
    const endpoint = 'ipc:///nowhere/at/all/socket'
    expect(() => folderRisk(endpoint)).toThrow(`${endpoint} cannot be bound: there is no folder /nowhere/at/all`)
  })
})

describe('needsIpv6', () => {
  it('is true of addresses of IPv6 over TCP', () => {
    const endpoints = ['tcp://[::1]:1', 'tcp://127.0.0.1:1', 'tcp://localhost:1', 'ipc://[']
    expect(endpoints.map(needsIpv6)).toEqual([true, false, false, false])
  })
})

describe('withAddress', () => {
  it.each([...['tcp://127.0.0.1:5552', 'tcp://[::1]:5552', 'tcp://*:5552', 'tcp://0.0.0.0:*', 'ipc:///run/core']])(
    'leaves %s as it is',
    async (endpoint) => {
      expect(await withAddress(endpoint)).toBe(endpoint)
    },
  )

  it.runIf(process.platform === 'linux')('puts the first address of IPv4 in the place of an interface', async () => {
    expect(await withAddress('tcp://lo:5552')).toBe('tcp://127.0.0.1:5552')
    expect(await withAddress('tcp://lo:*')).toBe('tcp://127.0.0.1:*')
  })

  it('puts the address in the place of a name', async () => {
    expect(await withAddress('tcp://localhost:5552')).toMatch(/^tcp:\/\/(127\.0\.0\.1|\[::1\]):5552$/)
    expect(await withAddress('tcp://localhost:*')).toMatch(/^tcp:\/\/(127\.0\.0\.1|\[::1\]):\*$/)
  })

  it('puts an address of IPv6 in brackets', async (context) => {
    const known = await lookup('ip6-localhost').catch(() => undefined)
    if (known?.family !== 6) return context.skip()
    expect(await withAddress('tcp://ip6-localhost:5552')).toBe('tcp://[::1]:5552')
  })

  it('says that a name stands for nothing', async () => {
    await expect(withAddress('tcp://nobody.invalid:5552')).rejects.toThrow(
      /^tcp:\/\/nobody\.invalid:5552 cannot be bound: the name does not resolve \((ENOTFOUND|EAI_AGAIN)\)$/,
    )
  })
})
