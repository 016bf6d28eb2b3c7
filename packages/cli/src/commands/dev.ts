import { Command } from 'commander'
import { createLogger } from '../log.ts'
import { startDevNetwork } from '../network.ts'
import { option, parseHttpAddress, parseInteger } from '../options.ts'
import { runService } from '../service.ts'
import { type CoreFlags, coreOptions, curveOptions, startOptions } from './core.ts'

interface DevFlags extends CoreFlags {
  principalPort: number
}

export const createCommand = () => {
  const command = new Command('dev').description('Run a core and a principal in one go, for development.')
  for (const each of [...coreOptions(), ...curveOptions()]) command.addOption(each)
  return command
    .addOption(
      option('--principal-port <number>', 'port of the principal; 0 takes a free one')
        .argParser(parseInteger(0, 65_535))
        .default(0),
    )
    .addHelpText(
      'after',
      `
State keys are fetched for each contract as it is used. Prints \`ready <endpoint>\` when it answers, and then
\`principal <url> <address>\` and \`console <url>\`. \`bletchley simulate\` finds the core's data in <data>/core.`,
    )
    .action(async (flags: DevFlags) => {
      const logger = createLogger(flags, 'core')
      process.exitCode = await runService(logger, async () => {
        const network = await startDevNetwork(
          { ...startOptions(flags, logger), http: parseHttpAddress(flags.http ?? '127.0.0.1:0') },
          { port: flags.principalPort, logger: createLogger(flags, 'principal') },
        )
        for (const endpoint of network.core.endpoints) process.stdout.write(`ready ${endpoint}\n`)
        process.stdout.write(`principal ${network.principal.url} ${network.principal.address}\n`)
        process.stdout.write(`console ${network.core.httpUrl}\n`)
        return network
      })
    })
}
