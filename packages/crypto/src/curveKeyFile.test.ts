import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex } from '@bletchley/bytes'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { curveKeyPair } from 'zeromq'
import { clusterCurveKeyPair, createCurveKeyFile, readCurveKeyFile } from './curveKeyFile.ts'
import { parseCurvePublicKey } from './curveKeys.ts'
import { SecretKey } from './keys.ts'
import { decodeZ85, encodeZ85 } from './z85.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function write(name: string, ...lines: string[]): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 })
  return path
}

describe('CURVE key files', () => {
  it('are made whole, for their owner only, and never overwritten', async () => {
    const path = join(folder, 'data', 'curve.key')
    const made = await Promise.allSettled(Array.from({ length: 4 }, () => createCurveKeyFile(path, 'server')))
    const [winner, ...others] = made.filter(({ status }) => status === 'fulfilled')
    expect(others).toEqual([])
    const { publicKey } = await readCurveKeyFile(path, 'server')
    expect(winner).toMatchObject({ value: publicKey })
    expect((await stat(path)).mode & 0o777).toBe(0o600)
  })

  it('hold pairs of libzmq, and ours are pairs of libzmq', async () => {
    const { publicKey, secretKey } = curveKeyPair()
    const path = await write('libzmq', 'bletchley-curve-key-1 client', `public ${publicKey}`, `secret ${secretKey}`)
    const pair = await readCurveKeyFile(path, 'client')
    expect([encodeZ85(pair.publicKey), encodeZ85(pair.secretKey.bytes)]).toEqual([publicKey, secretKey])
  })

  it('do not print their secret', async () => {
    const path = join(folder, 'printed')
    await createCurveKeyFile(path, 'client')
    const secret = /^secret (.+)$/m.exec(await readFile(path, 'utf8'))![1]!
    expect(JSON.stringify(await readCurveKeyFile(path, 'client'))).not.toContain(secret)
  })

  it.each([
    ['missing', () => Promise.resolve(join(folder, 'nowhere')), 'missing'],
    [
      'of the other side',
      () => createCurveKeyFile(join(folder, 'server'), 'server').then(() => join(folder, 'server')),
      'malformed',
    ],
    ['of a later version', () => write('later', 'bletchley-curve-key-2 client', 'anything'), 'unsupported_version'],
    ['something else', () => write('else', 'hello'), 'malformed'],
    ['empty', () => write('empty'), 'malformed'],
    [
      'no pair',
      () =>
        write(
          'mixed',
          'bletchley-curve-key-1 client',
          `public ${curveKeyPair().publicKey}`,
          `secret ${curveKeyPair().secretKey}`,
        ),
      'malformed',
    ],
    ['cut off', () => write('cut', 'bletchley-curve-key-1 client', `public ${curveKeyPair().publicKey}`), 'malformed'],
  ])('are refused when they are %s', async (_, path, code) => {
    await expect(readCurveKeyFile(await path(), 'client')).rejects.toMatchObject({ code })
  })

  const { publicKey: publicText, secretKey: secretText } = curveKeyPair()
  const lines = ['bletchley-curve-key-1 client', `public ${publicText}`, `secret ${secretText}`] as const

  it.each([
    ['of the other side', ['bletchley-curve-key-1 server', lines[1], lines[2]], 'is not the key file of a client, but'],
    ['with more lines', [...lines, 'more'], 'is not a CURVE key file'],
    ['of nobody', ['bletchley-curve-key-1 ', lines[1], lines[2]], 'is not a CURVE key file'],
    ['turned round', [lines[0], lines[2], lines[1]], 'is not a CURVE key file'],
    ['with a public key cut off', [lines[0], lines[1].slice(0, -5), lines[2]], 'is not a CURVE key file'],
    ['with a secret key that is too long', [lines[0], lines[1], `${lines[2]}00000`], 'is not a CURVE key file'],
    ['no text', [lines[0], lines[1], `secret \u0000${secretText}`], 'is not a CURVE key file'],
    ['no pair', [lines[0], `public ${curveKeyPair().publicKey}`, lines[2]], 'are no pair'],
  ])('are refused, with the reason, when they are %s', async (name, text, reason) => {
    const path = await write(`reason ${name}`, ...text)
    await expect(readCurveKeyFile(path, 'client')).rejects.toThrow(reason)
    await expect(readCurveKeyFile(path, 'client')).rejects.toMatchObject({ code: 'malformed' })
    await expect(readCurveKeyFile(path, 'client')).rejects.not.toThrow(secretText)
  })

  it('that are not UTF-8 are damaged', async () => {
    const path = await write('bytes', ...lines)
    await writeFile(path, Uint8Array.of(0xff), { flag: 'a' })
    await expect(readCurveKeyFile(path, 'client')).rejects.toMatchObject({ code: 'malformed' })
  })

  it.each([
    ['client', 'keys curve --client --curve-key'],
    ['server', 'keys curve --curve-key'],
  ] as const)('that are missing are made by the command in the message: of a %s', async (role, command) => {
    const path = join(folder, 'nobody made it')
    await expect(readCurveKeyFile(path, role)).rejects.toThrow(`bletchley ${command} '${path}'`)
  })

  it('are refused when others can read them', async () => {
    const path = join(folder, 'wide')
    await createCurveKeyFile(path, 'client')
    await chmod(path, 0o604)
    await expect(readCurveKeyFile(path, 'client')).rejects.toMatchObject({ code: 'unsafe_permissions' })
  })
})

