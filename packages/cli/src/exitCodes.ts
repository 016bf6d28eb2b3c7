/** What the command's exit code tells a script. */
export const exitCodes = {
  done: 0,
  /** The request was refused, nobody answered, or something went wrong. */
  failed: 1,
  /** The command line is wrong. */
  usage: 2,
  /** The task ended in a failure, signed or simulated: the contract trapped, or the gas ran out. */
  taskFailed: 3,
  /** A signature or a hash does not fit: do not trust the result. */
  notVerified: 4,
} as const

/** Ends the command with a message and an exit code. */
export class CommandError extends Error {
  readonly exitCode: number

  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message)
    this.exitCode = exitCode
  }
}

/** What ends a command whose command line, or configuration, is wrong. */
export function usageError(message: string): CommandError {
  return new CommandError(message, exitCodes.usage)
}
