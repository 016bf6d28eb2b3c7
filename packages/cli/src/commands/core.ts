import { fileURLToPath } from 'node:url'
import { consoleAssets } from '@bletchley/console'
import { type Core, type CoreOptions, defaultCoreLimits, startCore } from '@bletchley/core'
import { Command, type Option } from 'commander'
import type { Logger } from 'pino'
import { usageError } from '../exitCodes.ts'
import { countDroppedLogLines, createLogger, type LogFlags } from '../log.ts'
import {
  collect,
  curveKeyOption,
  dataOption,
  httpOption,
  logFormatOption,
  logLevelOption,
  option,
  parseHttpAddress,
  parseInteger,
  principalOption,
  principalUrlOption,
  runLimitOption,
  sealingKeyOption,
} from '../options.ts'
import { lockOptions, type SealingFlags, sealingOf } from '../sealing.ts'
import { runService } from '../service.ts'

/** The options of a core, as commander gives them. */
export interface CoreFlags extends SealingFlags, LogFlags {
  bind?: string[]
  data: string
  dialect: CoreOptions['dialect']
  principal?: Uint8Array
  principalUrl?: string
  threads?: number
  runLimit?: number
  clients?: string
  curveKey?: string
  insecure?: true
  maxInFlight?: number
  maxInFlightPerPeer?: number
  maxQueue?: number
  http?: string
}

/** A limit beyond which requests are refused at once. */
const limitOption = (flags: string, description: string, byDefault: number) =>
  option(flags, `${description}; further ones are refused`).argParser(parseInteger(1, 1_000_000)).default(byDefault)

export const bindOption = () =>
  option('--bind <endpoint>', 'ZeroMQ endpoint to serve (repeatable; default tcp://127.0.0.1:5552)').argParser(collect)

export const threadsOption = () =>
  option('--threads <number>', 'threads that run contracts (default: one per processor)').argParser(
    parseInteger(1, 256),
  )

/** Options that `core` and `dev` share. */
export const coreOptions = (): Option[] => [
  bindOption(),
  dataOption(),
  sealingKeyOption(),
  option('--dialect <dialect>', 'form of the replies').choices(['document', 'enigma-p2p']).default('document'),
  threadsOption(),
  runLimitOption(),
  insecureOption(),
  limitOption('--max-in-flight <number>', 'requests under way, of all peers', defaultCoreLimits.inFlight),
  limitOption('--max-in-flight-per-peer <number>', 'requests of one peer under way', defaultCoreLimits.inFlightPerPeer),
  limitOption('--max-queue <number>', 'requests of one peer that wait for one contract', defaultCoreLimits.queue),
  httpOption('show health, metrics and the console there; loopback only, port 0 takes a free one'),
  logLevelOption(),
  logFormatOption(),
]

export const insecureOption = () => option('--insecure', 'serve endpoints that others can reach to whoever comes')

/** Options of a core that clients of elsewhere reach. */
export const curveOptions = (): Option[] => [
  option('--clients <file>', 'use CURVE, and let in only clients whose public keys stand in this file'),
  curveKeyOption('the core’s CURVE key pair (default: <data>/curve.key; `keys curve` makes it)'),
]

export const createCommand = () => {
  const command = new Command('core').description('Run a worker core.')
  for (const each of [...coreOptions(), ...lockOptions(), ...curveOptions()]) command.addOption(each)
  return command
    .addOption(principalOption())
    .addOption(principalUrlOption('fetch state keys there when a task needs them (default: a p2p node brings them)'))
    .addHelpText(
      'after',
      '\nPrints `ready <endpoint>` for each endpoint when it answers, and `http <url>` with --http. Logs go to stderr.\n' +
        'SIGTERM, SIGINT or SIGQUIT stops it. SIGHUP, where there is no terminal, reads the list of clients again, as happens by\n' +
        'itself when the file changes.',
    )
    .action(async (flags: CoreFlags) => {
      const logger = createLogger(flags, 'core')
      process.exitCode = await runService(logger, async () => {
        const core = await startCore(startOptions(flags, logger))
        announce(core)
        return core
      })
    })
}

/** @throws CommandError if there is a key for CURVE, but no list of clients */
export function startOptions(flags: CoreFlags, logger: Logger): CoreOptions {
  if (flags.curveKey !== undefined && flags.clients === undefined) {
    throw usageError('CURVE needs --clients: a file with the public keys of the clients.')
  }
  return {
    endpoints: flags.bind ?? ['tcp://127.0.0.1:5552'],
    dataFolder: flags.data,
    dialect: flags.dialect,
    sealing: sealingOf(flags),
    ...(flags.principal !== undefined && { principal: flags.principal }),
    ...(flags.principalUrl !== undefined && { principalUrl: flags.principalUrl }),
    ...(flags.threads !== undefined && { threads: flags.threads }),
    ...(flags.runLimit !== undefined && { runLimitMs: flags.runLimit }),
    ...curveOf(flags),
    ...(flags.insecure && { insecure: true }),
    limits: {
      ...(flags.maxInFlight !== undefined && { inFlight: flags.maxInFlight }),
      ...(flags.maxInFlightPerPeer !== undefined && { inFlightPerPeer: flags.maxInFlightPerPeer }),
      ...(flags.maxQueue !== undefined && { queue: flags.maxQueue }),
    },
    ...(flags.http !== undefined && { http: parseHttpAddress(flags.http) }),
    consoleFolder: fileURLToPath(consoleAssets),
    logger,
    countDroppedLogLines,
  }
}

export function curveOf({ clients, curveKey }: Pick<CoreFlags, 'clients' | 'curveKey'>): Pick<CoreOptions, 'curve'> {
  if (clients === undefined) return {}
  return { curve: { clientsPath: clients, ...(curveKey !== undefined && { keyPath: curveKey }) } }
}

/** Tells whoever started the process that it answers, and where. */
export function announce({ endpoints, httpUrl }: Core): void {
  for (const endpoint of endpoints) process.stdout.write(`ready ${endpoint}\n`)
  if (httpUrl !== undefined) process.stdout.write(`http ${httpUrl}\n`)
}
