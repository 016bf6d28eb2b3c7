import { bytesToHex, parseHex } from '@bletchley/bytes'
import { parseCurvePublicKey } from '@bletchley/crypto'
import { systemPath } from '@bletchley/crypto/key-file'
import { InvalidArgumentError, Option } from 'commander'

/** An option that can also be given as `BLETCHLEY_<NAME>` in the environment. */
export function option(flags: string, description: string): Option {
  const name = new Option(flags).name()
  return new Option(flags, description).env(`BLETCHLEY_${name.toUpperCase().replaceAll('-', '_')}`)
}

/** Whether an option may be given several times. */
export function isRepeatable({ parseArg }: Option): boolean {
  return (parseArg as unknown) === collect
}

/** The value of an option as the command line would take it; a list for one that may be repeated. */
export function shownValue(value: unknown): string {
  if (value === undefined) return ''
  if (value instanceof Uint8Array) return `"${bytesToHex(value)}"`
  if (Array.isArray(value)) return `[${value.map(shownValue).join(', ')}]`
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

/**
 * Adds to a repeatable option, whose values are endpoints; the environment gives all of them in one text, with commas. A path
 * in one of them may have a comma as well.
 */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), ...value.split(/\s*,\s*(?=[a-z]+:\/\/)/).map((part) => part.trim())]
}

export function parseInteger(least: number, greatest: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (!/^\d+$/.test(text) || value < least || value > greatest) {
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${greatest}.`)
    }
    return value
  }
}

export function parseGas(text: string): bigint {
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 2n ** 64n)
    throw new InvalidArgumentError('It must be a whole number below 2^64.')
  return BigInt(text)
}

/** Bytes of one length, as hex with or without `0x`. */
export function parseBytes(length: number): (text: string) => Uint8Array {
  return (text) => {
    const bytes = parseHex(text)
    if (bytes?.length !== length) {
      throw new InvalidArgumentError(`It must be ${length} bytes in hex (${2 * length} digits).`)
    }
    return bytes
  }
}

/** A public CURVE key in Z85 or hex. */
export function parsePublicKey(text: string): Uint8Array {
  const key = parseCurvePublicKey(text)
  if (key === undefined)
    throw new InvalidArgumentError('It must be a public key: 40 characters of Z85, or 64 hex digits.')
  return key
}

/** For arguments: contracts' addresses, one after the other. */
export function parseAddresses(text: string, previous: Uint8Array[]): Uint8Array[] {
  return [...previous, parseBytes(32)(text)]
}

export const endpointOption = () =>
  option('--endpoint <endpoint>', 'the core to talk to').default('tcp://127.0.0.1:5552')

export const timeoutOption = () =>
  option('--timeout <ms>', 'how long to wait for a reply')
    .argParser(parseInteger(1, 2 ** 31 - 1))
    .default(60_000)

/** An empty one, of a shell's variable that is not set, would be the working directory. */
function parseFolder(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must be a folder, and is empty.')
  return systemPath(text)
}

export const dataOption = () =>
  option('--data <folder>', 'folder of the database and the keys').argParser(parseFolder).default('.bletchley')

export const sealingKeyOption = () =>
  option('--sealing-key <file>', 'where the key lies that seals the other keys (default: in the data folder)')

export const passphraseFileOption = () =>
  option('--passphrase-file <file>', 'the passphrase that locks the sealing key')

export const askPassphraseOption = () =>
  option('--ask-passphrase', 'ask on the terminal for the passphrase that locks the sealing key')

export const sealingCommandOption = () =>
  option('--sealing-command <command>', 'a program that prints the key that locks the sealing key (hex or base64)')

export const curveKeyOption = (description: string) => option('--curve-key <file>', description)

export const runLimitOption = () =>
  option('--run-limit <ms>', 'wall-clock limit of one step of a task').argParser(parseInteger(1, 3_600_000))

export const principalOption = () =>
  option('--principal <address>', 'take state keys only with the signature of this principal').argParser(parseBytes(20))

export const principalUrlOption = (description: string) =>
  option('--principal-url <url>', description).argParser((text) => {
    if (/^https?:\/\//i.test(text) && URL.canParse(text)) return text
    throw new InvalidArgumentError('It must be a URL, as http://127.0.0.1:3040.')
  })

export const gasLimitOption = () =>
  option('--gas-limit <gas>', 'the most gas the task may use').argParser(parseGas).default(100_000_000n, '100000000')

/** Text `host:port`, or a URL of them. */
export const httpOption = (description: string) =>
  option('--http <host:port>', description).argParser((text) => {
    parseHttpAddress(text)
    return text
  })

export function parseHttpAddress(text: string): { host: string; port: number } {
  const match = /^(?:http:\/\/)?(?:\[([\da-f:]+)\]|([\w.-]+)):(\d{1,5})\/?$/i.exec(text)
  const port = Number(match?.[3])
  if (match === null || port > 65_535) throw new InvalidArgumentError('It must be host:port, as 127.0.0.1:5553.')
  return { host: (match[1] ?? match[2])!, port }
}

export const logFormatOption = () =>
  option('--log-format <format>', 'how to log: JSON lines, for people, or as fits what stderr is')
    .choices(['json', 'pretty', 'auto'])
    .default('auto')

export const logLevelOption = () =>
  option('--log-level <level>', 'what to log on stderr')
    .choices(['silent', 'fatal', 'error', 'warn', 'info', 'debug'])
    .default('info')
