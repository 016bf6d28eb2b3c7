import { bytesToUtf8, utf8ToBytes } from '@bletchley/bytes'
import { messages } from '@bletchley/protocol'
import { Command } from 'commander'
import { type ConnectionFlags, connectCore, connectionOptions } from '../coreConnection.ts'
import { exitCodes, usageError } from '../exitCodes.ts'
import { inputFileOption, readInput } from '../inputFile.ts'
import { printableJson } from '../output.ts'

interface CallFlags extends ConnectionFlags {
  input?: string
}

export const createCommand = () => {
  const command = new Command('call')
  for (const each of connectionOptions()) command.addOption(each)
  return command
    .description('Send one message to a core and print the reply as it is on the wire.')
    .argument('<type>', `one of ${Object.keys(messages).join(', ')}`)
    .argument('[input]', 'the input, as JSON: the value of `input`, or the members beside it')
    .addOption(inputFileOption('input', 'the input'))
    .addHelpText('after', '\nExample: bletchley call GetDeltas \'[{"address":"<64 hex digits>","from":0,"to":10}]\'')
    .action(async (type: string, typed: string | undefined, flags: CallFlags) => {
      if (typed !== undefined && flags.input !== undefined)
        throw usageError('The input is typed, or in a file: not both.')
      const input = flags.input === undefined ? typed : await readInput(flags.input)
      using client = await connectCore(flags)
      const id = client.createId()
      const reply = bytesToUtf8(await client.exchange(id, utf8ToBytes(frameOf(id, type, input))))
      const isError = 'msg' in (JSON.parse(reply) as object)
      process.stdout.write(`${printableJson(reply)}\n`)
      if (isError) process.exitCode = exitCodes.failed
    })
}

/**
 * A request with the input in both places where a message may have it: the core ignores the one that it does not know.
 * The text stays as it was typed, for a number would lose digits on the way through JavaScript.
 */
function frameOf(id: string, type: string, input: string | undefined): string {
  const envelope = JSON.stringify({ id, type }).slice(0, -1)
  if (input === undefined) return `${envelope}}`
  const value = parseInput(input)
  const hasMembers =
    typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
  return `${envelope},"input":${input}${hasMembers ? `,${input.trim().slice(1)}` : '}'}`
}

function parseInput(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw usageError('The input is not JSON.')
  }
}
