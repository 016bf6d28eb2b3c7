import { bytesToHex } from '@bletchley/bytes'
import type { CoreClient, TaskEnd, UserCall } from '@bletchley/client'
import {
  type AbiValue,
  decodeOutput,
  exactArguments,
  parseArguments,
  parseCallable,
  UserError,
} from '@bletchley/client/user'
import type { Command } from 'commander'
import { type ConnectionFlags, connectCore, connectionOptions } from './coreConnection.ts'
import { CommandError, exitCodes, usageError } from './exitCodes.ts'
import { inputFileOption, readInput } from './inputFile.ts'
import { gasLimitOption, option, parseBytes } from './options.ts'
import { jsonOption, print } from './output.ts'

/** Options that `deploy` and `compute` share. */
export interface TaskFlags extends ConnectionFlags, ArgumentFlags {
  gasLimit: bigint
  worker?: Uint8Array
  json?: true
}

export function addTaskOptions(command: Command): Command {
  for (const each of connectionOptions()) command.addOption(each)
  return command
    .addOption(argumentsOption())
    .addOption(gasLimitOption())
    .addOption(
      option('--worker <address>', 'accept this worker’s signatures only (default: whoever answers)').argParser(
        parseBytes(20),
      ),
    )
    .addOption(jsonOption())
}

/**
 * Runs a task and prints how it ended.
 *
 * @param run sends the call and opens what comes back
 * @param show what to print of a success
 */
export async function runTask<Opened extends { usedGas: bigint }>(
  flags: TaskFlags,
  call: Omit<UserCall, 'gasLimit' | 'workerAddress'>,
  run: (client: CoreClient, call: UserCall) => Promise<TaskEnd<Opened>>,
  show: (opened: Opened) => object,
): Promise<void> {
  using client = await connectCore(flags)
  const { gasLimit, worker } = flags
  const end = await verifying(() => run(client, { ...call, gasLimit, ...(worker && { workerAddress: worker }) }))
  const contract = bytesToHex(call.contractAddress)
  const verified = [
    worker === undefined
      ? 'the encryption key is signed by the worker that answered'
      : 'the encryption key is signed by the worker that was asked for',
    'the result is signed by the same worker, for this task',
  ]
  if (end.kind === 'failed') {
    print({ status: 'failed', contract, error: end.message, usedGas: String(end.usedGas), verified }, flags)
    process.exitCode = exitCodes.taskFailed
  } else {
    print({ status: 'success', contract, ...show(end), usedGas: String(end.usedGas), verified }, flags)
  }
}

/** Turns what does not verify, or does not fit the command line, into its exit code. */
async function verifying<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    const exitCode = error.code === 'invalid_arguments' ? exitCodes.usage : exitCodes.notVerified
    throw new CommandError(error.message, exitCode)
  }
}

/** A call as it is typed: `name(type,…)`, and behind it, if wanted, `(type,…)` of what comes back. */
export interface TypedCall {
  callable: string
  args: AbiValue[]
  returns: string[] | undefined
}

/** How commands that call functions take their arguments from a file. */
export interface ArgumentFlags {
  args?: string
}

export const argumentsOption = () => inputFileOption('args', 'the arguments, as a JSON list')

/**
 * @param args the arguments as they are typed, unless a file has them
 * @throws CommandError with the exit code for a wrong command line
 */
export async function readCall(text: string, args: readonly string[], flags: ArgumentFlags): Promise<TypedCall> {
  const [, callable = text, returns] = /^([^()]*\([^()]*\))\s*(\([^()]*\))?$/.exec(text.trim()) ?? []
  if (flags.args !== undefined && args.length > 0) throw usageError('The arguments are typed, or in a file: not both.')
  const list = flags.args === undefined ? undefined : parseList(await readInput(flags.args))
  try {
    const { types } = parseCallable(callable)
    return {
      callable,
      args: list === undefined ? parseArguments(types, args) : exactArguments(types, list),
      returns: returns === undefined ? undefined : parseCallable(`returns${returns}`).types,
    }
  } catch (error) {
    if (error instanceof UserError) throw usageError(error.message)
    throw error
  }
}

function parseList(json: string): unknown[] {
  let list: unknown
  try {
    list = JSON.parse(json)
  } catch {
    // The parser's own message quotes the text, which is secret.
  }
  if (!Array.isArray(list)) throw usageError('The file of the arguments is no JSON list.')
  return list
}

/**
 * What a function returned: decoded if its types are known, else as it is. Where it does not encode those types, that is
 * said beside the bytes, for the task is done and cannot be asked again; the command has failed then.
 */
export function showOutput(output: Uint8Array, returns: readonly string[] | undefined): object {
  const raw = `0x${bytesToHex(output)}`
  // One word is most often a number.
  if (returns === undefined) return output.length === 32 ? { output: [BigInt(raw).toString()], raw } : { raw }
  try {
    return { output: decodeOutput(returns, output).map(plain), raw }
  } catch (error) {
    if (!(error instanceof UserError)) throw error
    process.exitCode = exitCodes.failed
    return { problem: error.message, raw }
  }
}

function plain(value: AbiValue): unknown {
  if (Array.isArray(value)) return value.map(plain)
  return typeof value === 'bigint' ? value.toString() : value
}
