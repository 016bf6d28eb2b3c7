import { type Check, examine } from '@bletchley/care'
import { Command } from 'commander'
import { exitCodes } from '../exitCodes.ts'
import { dataOption, httpOption, parseHttpAddress, principalUrlOption, sealingKeyOption } from '../options.ts'
import { jsonOption, print, printable } from '../output.ts'
import { lockOf, lockOptions, type SealingFlags } from '../sealing.ts'
import { bindOption, curveOf, curveOptions, insecureOption, threadsOption } from './core.ts'

interface DoctorFlags extends SealingFlags {
  data: string
  bind?: string[]
  threads?: number
  clients?: string
  curveKey?: string
  insecure?: true
  http?: string
  principalUrl?: string
  json?: true
}

export const createCommand = () => {
  const command = new Command('doctor')
    .description('Look at everything that a core needs, and say what to do about what is not right. Changes nothing.')
    .addOption(dataOption())
    .addOption(sealingKeyOption())
  for (const each of [...lockOptions(), ...curveOptions()]) command.addOption(each)
  return command
    .addOption(bindOption())
    .addOption(insecureOption())
    .addOption(httpOption('the HTTP door that the core is to have'))
    .addOption(threadsOption())
    .addOption(principalUrlOption('ask this principal whether it answers, and what time it is'))
    .addOption(jsonOption())
    .addHelpText('after', '\nGive it the options of the core, as its user. Exit code 1 if anything is a problem.')
    .action(async (flags: DoctorFlags) => {
      const checks = await examine({
        dataFolder: flags.data,
        endpoints: flags.bind ?? ['tcp://127.0.0.1:5552'],
        // It asks nothing on the terminal of itself.
        sealing: { path: flags.sealingKey, lock: lockOf(flags) },
        principalUrl: flags.principalUrl,
        threads: flags.threads,
        ...curveOf(flags),
        insecure: flags.insecure,
        http: flags.http === undefined ? undefined : parseHttpAddress(flags.http),
      })
      const count = (status: Check['status']): number => checks.filter((check) => check.status === status).length
      if (flags.json) print({ problems: count('problem'), warnings: count('warning'), checks }, flags)
      else process.stdout.write(shown(checks))
      if (count('problem') > 0) process.exitCode = exitCodes.failed
    })
}

function shown(checks: readonly Check[]): string {
  const widest = Math.max(...checks.map(({ name }) => name.length))
  return checks
    .flatMap(({ status, name, found, remedy }) => [
      `${status.padEnd(8)} ${name.padEnd(widest)}  ${printable(found)}\n`,
      ...(remedy === undefined ? [] : [`${' '.repeat(widest + 11)}${printable(remedy)}\n`]),
    ])
    .join('')
}
