import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { temporaryFolder } from '@bletchley/testkit'
import { describe, expect, it } from 'vitest'
import { atTerminal, outputOf, withProperty } from '../test/standardStreams.ts'
import { CommandError, exitCodes } from './exitCodes.ts'
import { askPassphrase, lockOf, passphraseOfFile, sealingOf } from './sealing.ts'
import { ask, canAsk } from './terminal.ts'

async function secretFile(folder: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, 'secret')
  await writeFile(path, content)
  await chmod(path, 0o600)
  return path
}

const refusal = (message: string, exitCode: number = exitCodes.failed) =>
  Object.assign(new CommandError(message), { exitCode })

describe('a passphrase of a file', () => {
  it('is its text without the end of the last line, and is read once', async () => {
    await using folder = await temporaryFolder()
    for (const [content, passphrase] of [
      ['secret', 'secret'],
      ['secret\n', 'secret'],
      ['two\nlines \r\n', 'two\nlines '],
      ['empty line\n\n', 'empty line\n'],
    ]) {
      const path = await secretFile(folder.path, content!)
      const read = passphraseOfFile(path)
      expect(await read('open'), content).toBe(passphrase)
      await writeFile(path, 'another')
      expect(await read('open'), content).toBe(passphrase)
    }
  })

  it('is text, and there', async () => {
    await using folder = await temporaryFolder()
    const path = await secretFile(folder.path, Uint8Array.of(0x80))
    await expect(passphraseOfFile(path)('open')).rejects.toEqual(
      refusal(
        `The passphrase file ${path} is not text in UTF-8: write random bytes in hex or base64, and other text in UTF-8.`,
      ),
    )
    const none = join(folder.path, 'none')
    await expect(passphraseOfFile(none)('open')).rejects.toEqual(refusal(`There is no passphrase file ${none}`))
  })
})

describe('the lock', () => {
  it('is the one that is given', async () => {
    await using folder = await temporaryFolder()
    expect(lockOf({})).toBeUndefined()
    expect(lockOf({ sealingCommand: 'give' })).toEqual({ kind: 'command', command: 'give' })
    const lock = lockOf({ passphraseFile: await secretFile(folder.path, 'secret') })
    expect(lock).toEqual({ kind: 'passphrase', read: expect.any(Function) })
    expect(lock?.kind === 'passphrase' && (await lock.read('open'))).toBe('secret')
    const asked = lockOf({ askPassphrase: true })
    expect(asked).toEqual({ kind: 'passphrase', read: expect.any(Function) })
    expect(asked?.kind === 'passphrase' && (await outputAtTerminal(['typed\n'], () => asked.read('open'))).value).toBe(
      'typed',
    )
  })

  it('is one', () => {
    const all = { passphraseFile: 'a', askPassphrase: true, sealingCommand: 'b' } as const
    const message = '--passphrase-file, --ask-passphrase and --sealing-command: give one of them.'
    for (const left of ['passphraseFile', 'askPassphrase', 'sealingCommand'] as const) {
      const { [left]: _, ...two } = all
      expect(() => lockOf(two), left).toThrow(refusal(message, exitCodes.usage))
    }
  })

  it('is asked for where there is somebody to ask', async () => {
    const flags = { sealingKey: 'a.key', sealingCommand: 'give' }
    const lock = { kind: 'command', command: 'give' }
    expect(sealingOf(flags)).toEqual({ path: 'a.key', lock, askPassphrase: undefined })
    const { value } = await outputAtTerminal([], async () => sealingOf({}))
    expect(value).toEqual({ path: undefined, lock: undefined, askPassphrase: expect.any(Function) })
  })
})

describe('a passphrase that is asked for', () => {
  it('is typed once to open', async () => {
    const asked = await outputAtTerminal(['typed\n'], () => askPassphrase('the backup')('open'))
    expect(asked).toEqual({ value: 'typed', stdout: '', stderr: 'Passphrase of the backup: \n' })
  })

  it('is typed twice to lock', async () => {
    const asked = await outputAtTerminal(['typed\n', 'typed\n'], () => askPassphrase('the backup')('choose'))
    expect(asked).toEqual({
      value: 'typed',
      stdout: '',
      stderr: 'New passphrase for the backup: \nOnce more: \n',
    })
    const differing = atTerminal(['typed\n', 'Typed\n'], () => silently(() => askPassphrase('the backup')('choose')))
    await expect(differing).rejects.toEqual(refusal('The two passphrases differ; nothing was changed.'))
  })

  it.each([
    ['Ctrl-C', '\u0003'],
    ['Ctrl-D', '\u0004'],
  ])('may be broken off with %s', async (_, typed) => {
    const broken = atTerminal([typed], () => silently(() => ask('?')))
    await expect(broken).rejects.toEqual(refusal('No passphrase was given.'))
  })

  it('needs a terminal to type at, and to read the question on', async () => {
    const reason = 'There is no terminal to ask for a passphrase; use --passphrase-file.'
    for (const [typed, shown] of [
      [true, false],
      [false, true],
    ]) {
      await withProperty(process.stdin, 'isTTY', typed, () =>
        withProperty(process.stderr, 'isTTY', shown, () => {
          expect(canAsk()).toBe(false)
          expect(() => ask('?')).toThrow(refusal(reason))
        }),
      )
    }
  })
})

async function silently<T>(work: () => Promise<T>): Promise<T> {
  let value!: T
  await outputOf(async () => {
    value = await work()
  })
  return value
}

async function outputAtTerminal<T>(answers: readonly string[], work: () => Promise<T>) {
  let value: T | undefined
  const output = await outputOf(async () => {
    value = await atTerminal(answers, work)
  })
  return { value, ...output }
}
