import { startPrincipal } from '@bletchley/principal'
import { Command } from 'commander'
import { logLevelOption, option, parseInteger } from '../options.ts'
import { createLogger, runService } from '../service.ts'

interface PrincipalFlags {
  host: string
  port: number
  data: string
  sealingKey?: string
  logLevel: string
}

export const createCommand = () =>
  new Command('principal')
    .description('Run a principal: the node that makes contracts’ state keys and hands them to workers.')
    .addOption(option('--host <address>', 'address to listen on').default('127.0.0.1'))
    .addOption(
      option('--port <number>', 'port to listen on; 0 takes a free one')
        .argParser(parseInteger(0, 65_535))
        .default(3040),
    )
    .addOption(option('--data <folder>', 'folder of the keys').default('.bletchley/principal'))
    .addOption(
      option('--sealing-key <file>', 'where the key lies that seals the other keys (default: in the data folder)'),
    )
    .addOption(logLevelOption())
    .addHelpText('after', '\nPrints `ready <url> <address>`; give the address to the cores as --principal.')
    .action(async (flags: PrincipalFlags) => {
      const logger = createLogger(flags.logLevel, 'principal')
      process.exitCode = await runService(logger, async () => {
        const principal = await startPrincipal({
          host: flags.host,
          port: flags.port,
          dataFolder: flags.data,
          ...(flags.sealingKey !== undefined && { sealingKeyPath: flags.sealingKey }),
          logger,
        })
        process.stdout.write(`ready ${principal.url} ${principal.address}\n`)
        return principal
      })
    })
