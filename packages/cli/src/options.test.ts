import { InvalidArgumentError } from 'commander'
import { expect, it } from 'vitest'
import {
  collect,
  dataOption,
  gasLimitOption,
  httpOption,
  isRepeatable,
  logFormatOption,
  logLevelOption,
  option,
  parseAddresses,
  parseBytes,
  parseGas,
  parseHttpAddress,
  parseInteger,
  parsePublicKey,
  principalOption,
  principalUrlOption,
  runLimitOption,
  shownValue,
  timeoutOption,
} from './options.ts'

/** What becomes of a text, or why it is refused. */
function outcomes(parse: (text: string) => unknown, texts: readonly string[]): unknown[] {
  return texts.map((text) => {
    try {
      return parse(text)
    } catch (error) {
      expect(error, text).toBeInstanceOf(InvalidArgumentError)
      return (error as Error).message
    }
  })
}

const reading = (each: { parseArg?: unknown }) => each.parseArg as (text: string) => unknown

it('an option has its name in the environment too', () => {
  expect(option('--passphrase-file <file>', 'what it is')).toMatchObject({
    envVar: 'BLETCHLEY_PASSPHRASE_FILE',
    description: 'what it is',
    flags: '--passphrase-file <file>',
  })
})

it('a whole number has its bounds', () => {
  const refused = 'It must be a whole number from 2 to 300.'
  const texts = ['2', '300', '007', '1', '301', '-3', '2.5', '1e1', '0x10', ' 3', '']
  expect(outcomes(parseInteger(2, 300), texts)).toEqual([2, 300, 7, ...Array(8).fill(refused)])
})

it.each([
  ['--timeout', timeoutOption(), 1, 2_147_483_647],
  ['--run-limit', runLimitOption(), 1, 3_600_000],
])('%s has its bounds', (_, each, least, greatest) => {
  const refused = `It must be a whole number from ${least} to ${greatest}.`
  const texts = [least, greatest, least - 1, greatest + 1].map(String)
  expect(outcomes(reading(each), texts)).toEqual([least, greatest, refused, refused])
})

it('gas is any number that the wire has', () => {
  const refused = 'It must be a whole number below 2^64.'
  const texts = ['0', '18446744073709551615', '00000000000000000001', '18446744073709551616', '1'.repeat(21), '-1', '']
  expect(outcomes(parseGas, texts)).toEqual([0n, 2n ** 64n - 1n, 1n, refused, refused, refused, refused])
})

it('bytes have their length, with 0x or without', () => {
  const refused = 'It must be 2 bytes in hex (4 digits).'
  const bytes = Uint8Array.of(0xab, 1)
  const texts = ['ab01', '0xAB01', 'ab', 'ab0102', 'ab0', 'wxyz', '']
  expect(outcomes(parseBytes(2), texts)).toEqual([bytes, bytes, ...Array(5).fill(refused)])
})

it('addresses have 20 or 32 bytes', () => {
  const principal = reading(principalOption())
  const [short, long] = ['11'.repeat(20), '22'.repeat(32)]
  expect(outcomes(principal, [short, long])).toEqual([
    new Uint8Array(20).fill(0x11),
    'It must be 20 bytes in hex (40 digits).',
  ])
  const addresses = (text: string) => parseAddresses(text, [Uint8Array.of(7)])
  expect(outcomes(addresses, [long, short])).toEqual([
    [Uint8Array.of(7), new Uint8Array(32).fill(0x22)],
    'It must be 32 bytes in hex (64 digits).',
  ])
})

it('a public key is text in Z85 or hex', () => {
  const refused = 'It must be a public key: 40 characters of Z85, or 64 hex digits.'
  const texts = ['0'.repeat(40), '0'.repeat(64), '0'.repeat(63), '']
  const zeros = new Uint8Array(32)
  expect(outcomes(parsePublicKey, texts)).toEqual([zeros, zeros, refused, refused])
})

it('the address of an HTTP door is a host and a port', () => {
  const refused = 'It must be host:port, as 127.0.0.1:5553.'
  const taken: [text: string, host: string, port: number][] = [
    ['127.0.0.1:0', '127.0.0.1', 0],
    ['localhost:65535', 'localhost', 65_535],
    ['http://a-b.example:80/', 'a-b.example', 80],
    ['HTTP://[::1]:5553', '::1', 5553],
    ['[2001:DB8::1]:1', '2001:DB8::1', 1],
  ]
  for (const [text, host, port] of taken) expect(parseHttpAddress(text), text).toEqual({ host, port })
  const texts = ['localhost:65536', 'localhost', ':80', '::1:80', 'https://a:80', 'a:80/path', 'a:080808', '[::1]', '']
  expect(outcomes(parseHttpAddress, texts)).toEqual(texts.map(() => refused))
  // As an option it stays the text that was typed.
  expect(outcomes(reading(httpOption('')), ['http://a:80/', 'a'])).toEqual(['http://a:80/', refused])
})

it('the URL of a principal is one of the web', () => {
  const refused = 'It must be a URL, as http://127.0.0.1:3040.'
  const texts = ['http://127.0.0.1:3040', 'HTTPS://a.example', '127.0.0.1:3040', 'ftp://a', 'http://', 'http://a:99999']
  expect(outcomes(reading(principalUrlOption('')), texts)).toEqual([...texts.slice(0, 2), ...Array(4).fill(refused)])
})

it('the data folder is named, if only by default', () => {
  expect(dataOption().defaultValue).toBe('.bletchley')
  expect(outcomes(reading(dataOption()), ['', 'a'])).toEqual(['It must be a folder, and is empty.', 'a'])
})

it('an option that may be repeated adds to its values, and the environment gives several at once', () => {
  expect(collect('tcp://a:1', undefined)).toEqual(['tcp://a:1'])
  expect(collect(' ipc:///x,y , tcp://b:2,tcp://c:3 ', ['tcp://a:1'])).toEqual([
    'tcp://a:1',
    'ipc:///x,y',
    'tcp://b:2',
    'tcp://c:3',
  ])
  expect(isRepeatable(option('--bind <endpoint>', '').argParser(collect))).toBe(true)
  expect(isRepeatable(option('--data <folder>', ''))).toBe(false)
  expect(isRepeatable(dataOption())).toBe(false)
})

it('a value is shown as the configuration file takes it', () => {
  const shown: [value: unknown, text: string][] = [
    [undefined, ''],
    [Uint8Array.of(0xab, 1), '"ab01"'],
    [['a', 'b "c"'], '["a", "b \\"c\\""]'],
    [[], '[]'],
    ['a\nb', '"a\\nb"'],
    [7, '7'],
    [10n ** 19n, '10000000000000000000'],
    [true, 'true'],
  ]
  for (const [value, text] of shown) expect(shownValue(value), text).toBe(text)
})

it('what is not said has its default', () => {
  expect(timeoutOption().defaultValue).toBe(60_000)
  expect(gasLimitOption().defaultValue).toBe(100_000_000n)
  expect(gasLimitOption().defaultValueDescription).toBe('100000000')
  expect([logFormatOption().defaultValue, logLevelOption().defaultValue]).toEqual(['auto', 'info'])
})
