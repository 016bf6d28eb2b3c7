import { CoreClient } from '@bletchley/client'
import { bytesToUtf8, utf8ToBytes } from '@bletchley/crypto'
import { messages } from '@bletchley/protocol'
import { Command } from 'commander'
import { CommandError, exitCodes } from '../exitCodes.ts'
import { endpointOption, timeoutOption } from '../options.ts'

interface CallFlags {
  endpoint: string
  timeout: number
}

export const createCommand = () =>
  new Command('call')
    .description('Send one message to a core and print the reply as it is on the wire.')
    .argument('<type>', `one of ${Object.keys(messages).join(', ')}`)
    .argument('[input]', 'the input, as JSON: the value of `input`, or the members beside it')
    .addOption(endpointOption())
    .addOption(timeoutOption())
    .addHelpText('after', '\nExample: bletchley call GetDeltas \'[{"address":"<64 hex digits>","from":0,"to":10}]\'')
    .action(async (type: string, text: string | undefined, flags: CallFlags) => {
      const input = text === undefined ? undefined : parseInput(text)
      using client = new CoreClient(flags.endpoint, { timeoutMs: flags.timeout })
      const id = client.createId()
      const members = typeof input === 'object' && !Array.isArray(input) ? input : {}
      const reply = bytesToUtf8(await client.exchange(id, utf8ToBytes(JSON.stringify({ id, type, input, ...members }))))
      process.stdout.write(`${reply}\n`)
      if ('msg' in (JSON.parse(reply) as object)) process.exitCode = exitCodes.failed
    })

function parseInput(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new CommandError('The input is not JSON.', exitCodes.usage)
  }
}
