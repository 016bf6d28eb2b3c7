import { bytesToHex } from '@bletchley/bytes'
import { workerKeyPurpose, workerKeyPurposes } from '@bletchley/core/signing-key'
import { addressOf, keyPairFromSecret } from '@bletchley/crypto'
import { lockFolder } from '@bletchley/crypto/folder-lock'
import {
  backUpKeys,
  describeLock,
  type OpenedFile,
  openAllSealed,
  type PurposesOf,
  type ReadPassphrase,
  readSealingKey,
  relockSealingKey,
  removeLeftovers,
  replaceSigningKey,
  restoreKeys,
  rotateSealingKey,
} from '@bletchley/crypto/key-file'
import { AuditError, verifyAudit } from '@bletchley/principal/audit-log'
import { principalKeyPurpose, principalKeyPurposes } from '@bletchley/principal/sealed-files'
import { Command } from 'commander'
import { CommandError, exitCodes, usageError } from '../exitCodes.ts'
import { dataOption, option, sealingKeyOption } from '../options.ts'
import { jsonOption, print } from '../output.ts'
import { askPassphrase, lockOf, lockOptions, passphraseOfFile, type SealingFlags, sealingOf } from '../sealing.ts'
import { canAsk } from '../terminal.ts'

interface KeysFlags extends SealingFlags {
  data: string
  json?: true
}

/** Data folders of workers and of principals are looked after alike. */
const purposesOf: PurposesOf = (path) => [...workerKeyPurposes(path), ...principalKeyPurposes(path)]

/** A command on the keys of one data folder. */
function keysCommand(name: string, description: string): Command {
  const command = new Command(name).description(description)
  for (const each of [dataOption(), sealingKeyOption(), ...lockOptions(), jsonOption()]) command.addOption(each)
  return command
}

export const statusCommand = () =>
  keysCommand('status', 'Show what is sealed in a data folder, and whether it opens.')
    .addHelpText('after', '\nWithout what unlocks the sealing key it shows what can be seen without.')
    .action(async (flags: KeysFlags) => {
      const sealing = sealingOf(flags)
      const lock = await describeLock(flags.data, sealing)
      if (lock === undefined) throw noSealingKey(flags.data)
      const canOpen = lock === 'none' || (sealing.lock ?? sealing.askPassphrase) !== undefined
      const opened = canOpen ? await openFolder(flags) : undefined
      print({ folder: flags.data, lock, opens: opened === undefined ? 'not tried' : true, ...opened }, flags)
    })

async function openFolder(flags: KeysFlags): Promise<object> {
  const key = await readSealingKey(flags.data, sealingOf(flags))
  const files = await openAllSealed(flags.data, key, purposesOf)
  const current = files.find(({ path }) => path === 'signing-key.sealed')
  return {
    ...(key.previous && { rotation: 'broken off; end it with `bletchley keys rotate`' }),
    ...(current && {
      of: current.purpose === principalKeyPurpose ? 'a principal' : 'a worker',
      address: signer(current),
    }),
    stateKeys: files.filter(({ path }) => path.startsWith('state-keys/')).length,
    oldIdentities: files.filter(({ path }) => path.startsWith('old-signing-keys/')).map(signer),
  }
}

function signer({ secret }: OpenedFile): string {
  return bytesToHex(addressOf(keyPairFromSecret(secret).publicKey))
}

export const rotateCommand = () =>
  keysCommand('rotate', 'Make a new sealing key, and seal everything with it.')
    .addHelpText(
      'after',
      `
Refused while a core or a principal runs on the folder. Broken off at any moment, the folder still opens; the next rotation ends it. Who
has copied the old sealing key and the old files can still open those: this is not for keys that were stolen, for which
see new-identity.`,
    )
    .action(async (flags: KeysFlags) => {
      const { path } = sealingOf(flags)
      if ((await describeLock(flags.data, { path })) === undefined) throw noSealingKey(flags.data)
      const files = await locked(flags.data, 'keys rotate', () =>
        rotateSealingKey(flags.data, sealingOf(flags), purposesOf),
      )
      print({ status: 'rotated', resealed: files }, flags)
    })

interface RelockFlags extends KeysFlags {
  newPassphraseFile?: string
  newSealingCommand?: string
  unlocked?: true
}

export const relockCommand = () =>
  keysCommand('relock', 'Lock the sealing key with another passphrase, with a command, or not at all.')
    .alias('change-passphrase')
    .addOption(option('--new-passphrase-file <file>', 'the new passphrase (default: ask on the terminal)'))
    .addOption(option('--new-sealing-command <command>', 'lock it with the key that this program prints'))
    .addOption(option('--unlocked', 'leave the sealing key as it is in its file'))
    .addHelpText('after', '\nThe sealing key stays the same, and one small file is rewritten, also while a core runs.')
    .action(async (flags: RelockFlags) => {
      const { newPassphraseFile, newSealingCommand, unlocked } = flags
      const given = [newPassphraseFile, newSealingCommand, unlocked].filter((each) => each !== undefined)
      if (given.length > 1) throw usageError('Give one new lock.')
      const lock = lockOf({
        ...(newPassphraseFile !== undefined && { passphraseFile: newPassphraseFile }),
        ...(newSealingCommand !== undefined && { sealingCommand: newSealingCommand }),
        ...(given.length === 0 && { askPassphrase: true }),
      })
      await relockSealingKey(flags.data, sealingOf(flags), lock)
      print({ status: 'relocked', lock: await describeLock(flags.data, sealingOf(flags)) }, flags)
    })

