import { join } from 'node:path'
import { bytesToHex } from '@bletchley/bytes'
import { encodeZ85 } from '@bletchley/crypto'
import { type CurveRole, createCurveKeyFile, curveKeyFileName } from '@bletchley/crypto/curve-key-file'
import { Command } from 'commander'
import { curveKeyOption, dataOption, option } from '../options.ts'
import { jsonOption, print } from '../output.ts'
import {
  auditCommand,
  backupCommand,
  newIdentityCommand,
  relockCommand,
  restoreCommand,
  rotateCommand,
  statusCommand,
} from './sealedKeys.ts'

const sealedKeys = [
  statusCommand,
  rotateCommand,
  relockCommand,
  newIdentityCommand,
  backupCommand,
  restoreCommand,
  auditCommand,
]

export const createCommand = () => {
  const command = new Command('keys').description('Make and look after the keys of a worker, a principal and clients.')
  for (const each of sealedKeys) {
    command.addCommand(each())
  }
  return command.addCommand(curveCommand())
}

interface CurveFlags {
  data: string
  curveKey?: string
  client?: true
  json?: true
}

const curveCommand = () =>
  new Command('curve')
    .description('Make a CURVE key pair, and print its public half.')
    .addOption(option('--client', 'make a client’s pair (default: the core’s)'))
    .addOption(dataOption())
    .addOption(curveKeyOption('the file to make (default: <data>/curve.key, for a client client.key in this folder)'))
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nThe file is its owner’s alone and is never overwritten. Clients need the core’s public key\n' +
        '(--curve-server-key); the core needs those of its clients, one on a line (--clients).',
    )
    .action(async (flags: CurveFlags) => {
      const role: CurveRole = flags.client ? 'client' : 'server'
      const file = flags.curveKey ?? (flags.client ? 'client.key' : join(flags.data, curveKeyFileName))
      const publicKey = await createCurveKeyFile(file, role)
      print({ publicKey: encodeZ85(publicKey), hex: bytesToHex(publicKey), file }, flags)
    })
