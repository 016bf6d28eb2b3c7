import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { CommandError } from './exitCodes.ts'

/** Whether somebody sits there who can be asked. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true
}

/**
 * Asks for a line on the terminal, and does not show what is typed.
 *
 * @throws CommandError if there is no terminal, or the answer is broken off
 */
export function ask(question: string): Promise<string> {
  if (!canAsk()) throw new CommandError('There is no terminal to ask for a passphrase; use --passphrase-file.')
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() })
  // The terminal is told to echo nothing before the question invites typing.
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: true, historySize: 0 })
  process.stderr.write(question)
  return new Promise<string>((resolve, reject) => {
    lines.once('line', resolve)
    lines.once('close', () => reject(new CommandError('No passphrase was given.')))
    lines.once('SIGINT', () => lines.close())
  }).finally(() => {
    lines.close()
    process.stderr.write('\n')
  })
}
