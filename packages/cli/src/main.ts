import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { Command, CommanderError, Option } from 'commander'
import { commandNames, knownOptions, leavesOf, loadCommand } from './commands/index.ts'
import { addConfiguration } from './configuration.ts'
import { CommandError, exitCodes } from './exitCodes.ts'
import { option } from './options.ts'
import { printableLines } from './output.ts'

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
Every option can also be given in the environment, --log-level as BLETCHLEY_LOG_LEVEL, and in a file that --config names
(or bletchley.config.yaml or .json in the working directory), as logLevel. --print-config tells what comes from where.
Exit codes: 0 done, 1 failed, 2 wrong command line, 3 the task ended in a failure, 4 a result did not verify.`,
    )
  forgetEmptyVariables()
  const wanted = commandNames.find((name) => name === argv[2])
  try {
    for (const name of wanted === undefined ? commandNames : [wanted]) {
      const command = await loadCommand(name)
      for (const each of [command, ...command.commands]) {
        each.exitOverride().showHelpAfterError(hintFor(each))
      }
      for (const [fullName, each] of leavesOf(command)) {
        addConfiguration(each, fullName, knownOptions)
        // The configuration speaks for all the others; it is not one of them.
        each.addOption(configOption()).addOption(printConfigOption())
      }
      program.addCommand(command)
    }
    await program.exitOverride().parseAsync(argv)
    return typeof process.exitCode === 'number' ? process.exitCode : exitCodes.done
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage
    // It may quote a peer, a contract, or a file that somebody else made.
    process.stderr.write(`error: ${printableLines(reasonOf(error))}\n`)
    return error instanceof CommandError ? error.exitCode : exitCodes.failed
  }
}

/** Files that set the environment cannot always leave a line out: an empty variable is as good as none. */
function forgetEmptyVariables(): void {
  for (const [name, value] of Object.entries(process.env)) {
    if (name.startsWith('BLETCHLEY_') && value === '') delete process.env[name]
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  // What Node says where a path is relative to a folder that is no more.
  if ((error as NodeJS.ErrnoException).syscall === 'uv_cwd') {
    return 'The working directory was removed. Go to another one, or name all files by their full paths.'
  }
  return systemReasonOf(error) ?? error.message
}

/** What the system has against a path, in words; undefined for other errors. */
function systemReasonOf({ code, path }: NodeJS.ErrnoException): string | undefined {
  if (code === undefined || path === undefined) return undefined
  const folder = dirname(path)
  if (code === 'ENOENT' && !existsSync(folder)) return `There is no folder ${folder} (${code})`
  const reason = systemReasons[code]
  return reason && `${path}: ${reason} (${code})`
}

/** Those that a path on the command line can bring about. */
const systemReasons: Readonly<Record<string, string>> = {
  EACCES: 'this user may not do that',
  EISDIR: 'this is a folder',
  ELOOP: 'its symbolic links go round in a circle',
  ENAMETOOLONG: 'the name is too long',
  ENOENT: 'it is not there',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'a part of this path is no folder',
  EPERM: 'this user may not do that',
  EROFS: 'it is mounted read-only',
}

/** What stands below the message of a wrong command line. */
function hintFor({ registeredArguments }: Command): string {
  const takesText = registeredArguments.some((each) => each.name() === 'args')
  return takesText
    ? '(add --help for the options; an argument that begins with - stands behind --: … -- -0x5)'
    : '(add --help for the options)'
}

const configOption = () =>
  option('--config <file>', 'options in YAML or JSON (default: bletchley.config.yaml or .json, if there is one here)')

const printConfigOption = () =>
  new Option('--print-config', 'print each option and where it comes from, and do nothing')
