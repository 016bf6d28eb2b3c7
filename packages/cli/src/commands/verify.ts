import { bytesToHex } from '@bletchley/bytes'
import { type Finding, verify } from '@bletchley/care'
import { Command } from 'commander'
import { exitCodes } from '../exitCodes.ts'
import { shownFindings } from '../findings.ts'
import {
  dataOption,
  option,
  parseAddresses,
  parseBytes,
  principalOption,
  principalUrlOption,
  sealingKeyOption,
} from '../options.ts'
import { jsonOption, print } from '../output.ts'
import { runLong } from '../progress.ts'
import { lockOptions, type SealingFlags, sealingOf } from '../sealing.ts'

interface VerifyFlags extends SealingFlags {
  data: string
  principal?: Uint8Array
  principalUrl?: string
  after?: Uint8Array
  json?: true
}

export const createCommand = () => {
  const command = new Command('verify')
    .description('Walk all records of a worker’s contracts, also while its core runs, and tell what is wrong.')
    .argument('[addresses...]', 'the contracts (default: all)', parseAddresses, [])
    .addOption(dataOption())
    .addOption(sealingKeyOption())
  for (const each of lockOptions()) command.addOption(each)
  return command
    .addOption(principalUrlOption('get the state keys there, as this worker, and walk the hash chains with them'))
    .addOption(principalOption())
    .addOption(option('--after <address>', 'go on behind this contract').argParser(parseBytes(32)))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Without --principal-url it is checked that all records are there and belong together; what is inside of a delta, the hash of
the one before it among it, only the state keys tell. Exit code 1 if anything is wrong.`,
    )
    .action(async (addresses: Uint8Array[], flags: VerifyFlags) => {
      const found: Finding[] = []
      let last: Uint8Array | undefined
      const { contracts, broken, decrypted } = await runLong('verify', 'run it again', (progress) =>
        verify({
          ...progress,
          dataFolder: flags.data,
          ...(addresses.length > 0 && { addresses }),
          after: flags.after,
          principalUrl: flags.principalUrl,
          ...(flags.principal !== undefined && { principal: flags.principal }),
          sealing: sealingOf(flags, progress.signal),
          onFinding: (finding) => found.push(finding),
          onContract: (address) => {
            last = address
          },
        }),
      ).catch((error: unknown) => {
        if (last !== undefined && addresses.length === 0) {
          for (const { contract, problem } of shownFindings(found)) {
            process.stderr.write(`${contract ?? 'database'}: ${problem}\n`)
          }
          process.stderr.write(`verified up to --after ${bytesToHex(last)}\n`)
        }
        throw error
      })
      print({ contracts, decrypted, broken, findings: shownFindings(found) }, flags)
      if (found.length > 0) process.exitCode = exitCodes.failed
    })
}
