import { type ReadPassphrase, readOwnerOnly, type SealingOptions } from '@bletchley/crypto/key-file'
import type { Option } from 'commander'
import { CommandError, usageError } from './exitCodes.ts'
import { askPassphraseOption, passphraseFileOption, sealingCommandOption } from './options.ts'
import { ask, canAsk } from './terminal.ts'

/** Options that say where the sealing key is, and what unlocks it. */
export interface SealingFlags {
  sealingKey?: string
  passphraseFile?: string
  askPassphrase?: true
  sealingCommand?: string
}

/** What unlocks the sealing key. There is no option for the passphrase itself: others could read it off the process. */
export const lockOptions = (): Option[] => [passphraseFileOption(), askPassphraseOption(), sealingCommandOption()]

/** @param signal ends the wait for a passphrase that comes through a pipe */
export function sealingOf(flags: SealingFlags, signal?: AbortSignal): SealingOptions {
  return {
    path: flags.sealingKey,
    lock: lockOf(flags, signal),
    askPassphrase: canAsk() ? askPassphrase('the sealing key') : undefined,
  }
}

/** @throws CommandError for a wrong command line if more than one lock is given */
export function lockOf(
  { passphraseFile, askPassphrase: asks, sealingCommand }: SealingFlags,
  signal?: AbortSignal,
): SealingOptions['lock'] {
  if ([passphraseFile, asks, sealingCommand].filter((each) => each !== undefined).length > 1) {
    const names = '--passphrase-file, --ask-passphrase and --sealing-command'
    throw usageError(`${names}: give one of them.`)
  }
  if (sealingCommand !== undefined) return { kind: 'command', command: sealingCommand }
  if (passphraseFile !== undefined) return { kind: 'passphrase', read: passphraseOfFile(passphraseFile, signal) }
  return asks && { kind: 'passphrase', read: askPassphrase('the sealing key') }
}

/** The text of a file, without the end of its last line; of a pipe as well. It is read once. */
export function passphraseOfFile(path: string, signal?: AbortSignal): ReadPassphrase {
  let text: Promise<string> | undefined
  return () => {
    text ??= readOwnerOnly(path, { pipes: true, signal }).then((bytes) => {
      if (bytes === undefined) throw new CommandError(`There is no passphrase file ${path}`)
      return decode(bytes, path).replace(/\r?\n$/, '')
    })
    return text
  }
}

/** Bytes that are no text would all become the same character, and other bytes the same passphrase. */
function decode(bytes: Uint8Array, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    const remedy = 'write random bytes in hex or base64, and other text in UTF-8'
    throw new CommandError(`The passphrase file ${path} is not text in UTF-8: ${remedy}.`)
  }
}

/** Asks on the terminal; twice for a passphrase that is new. */
export function askPassphrase(what: string): ReadPassphrase {
  return async (occasion) => {
    if (occasion === 'open') return ask(`Passphrase of ${what}: `)
    const passphrase = await ask(`New passphrase for ${what}: `)
    if ((await ask('Once more: ')) === passphrase) return passphrase
    throw new CommandError('The two passphrases differ; nothing was changed.')
  }
}
