import { compact } from '@bletchley/care'
import { Command } from 'commander'
import { dataOption } from '../options.ts'
import { jsonOption, print } from '../output.ts'
import { runLong } from '../progress.ts'

export const createCommand = () =>
  new Command('compact')
    .description('Rewrite a worker’s database without its free pages. The core must not run.')
    .addOption(dataOption())
    .addOption(jsonOption())
    .addHelpText('after', '\nNeeds room for a second copy. The new file takes the place of the old one in one step.')
    .action(async (flags: { data: string; json?: true }) => {
      const { before, after } = await runLong('compact', 'the database is as it was', (progress) =>
        compact(flags.data, progress),
      )
      print({ bytesBefore: before, bytesAfter: after }, flags)
    })
