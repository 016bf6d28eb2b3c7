import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { restore } from '@bletchley/care'
import { Command } from 'commander'
import { shownFindings } from '../findings.ts'
import { dataOption } from '../options.ts'
import { jsonOption, print } from '../output.ts'
import { runLong } from '../progress.ts'

export const createCommand = () =>
  new Command('restore')
    .description('Make a data folder of a backup; it appears whole or not at all.')
    .argument('<backup>', 'a folder that `bletchley backup` made')
    .addOption(dataOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
The data folder must be absent or empty. Checksums and records are checked before it appears. Two cores with one signing key
must not run: retire the worker that the backup is of.`,
    )
    .action(async (backup: string, flags: { data: string; json?: true }) => {
      const { manifest, findings } = await runLong('restore', 'nothing is left of it', (progress) =>
        restore(backup, flags.data, progress),
      )
      const hasKey = existsSync(join(flags.data, 'sealing.key'))
      print(
        {
          data: flags.data,
          made: manifest.made,
          contracts: manifest.contracts,
          sealingKey: hasKey
            ? 'restored, locked'
            : `not in the backup: put it at ${join(flags.data, 'sealing.key')} (chmod 600), or name it with --sealing-key`,
          findings: shownFindings(findings),
        },
        flags,
      )
    })
