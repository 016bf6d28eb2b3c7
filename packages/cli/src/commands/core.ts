import { type CoreOptions, startCore } from '@bletchley/core'
import { Command, type Option } from 'commander'
import type { Logger } from 'pino'
import { collect, logLevelOption, option, parseHex, parseInteger } from '../options.ts'
import { createLogger, runService } from '../service.ts'

/** The options of a core, as commander gives them. */
export interface CoreFlags {
  bind?: string[]
  data: string
  sealingKey?: string
  dialect: CoreOptions['dialect']
  principal?: Uint8Array
  principalUrl?: string
  threads?: number
  runLimit?: number
  insecure?: true
  logLevel: string
}

export const bindOption = () =>
  option('--bind <endpoint>', 'ZeroMQ endpoint to serve (repeatable; default tcp://127.0.0.1:5552)').argParser(collect)

/** Options that `core` and `dev` share. */
export const coreOptions = (): Option[] => [
  bindOption(),
  option('--data <folder>', 'folder of the database and the keys').default('.bletchley'),
  option('--sealing-key <file>', 'where the key lies that seals the other keys (default: in the data folder)'),
  option('--dialect <dialect>', 'form of the replies').choices(['document', 'enigma-p2p']).default('document'),
  option('--threads <number>', 'threads that run contracts (default: one per processor)').argParser(
    parseInteger(1, 256),
  ),
  option('--run-limit <ms>', 'wall-clock limit of one step of a task').argParser(parseInteger(1, 3_600_000)),
  option('--insecure', 'serve endpoints that other machines can reach, without any protection'),
  logLevelOption(),
]

export const createCommand = () => {
  const command = new Command('core').description('Run a worker core.')
  for (const each of coreOptions()) command.addOption(each)
  return command
    .addOption(
      option('--principal <address>', 'take state keys only with the signature of this principal').argParser(
        parseHex(20),
      ),
    )
    .addOption(
      option(
        '--principal-url <url>',
        'fetch state keys there when a task needs them (default: a p2p node brings them)',
      ),
    )
    .addHelpText(
      'after',
      '\nPrints `ready <endpoint>` for each endpoint when it answers. Logs go to stderr. SIGTERM or SIGINT stops it.',
    )
    .action(async (flags: CoreFlags) => {
      const logger = createLogger(flags.logLevel, 'core')
      process.exitCode = await runService(logger, async () => {
        const core = await startCore(startOptions(flags, logger))
        announce(core.endpoints)
        return core
      })
    })
}

export function startOptions(flags: CoreFlags, logger: Logger): CoreOptions {
  return {
    endpoints: flags.bind ?? ['tcp://127.0.0.1:5552'],
    dataFolder: flags.data,
    dialect: flags.dialect,
    ...(flags.sealingKey !== undefined && { sealingKeyPath: flags.sealingKey }),
    ...(flags.principal !== undefined && { principal: flags.principal }),
    ...(flags.principalUrl !== undefined && { principalUrl: flags.principalUrl }),
    ...(flags.threads !== undefined && { threads: flags.threads }),
    ...(flags.runLimit !== undefined && { runLimitMs: flags.runLimit }),
    ...(flags.insecure && { insecure: true }),
    logger,
  }
}

/** Tells whoever started the process that it answers, and where. */
export function announce(endpoints: readonly string[]): void {
  for (const endpoint of endpoints) process.stdout.write(`ready ${endpoint}\n`)
}
