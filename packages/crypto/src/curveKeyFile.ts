import { createPrivateKey, createPublicKey, generateKeyPairSync, hkdfSync, type KeyObject } from 'node:crypto'
import { dirname } from 'node:path'
import { bytesToUtf8, equalBytes, utf8ToBytes } from '@bletchley/bytes'
import { curveKeyLength } from './curveKeys.ts'
import { createExclusively, createFolder, KeyFileError, quoted, readOwnerOnly } from './keyFile.ts'
import type { SecretKey } from './keys.ts'
import { Secret } from './secret.ts'
import { decodeZ85, encodeZ85 } from './z85.ts'

/*
 * A CURVE key pair on disk: text, for its owner only, never overwritten.
 *
 *   bletchley-curve-key-1 server
 *   public <40 characters of Z85>
 *   secret <40 characters of Z85>
 *
 * The first line names the version of the format and whose pair it is: `server` or `client`. The keys are X25519, as
 * libzmq makes them; the public one is there for people, and is checked against the secret one. The file is not sealed:
 * the pair says who may talk, and opens nothing that is stored.
 */

/** Whose pair a file holds. A client's cannot be served with by mistake, nor the other way round. */
export type CurveRole = 'server' | 'client'

/** An X25519 key pair. */
export interface CurveKeyPair {
  /** 32 bytes. */
  publicKey: Uint8Array
  /** 32 bytes that do not print. */
  secretKey: Secret
}

const format = 'bletchley-curve-key-1'

/** What PKCS #8 puts before the 32 bytes of an X25519 key. */
const pkcs8Prefix = Uint8Array.from([0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20])

export { curveKeyFileName } from './curveKeys.ts'

export function generateCurveKeyPair(): CurveKeyPair {
  const { privateKey, publicKey } = generateKeyPairSync('x25519')
  return { publicKey: rawPublicKey(publicKey), secretKey: new Secret(rawSecretKey(privateKey)) }
}

/** What the key pair of a cluster is derived for; another format of what it protects gets another one. */
const clusterLabel = 'bletchley-cluster-link-1'

/**
 * The pair by which the cores of one worker know each other, as servers and as clients. It follows from their signing key, of
 * which it tells nothing: HKDF-SHA256 without salt.
 */
export function clusterCurveKeyPair(signingKey: SecretKey): CurveKeyPair {
  const secretKey = new Uint8Array(hkdfSync('sha256', signingKey.bytes, '', clusterLabel, curveKeyLength))
  return { publicKey: publicKeyOf(secretKey), secretKey: new Secret(secretKey) }
}

/**
 * Makes a key pair and writes its file, durable when the promise resolves.
 *
 * @param path its folder is created, for its owner only, if absent
 * @returns the public key, 32 bytes
 * @throws KeyFileError `exists` if there is a file already
 */
export async function createCurveKeyFile(path: string, role: CurveRole): Promise<Uint8Array> {
  const { publicKey, secretKey } = generateCurveKeyPair()
  const lines = [`${format} ${role}`, `public ${encodeZ85(publicKey)}`, `secret ${encodeZ85(secretKey.bytes)}`]
  await createFolder(dirname(path))
  if (!(await createExclusively(path, utf8ToBytes(`${lines.join('\n')}\n`)))) {
    throw new KeyFileError('exists', `${path} exists and is not overwritten`)
  }
  return publicKey
}

/**
 * Reads a key pair.
 *
 * @throws KeyFileError if there is none, or it is not the owner's alone, is damaged, or is the other side's
 */
export async function readCurveKeyFile(path: string, role: CurveRole): Promise<CurveKeyPair> {
  const content = await readOwnerOnly(path)
  if (content === undefined) {
    const command = `bletchley keys curve${role === 'client' ? ' --client' : ''} --curve-key ${quoted(path)}`
    throw new KeyFileError('missing', `There is no CURVE key file ${path}; \`${command}\` makes one`)
  }
  const [first, ...rest] = toText(content, path).trimEnd().split('\n')
  if (first?.startsWith('bletchley-curve-key-') && !first.startsWith(`${format} `)) {
    throw new KeyFileError('unsupported_version', `${path} has a version that this program does not know`)
  }
  if (first === `${format} ${role === 'server' ? 'client' : 'server'}`) {
    throw new KeyFileError('malformed', `${path} is not the key file of a ${role}, but of the other side`)
  }
  const publicKey = keyOf(rest[0], 'public ')
  const secretKey = keyOf(rest[1], 'secret ')
  if (first !== `${format} ${role}` || rest.length !== 2 || publicKey === undefined || secretKey === undefined) {
    throw new KeyFileError('malformed', `${path} is not a CURVE key file, or is damaged`)
  }
  if (!equalBytes(publicKeyOf(secretKey), publicKey)) {
    throw new KeyFileError('malformed', `The two keys of ${path} are no pair`)
  }
  return { publicKey, secretKey: new Secret(secretKey) }
}

function toText(content: Uint8Array, path: string): string {
  try {
    return bytesToUtf8(content)
  } catch (error) {
    throw new KeyFileError('malformed', `${path} is not a CURVE key file, or is damaged`, { cause: error })
  }
}

function keyOf(line: string | undefined, label: string): Uint8Array | undefined {
  const key = line?.startsWith(label) ? decodeZ85(line.slice(label.length)) : undefined
  return key?.length === curveKeyLength ? key : undefined
}

function publicKeyOf(secretKey: Uint8Array): Uint8Array {
  const key = Buffer.concat([pkcs8Prefix, secretKey])
  return rawPublicKey(createPublicKey(createPrivateKey({ key, format: 'der', type: 'pkcs8' })))
}

function rawPublicKey(key: KeyObject): Uint8Array {
  return lastBytes(key.export({ format: 'der', type: 'spki' }))
}

function rawSecretKey(key: KeyObject): Uint8Array {
  return lastBytes(key.export({ format: 'der', type: 'pkcs8' }))
}

/** Both encodings end in the key itself. */
function lastBytes(encoded: Uint8Array): Uint8Array {
  return Uint8Array.from(encoded.subarray(-curveKeyLength))
}
