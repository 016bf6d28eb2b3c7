import { exportContracts } from '@bletchley/care'
import { Command } from 'commander'
import { exitCodes } from '../exitCodes.ts'
import { shownFindings } from '../findings.ts'
import { dataOption, parseAddresses } from '../options.ts'
import { jsonOption, print } from '../output.ts'
import { runLong } from '../progress.ts'

export const createCommand = () =>
  new Command('export')
    .description('Write contracts, bytecode and deltas as they are stored, to a file that `bletchley import` reads.')
    .argument('<file>', 'the file to write')
    .argument('[addresses...]', 'the contracts (default: all)', parseAddresses, [])
    .addOption(dataOption())
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Runs beside the core. When it is stopped, <file>.partial stays, and a rerun goes on with it. The format stands in
docs/export-format.md. Deltas stay encrypted; bytecode is in the clear, as everywhere.`,
    )
    .action(async (file: string, addresses: Uint8Array[], flags: { data: string; json?: true }) => {
      const exported = await runLong('export', 'run it again to go on', (progress) =>
        exportContracts({ ...progress, dataFolder: flags.data, file, ...(addresses.length > 0 && { addresses }) }),
      )
      const { contracts, resumed, bytes, leftOut } = exported
      print({ file, contracts, ...(resumed > 0 && { resumed }), bytes, leftOut: shownFindings(leftOut) }, flags)
      if (leftOut.length > 0) process.exitCode = exitCodes.failed
    })
