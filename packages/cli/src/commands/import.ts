import { importContracts } from '@bletchley/care'
import { Command } from 'commander'
import { exitCodes } from '../exitCodes.ts'
import { shownFindings } from '../findings.ts'
import { dataOption } from '../options.ts'
import { jsonOption, print } from '../output.ts'
import { runLong } from '../progress.ts'

export const createCommand = () =>
  new Command('import')
    .description('Bring the contracts of an export into a worker’s database. The core must not run.')
    .argument('<file>', 'a file that `bletchley export` wrote')
    .addOption(dataOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Nothing is overwritten: what is equal stays, what is shorter here gets the rest, what differs is reported. \`bletchley verify
--principal-url <url>\` then walks the hash chains, which only the state keys open.`,
    )
    .action(async (file: string, flags: { data: string; json?: true }) => {
      const { imported, equal, conflicts } = await runLong('import', 'run it again to go on', (progress) =>
        importContracts({ ...progress, dataFolder: flags.data, file }),
      )
      print({ imported, equal, conflicts: shownFindings(conflicts) }, flags)
      if (conflicts.length > 0) process.exitCode = exitCodes.failed
    })
