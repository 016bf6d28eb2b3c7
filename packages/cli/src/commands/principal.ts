import { resolve } from 'node:path'
import { systemPath } from '@bletchley/crypto/key-file'
import { defaultLimits } from '@bletchley/principal/limits'
import { Command } from 'commander'
import { createLogger, type LogFlags } from '../log.ts'
import { logFormatOption, logLevelOption, option, parseInteger, sealingKeyOption } from '../options.ts'
import { lockOptions, type SealingFlags, sealingOf } from '../sealing.ts'
import { runService } from '../service.ts'

interface PrincipalFlags extends SealingFlags, LogFlags {
  host: string
  port: number
  data: string
  workers?: string
  maxRequests: number
  maxRequestsInAll: number
  maxNewKeys: number
  insecure?: true
}

export const createCommand = () => {
  const command = new Command('principal')
    .description('Run a principal: the node that makes contracts’ state keys and hands them to workers.')
    .addOption(option('--host <address>', 'address to listen on').default('127.0.0.1'))
    .addOption(
      option('--port <number>', 'port to listen on; 0 takes a free one')
        .argParser(parseInteger(0, 65_535))
        .default(3040),
    )
    .addOption(option('--data <folder>', 'folder of the keys').default('.bletchley/principal'))
    .addOption(sealingKeyOption())
  for (const each of lockOptions()) command.addOption(each)
  return command
    .addOption(option('--workers <file>', 'the workers that may have keys, an address on each line (default: all)'))
    .addOption(limitOption('--max-requests <number>', 'requests a minute of one worker', defaultLimits.perWorker))
    .addOption(limitOption('--max-requests-in-all <number>', 'requests a minute of all', defaultLimits.inAll))
    .addOption(limitOption('--max-new-keys <number>', 'new keys an hour for one worker', defaultLimits.newKeys))
    .addOption(option('--insecure', 'give keys to whoever reaches it, also from other machines'))
    .addOption(logLevelOption())
    .addOption(logFormatOption())
    .addHelpText('after', '\nPrints `ready <url> <address>`; give the address to the cores as --principal.')
    .action(async (flags: PrincipalFlags) => {
      const logger = createLogger(flags, 'principal')
      process.exitCode = await runService(logger, async () => {
        // Its server loads what Node has for the web, which nobody needs who only asks for help.
        const { startPrincipal } = await import('@bletchley/principal')
        const principal = await startPrincipal({
          host: flags.host,
          port: flags.port,
          // The working directory may go away.
          dataFolder: resolve(systemPath(flags.data)),
          sealing: sealingOf(flags),
          workersFile: flags.workers && resolve(systemPath(flags.workers)),
          insecure: flags.insecure,
          limits: { perWorker: flags.maxRequests, inAll: flags.maxRequestsInAll, newKeys: flags.maxNewKeys },
          logger,
        })
        process.stdout.write(`ready ${principal.url} ${principal.address}\n`)
        return principal
      })
    })
}

const limitOption = (flags: string, description: string, usual: number) =>
  option(flags, description).argParser(parseInteger(1, 1_000_000_000)).default(usual)
