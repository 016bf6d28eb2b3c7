import { hexToBytes } from '@bletchley/crypto'
import { InvalidArgumentError, Option } from 'commander'

/** An option that can also be given as `BLETCHLEY_<NAME>` in the environment. */
export function option(flags: string, description: string): Option {
  const name = new Option(flags).name()
  return new Option(flags, description).env(`BLETCHLEY_${name.toUpperCase().replaceAll('-', '_')}`)
}

/** Adds to a repeatable option; the environment gives all its values in one text, with commas. */
export function collect(value: string, previous: readonly string[] | undefined): string[] {
  return [...(previous ?? []), ...value.split(',').map((part) => part.trim())]
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
export function parseHex(length: number): (text: string) => Uint8Array {
  return (text) => {
    const digits = text.replace(/^0x/i, '')
    if (digits.length !== 2 * length || !/^[0-9a-f]*$/i.test(digits)) {
      throw new InvalidArgumentError(`It must be ${length} bytes in hex (${2 * length} digits).`)
    }
    return hexToBytes(digits)
  }
}

export const endpointOption = () =>
  option('--endpoint <endpoint>', 'the core to talk to').default('tcp://127.0.0.1:5552')

export const timeoutOption = () =>
  option('--timeout <ms>', 'how long to wait for a reply')
    .argParser(parseInteger(1, 2 ** 31 - 1))
    .default(60_000)

export const logLevelOption = () =>
  option('--log-level <level>', 'what to log on stderr')
    .choices(['silent', 'fatal', 'error', 'warn', 'info', 'debug'])
    .default('info')
