import { backUp } from '@bletchley/care'
import { Command } from 'commander'
import { exitCodes } from '../exitCodes.ts'
import { shownFindings } from '../findings.ts'
import { dataOption } from '../options.ts'
import { jsonOption, print } from '../output.ts'
import { runLong } from '../progress.ts'

export const createCommand = () =>
  new Command('backup')
    .description('Copy a worker’s data folder as it is at one moment, also while its core runs.')
    .argument('<folder>', 'the backup to make; it must not exist')
    .addOption(dataOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
In it are the database, the sealed files, and the sealing key if it is locked with a passphrase or a command. A sealing key
that is not locked is left out: keep it apart. So is the pair of CURVE. \`bletchley restore\` makes a data folder of it.`,
    )
    .action(async (folder: string, flags: { data: string; json?: true }) => {
      const { manifest, findings } = await runLong('backup', 'nothing is left of it', (progress) =>
        backUp(flags.data, folder, progress),
      )
      print(
        {
          backup: folder,
          contracts: manifest.contracts,
          bytes: manifest.files.reduce((sum, { bytes }) => sum + bytes, 0),
          sealingKey: manifest.sealingKey ? 'in the backup, locked' : 'not in the backup: keep it apart',
          files: manifest.files.map(({ path }) => path),
          findings: shownFindings(findings),
        },
        flags,
      )
      if (findings.length > 0) process.exitCode = exitCodes.failed
    })