export const newIdentityCommand = () =>
  keysCommand('new-identity', 'Give a worker or a principal a new signing key; the old one is kept aside.')
    .addOption(option('--yes', 'do it'))
    .action(async (flags: KeysFlags & { yes?: true }) => {
      const replace = async () => {
        const { key, purpose } = await readSigner(flags)
        process.stderr.write(`${purpose === workerKeyPurpose ? newWorker : newPrincipal}\n`)
        if (!flags.yes) throw new CommandError('Nothing was changed. Say --yes if that is what you want.')
        return replaceSigningKey(flags.data, key, purpose)
      }
      // The sealing key is read with the lock: a rotation between would leave it the one before. Who only asks takes none.
      const { before, now } = await (flags.yes ? locked(flags.data, 'keys new-identity', replace) : replace())
      print({ status: 'replaced', before: bytesToHex(before.address), address: bytesToHex(now.address) }, flags)
    })

async function readSigner(flags: KeysFlags) {
  const key = await readSealingKey(flags.data, sealingOf(flags))
  const files = await openAllSealed(flags.data, key, purposesOf)
  const signing = files.find(({ path }) => path === 'signing-key.sealed')
  if (signing === undefined) throw new CommandError(`There is no signing key in ${flags.data}`)
  return { key, purpose: signing.purpose }
}

const newWorker = `A NEW IDENTITY OF A WORKER: the network knows it under its old address, with its stake. Under the new one it
is nobody until it registers anew, users who pin the old address refuse its results, and a principal with an allow-list
gives it no keys until the new address is on it. It takes effect when the core starts again.
The old key is kept sealed in old-signing-keys/.`

const newPrincipal = `A NEW IDENTITY OF A PRINCIPAL: cores that pin the old address (--principal) take no keys from it until
they are started with the new one. State keys stay as they are. It takes effect when the principal starts again.
The old key is kept sealed in old-signing-keys/.`

interface BackupFlags extends KeysFlags {
  backupPassphraseFile?: string
}

const backupPassphraseOption = () =>
  option('--backup-passphrase-file <file>', 'the passphrase of the backup (default: ask on the terminal)')

function backupPassphrase({ backupPassphraseFile: file }: BackupFlags): ReadPassphrase {
  if (file !== undefined) return passphraseOfFile(file)
  if (!canAsk()) throw usageError('Give the passphrase of the backup with --backup-passphrase-file.')
  return askPassphrase('the backup')
}

export const backupCommand = () =>
  keysCommand('backup', 'Write all keys of a data folder to one file, encrypted with a passphrase of its own.')
    .argument('<file>', 'the backup; must not exist')
    .addOption(backupPassphraseOption())
    .addHelpText('after', '\nRuns also beside a core or a principal; state keys that are made later are not in it.')
    .action(async (file: string, flags: BackupFlags) => {
      const files = await backUpKeys(flags.data, sealingOf(flags), purposesOf, file, backupPassphrase(flags))
      print({ status: 'backed up', file, keys: files.length }, flags)
    })

export const restoreCommand = () =>
  keysCommand('restore', 'Put the keys of a backup into a data folder that has none.')
    .argument('<file>', 'the backup')
    .addOption(backupPassphraseOption())
    .addHelpText(
      'after',
      '\nNothing is overwritten. The lock options say what the sealing key is to be locked with here.',
    )
    .action(async (file: string, flags: BackupFlags) => {
      const passphrase = backupPassphrase(flags)
      const files = await locked(flags.data, 'keys restore', () =>
        restoreKeys(flags.data, sealingOf(flags), file, passphrase),
      )
      print({ status: 'restored', keys: files.length }, flags)
    })

/** Works on a folder while nobody else does. */
async function locked<T>(folder: string, command: string, work: () => Promise<T>): Promise<T> {
  const lock = await lockFolder(folder, command)
  try {
    const result = await work()
    await removeLeftovers(folder)
    return result
  } finally {
    lock.release()
  }
}

function noSealingKey(folder: string): CommandError {
  return new CommandError(`There is no sealing key of ${folder}`)
}

interface AuditFlags {
  data: string
  contains?: string
  json?: true
}

export const auditCommand = () =>
  new Command('audit')
    .description('Check a principal’s log of requests: no line changed, removed or put in.')
    .addOption(dataOption())
    .addOption(
      option('--contains <hash>', 'this line must be there; lines that are cut off at the end leave no other trace'),
    )
    .addOption(jsonOption())
    .addHelpText('after', '\nPrints the number and the hash of the last line. Note them elsewhere for the next check.')
    .action(async (flags: AuditFlags) => {
      try {
        print({ status: 'whole', ...(await verifyAudit(flags.data, flags.contains?.toLowerCase())) }, flags)
      } catch (error) {
        throw error instanceof AuditError ? new CommandError(error.message, exitCodes.notVerified) : error
      }
    })
