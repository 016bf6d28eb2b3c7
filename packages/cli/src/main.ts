import { Command, CommanderError } from 'commander'
import { CommandError, exitCodes } from './exitCodes.ts'

/** The commands. Only the one that is asked for is loaded: together they take longer to load than a core to start. */
const commands: Readonly<Record<string, () => Promise<{ createCommand(): Command }>>> = {
  core: () => import('./commands/core.ts'),
  principal: () => import('./commands/principal.ts'),
  dev: () => import('./commands/dev.ts'),
  demo: () => import('./commands/demo.ts'),
  deploy: () => import('./commands/deploy.ts'),
  compute: () => import('./commands/compute.ts'),
  call: () => import('./commands/call.ts'),
  inspect: () => import('./commands/inspect.ts'),
}

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
  const wanted = argv[2]
  const names = wanted !== undefined && Object.hasOwn(commands, wanted) ? [wanted] : Object.keys(commands)
  for (const name of names) {
    const { createCommand } = await commands[name]!()
    program.addCommand(createCommand().exitOverride().showHelpAfterError('(add --help for the options)'))
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
