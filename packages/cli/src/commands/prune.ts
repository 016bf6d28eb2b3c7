import { prune } from '@bletchley/care'
import { Command } from 'commander'
import { dataOption, option } from '../options.ts'
import { jsonOption, print } from '../output.ts'
import { runLong } from '../progress.ts'

export const createCommand = () =>
  new Command('prune')
    .description('Remove records without meaning from a worker’s database. The core must not run.')
    .addOption(dataOption())
    .addOption(option('--all-snapshots', 'also the good snapshots: the next task of each contract rebuilds its state'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
These are receipts and snapshots of deltas that are not there, and receipts beyond those that are kept. Deltas and bytecode
stay: they are the truth, and peers ask for them. The file keeps its size; \`bletchley compact\` gives the room back.`,
    )
    .action(async (flags: { data: string; allSnapshots?: true; json?: true }) => {
      const { snapshots, receipts, bytes } = await runLong('prune', 'run it again to go on', (progress) =>
        prune(flags.data, { ...progress, ...(flags.allSnapshots && { allSnapshots: true }) }),
      )
      print({ removed: { snapshots, receipts, bytes } }, flags)
    })
