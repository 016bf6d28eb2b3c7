import { Command, CommanderError } from 'commander'
import { callCommand } from './commands/call.ts'
import { computeCommand } from './commands/compute.ts'
import { coreCommand } from './commands/core.ts'
import { demoCommand } from './commands/demo.ts'
import { deployCommand } from './commands/deploy.ts'
import { devCommand } from './commands/dev.ts'
import { inspectCommand } from './commands/inspect.ts'
import { principalCommand } from './commands/principal.ts'
import { CommandError, exitCodes } from './exitCodes.ts'

/**
 * Runs the command.
 *
 * @param argv as of `process.argv`
 * @returns the exit code
 */
export async function main(argv: readonly string[]): Promise<number> {
  const program = new Command('bletchley')
    .description('The Enigma worker core, the principal beside it, and the tools around them.')
    .version('0.1.0')
    .addHelpText(
      'after',
      `
Every option can also be given in the environment: --log-level as BLETCHLEY_LOG_LEVEL.
Exit codes: 0 done, 1 failed, 2 wrong command line, 3 the task ended in a signed failure, 4 a result did not verify.`,
    )
  let exitCode: number = exitCodes.done
  const commands = [
    coreCommand(),
    principalCommand(),
    devCommand(),
    demoCommand(),
    deployCommand(),
    computeCommand(),
    callCommand(),
    inspectCommand(),
  ]
  for (const command of commands) {
    program.addCommand(command.exitOverride().showHelpAfterError('(add --help for the options)'))
  }
  try {
    await program.exitOverride().parseAsync(argv)
    if (typeof process.exitCode === 'number') exitCode = process.exitCode
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
    return error instanceof CommandError ? error.exitCode : exitCodes.failed
  }
  return exitCode
}