describe('Z85', () => {
  it('has the example of its specification (RFC 32)', () => {
    const bytes = Uint8Array.from([0x86, 0x4f, 0xd2, 0x6f, 0xb5, 0x59, 0xf7, 0x5b])
    expect(encodeZ85(bytes)).toBe('HelloWorld')
    expect(decodeZ85('HelloWorld')).toEqual(bytes)
  })

  it('has a text for bytes of any value, by fours', () => {
    for (const byte of [0, 1, 84, 85, 127, 128, 255]) {
      const bytes = Uint8Array.of(byte, 0, 255, 1, 255, 255, 255, 255, 0, 0, 0, byte)
      const text = encodeZ85(bytes)
      expect(text).toHaveLength(15)
      expect(decodeZ85(text)).toEqual(bytes)
    }
    expect(encodeZ85(new Uint8Array(4).fill(255))).toBe('%nSc0')
    expect(decodeZ85('%nSc1')).toBeUndefined()
    expect(decodeZ85('1234')).toBeUndefined()
    expect(() => encodeZ85(new Uint8Array(5))).toThrow(RangeError)
  })

  it('takes nothing else for a key', () => {
    expect(parseCurvePublicKey('#'.repeat(40))).toBeUndefined()
    expect(parseCurvePublicKey('0'.repeat(40))).toEqual(new Uint8Array(32))
    expect(parseCurvePublicKey(`0x${'0'.repeat(64)}`)).toEqual(new Uint8Array(32))
    for (const text of ['', '0'.repeat(39), '0'.repeat(41), `${'0'.repeat(39)}~`, `${'0'.repeat(63)}g`]) {
      expect(parseCurvePublicKey(text), text).toBeUndefined()
    }
  })
})

describe('the key pair of a cluster', () => {
  // Computed by a script of its own from RFC 5869 and RFC 7748.
  it('follows from the signing key', () => {
    const { publicKey, secretKey } = clusterCurveKeyPair(
      new SecretKey(Uint8Array.from({ length: 32 }, (_, i) => i + 1)),
    )
    expect(bytesToHex(secretKey.bytes)).toBe('223564e6f408d17989518404fbd847df0a86c31503bcca3ad48fb4603098f5ec')
    expect(bytesToHex(publicKey)).toBe('7be62001114f7aff7258fb68424b83ac92ae531bc04067ca55e04c5fee5fa55a')
  })

  it('is another one for another signing key, and does not print', () => {
    const pair = clusterCurveKeyPair(new SecretKey(new Uint8Array(32).fill(1)))
    expect(pair.publicKey).not.toEqual(clusterCurveKeyPair(new SecretKey(new Uint8Array(32).fill(2))).publicKey)
    expect(JSON.stringify(pair)).toContain('[secret]')
  })
})
