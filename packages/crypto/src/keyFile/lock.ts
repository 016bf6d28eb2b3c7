import { spawn } from 'node:child_process'
import { randomBytes, scrypt } from 'node:crypto'
import { promisify } from 'node:util'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { KeyFileError } from './keyFileError.ts'
import { keyLength, SealingKey } from './sealingKey.ts'

/** Gives a passphrase: one that exists, or one that is being chosen now. */
export type ReadPassphrase = (occasion: 'open' | 'choose') => Promise<string>

/** What a sealing key is locked with. */
export type Lock =
  | { kind: 'passphrase'; read: ReadPassphrase }
  /** Its output is the 32-byte key of the lock, in hex or base64: a command that asks a key-management service. */
  | { kind: 'command'; command: string }

/** A lock that is open: what a file says about it, and the key behind it. */
export interface OpenLock {
  /** As it stands in a file: the kind of the lock, and for a passphrase the parameters of scrypt and the salt. */
  words: string
  key: SealingKey
}

/** scrypt's cost: log2 of N, r, p. What new locks get: 128 MB and about half a second. */
const newCost = { logN: 17, r: 8, p: 1 }
/** Cheaper ones are not worth the name; dearer ones would let a file eat the memory. */
const costBounds = { logN: [15, 18], r: [8, 16], p: [1, 4] } as const
const maxScryptBytes = 1 << 28
const saltLength = 16
const minPassphraseCharacters = 12
/** What decoders, those of terminals among them, make of each byte that is no text. */
const replacementCharacter = '\ufffd'
const commandTimeoutMs = 60_000
const maxCommandOutput = 4096

/** Chooses a passphrase, or takes the key that the command gives, for a lock that is new. */
export async function makeLock(lock: Lock): Promise<OpenLock> {
  if (lock.kind === 'command') return { words: 'command', key: await commandKey(lock.command) }
  const { logN, r, p } = newCost
  const words = `passphrase ${logN} ${r} ${p} ${bytesToHex(randomBytes(saltLength))}`
  const passphrase = normalise(await lock.read('choose'))
  if ([...passphrase].length < minPassphraseCharacters) {
    throw new KeyFileError('weak_passphrase', `A passphrase has at least ${minPassphraseCharacters} characters`)
  }
  if (passphrase.includes(replacementCharacter)) {
    throw new KeyFileError(
      'weak_passphrase',
      'The passphrase was no text in UTF-8 where it came from: parts of it are lost',
    )
  }
  return { words, key: await passphraseKey(words, passphrase) }
}

/**
 * Opens a lock that a file describes.
 *
 * @param words as of `OpenLock`
 * @throws KeyFileError malformed if it is none, or asks for too little or too much work; other_lock
 */
export async function openLock(words: string, lock: Lock | undefined, path: string): Promise<OpenLock> {
  const kind = words.split(' ', 1)[0]
  if (kind !== 'passphrase' && kind !== 'command') throw new KeyFileError('malformed', `${path} has an unknown lock`)
  if (kind === 'passphrase') assertCost(words, path)
  if (lock === undefined) {
    const how = kind === 'passphrase' ? '--passphrase-file' : '--sealing-command'
    throw new KeyFileError('locked', `${path} is locked with a ${kind}; give it with ${how}`)
  }
  if (lock.kind !== kind) {
    throw new KeyFileError('other_lock', `${path} is locked with a ${kind}, not with a ${lock.kind}`)
  }
  if (lock.kind === 'command') return { words, key: await commandKey(lock.command) }
  return { words, key: await passphraseKey(words, normalise(await lock.read('open'))) }
}

/** The same characters can be typed as different code points. */
function normalise(passphrase: string): string {
  return passphrase.normalize('NFKC')
}

function assertCost(words: string, path: string): void {
  const [, logN, r, p] = /^passphrase (\d{1,2}) (\d{1,2}) (\d) [0-9a-f]{32}$/.exec(words)?.map(Number) ?? []
  const cost = { logN: logN!, r: r!, p: p! }
  const within = (Object.keys(costBounds) as (keyof typeof costBounds)[]).every(
    (name) => cost[name] >= costBounds[name][0] && cost[name] <= costBounds[name][1],
  )
  if (!within || 128 * 2 ** cost.logN * cost.r > maxScryptBytes) {
    throw new KeyFileError('malformed', `${path} has no parameters of scrypt that this program accepts`)
  }
}

async function passphraseKey(words: string, passphrase: string): Promise<SealingKey> {
  const [, logN, r, p, salt] = words.split(' ')
  const parameters = { N: 2 ** Number(logN), r: Number(r), p: Number(p), maxmem: 2 * maxScryptBytes }
  const derive = promisify<string, Uint8Array, number, typeof parameters, Buffer>(scrypt)
  return new SealingKey(new Uint8Array(await derive(passphrase, hexToBytes(salt!), keyLength, parameters)))
}

/** What it prints is never quoted, since it may hold a key. */
async function commandKey(command: string): Promise<SealingKey> {
  const text = (await runCommand(splitWords(command))).trim()
  if (/^[0-9a-f]{64}$/i.test(text)) return new SealingKey(hexToBytes(text))
  const bytes = /^[A-Za-z0-9+/]{43}=?$/.test(text) ? new Uint8Array(Buffer.from(text, 'base64')) : undefined
  if (bytes?.length !== keyLength) {
    throw new KeyFileError('command_failed', 'The sealing command did not print 32 bytes in hex or base64')
  }
  return new SealingKey(bytes)
}

/** Runs a program without a shell. What it says on stderr goes to ours. */
function runCommand([file, ...args]: string[]): Promise<string> {
  const failed = (reason: string, cause?: unknown) =>
    new KeyFileError('command_failed', `The sealing command ${reason}`, { cause })
  if (file === undefined) throw failed('is empty')
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: commandTimeoutMs })
    let output = ''
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      output += text
      if (output.length > maxCommandOutput) child.kill('SIGKILL')
    })
    child.on('error', (error) => reject(failed('could not be run', error)))
    child.on('close', (code, signal) => {
      if (output.length > maxCommandOutput) reject(failed('printed far too much'))
      else if (code !== 0) reject(failed(signal === null ? `ended with exit code ${code}` : `ended by ${signal}`))
      else resolve(output)
    })
  })
}

/** Splits a command at blanks; quotes of either kind keep words together. There are no variables and no patterns. */
function splitWords(command: string): string[] {
  const words = command.match(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g) ?? []
  return words.map((word) => word.replace(/'([^']*)'|"([^"]*)"/g, '$1$2'))
}
