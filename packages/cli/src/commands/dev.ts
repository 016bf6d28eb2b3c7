import { Command } from 'commander'
import { startDevNetwork } from '../network.ts'
import { option, parseInteger } from '../options.ts'
import { createLogger, runService } from '../service.ts'
import { announce, type CoreFlags, coreOptions, startOptions } from './core.ts'

interface DevFlags extends CoreFlags {
  principalPort: number
}

export const createCommand = () => {
  const command = new Command('dev').description('Run a core and a principal in one go, for development.')
  for (const each of coreOptions()) command.addOption(each)
  return command
    .addOption(
      option('--principal-port <number>', 'port of the principal; 0 takes a free one')
        .argParser(parseInteger(0, 65_535))
        .default(0),
    )
    .addHelpText(
      'after',
      '\nState keys are fetched for each contract as it is used. Prints `ready <endpoint>` when it answers.',
    )
    .action(async (flags: DevFlags) => {
      const logger = createLogger(flags.logLevel, 'core')
      process.exitCode = await runService(logger, async () => {
        const network = await startDevNetwork(startOptions(flags, logger), flags.principalPort)
        announce(network.core.endpoints)
        return network
      })
    })
}
