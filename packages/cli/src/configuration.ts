import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { buffer } from 'node:stream/consumers'
import { type Command, CommanderError, InvalidArgumentError, type Option } from 'commander'
import type { ConfigurationFile, Value } from './configurationFile.ts'
import { usageError } from './exitCodes.ts'
import { isRepeatable, shownValue } from './options.ts'

/*
 * Where options come from: the command line, else the environment, else the configuration file, else their default.
 * They are declared once, for the command line (options.ts); a key of the file is the name of an option in camel case,
 * and its value is read as the command line would read it.
 */

/** Looked for in the working directory if no file is named. */
const fileNames = ['bletchley.config.yaml', 'bletchley.config.json']

/** A configuration is short; anything larger is another file. */
const maxFileBytes = 1 << 20

/** Those that may write a file decide what the command does. */
const writableByAll = 0o002

/** Names of all commands, and for each the options that it has. */
export type KnownOptions = ReadonlyMap<string, ReadonlySet<string>>

/**
 * Lets the options of a command also come from a configuration file, and adds `--config` and `--print-config`.
 *
 * @param name  of the command as it is typed, without `bletchley`
 * @param known the options of all commands; asked for only if the file has keys that are not this command's
 */
export function addConfiguration(command: Command, name: string, known: () => Promise<KnownOptions>): void {
  // A configuration file may give them, so that it can only be known later whether they are missing.
  const mandatory = command.options.filter((each) => each.mandatory)
  for (const each of mandatory) each.mandatory = false
  for (const each of command.options) refuseVagueSwitch(each)

  command.hook('preAction', async () => {
    const file = await readConfiguration(command.getOptionValue('config') as string | undefined)
    if (file !== undefined) await apply(file, command, name, known)
    for (const each of mandatory) {
      if (command.getOptionValue(each.attributeName()) !== undefined) continue
      command.error(`error: required option '${each.flags}' not specified`)
    }
    if (command.getOptionValue('printConfig') === undefined) return
    process.stdout.write(printed(command, file?.path))
    throw new CommanderError(0, 'bletchley.printed', '')
  })
}

/** In the environment a switch is `true` or `false`; commander would take any text, also `false`, for yes. */
function refuseVagueSwitch({ envVar, required, optional, long }: Option): void {
  if (envVar === undefined || required || optional || process.env[envVar] === undefined) return
  const value = process.env[envVar]
  if (value === 'false') delete process.env[envVar]
  else if (value !== 'true') throw usageError(`${envVar} (${long}) must be true or false.`)
}

/** @throws CommandError that names the file and what is wrong with it */
async function readConfiguration(named: string | undefined): Promise<ConfigurationFile | undefined> {
  for (const path of named === undefined ? fileNames : [named]) {
    const text = await readText(path, named !== undefined)
    if (text === undefined) continue
    // Most commands have no such file, and start sooner without a parser for it.
    const { parseConfiguration } = await import('./configurationFile.ts')
    return parseConfiguration(text, path)
  }
  return undefined
}

async function readText(path: string, named: boolean): Promise<string | undefined> {
  const fail = ({ code }: NodeJS.ErrnoException): never => {
    throw usageError(`The configuration file ${path} cannot be read: ${code}`)
  }
  // One that lies about may be a pipe, and opening that waits for somebody who writes to it.
  const flags = named ? constants.O_RDONLY : constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)
  await using file = await open(path, flags).catch((error: NodeJS.ErrnoException) =>
    !named && error.code === 'ENOENT' ? undefined : fail(error),
  )
  if (file === undefined) return undefined
  const status = await file.stat()
  if (!named && !status.isFile())
    throw usageError(`The configuration file ${path} is not a file; name it with --config to use it.`)
  const { mode, uid } = status
  const foreign = process.getuid !== undefined && uid !== 0 && uid !== process.getuid()
  if (process.getuid !== undefined && (mode & writableByAll) !== 0) {
    throw usageError(`The configuration file ${path} can be written by anybody (chmod o-w).`)
  }
  // Whoever puts a file where the command happens to be run must not decide what it does.
  if (!named && foreign) {
    throw usageError(`The configuration file ${path} belongs to another user; name it with --config to use it.`)
  }
  // Of a pipe or a device nobody knows the size before.
  const bytes = await buffer(file.createReadStream({ end: maxFileBytes, autoClose: false })).catch(fail)
  if (bytes.length > maxFileBytes) throw usageError(`The configuration file ${path} is too large.`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    // Of another encoding, the name of a data folder would be that of another one.
    throw usageError(`The configuration file ${path} is not text in UTF-8.`)
  }
}

async function apply(
  file: ConfigurationFile,
  command: Command,
  name: string,
  known: () => Promise<KnownOptions>,
): Promise<void> {
  const options = new Map(command.options.map((each) => [each.attributeName(), each]))
  if ([...file.shared.keys()].some((key) => !isKey(key, options)) || file.sections.size > 0) {
    assertKnown(file, await known())
  }
  for (const [key, value] of [...file.shared, ...(file.sections.get(name) ?? [])]) {
    const option = options.get(key)
    if (option === undefined) continue
    const source = command.getOptionValueSource(key)
    // A section comes after what is shared, and takes its place.
    if (source === undefined || source === 'default' || source === 'config') {
      command.setOptionValueWithSource(key, parse(option, value, file.path), 'config')
    }
  }
}

/** Which file to read, and what to do with it, cannot stand in the file. */
function isKey(key: string, options: ReadonlyMap<string, Option>): boolean {
  return options.has(key) && key !== 'config' && key !== 'printConfig'
}

function assertKnown({ path, shared, sections }: ConfigurationFile, known: KnownOptions): void {
  const all = new Set([...known.values()].flatMap((each) => [...each]))
  for (const key of shared.keys()) {
    if (!all.has(key)) throw usageError(`${path}: ${key} is no option of any command.${suggestion(key, all)}`)
  }
  for (const [name, section] of sections) {
    const options = known.get(name)
    if (options === undefined) throw usageError(`${path}: ${name} is no command.${suggestion(name, known.keys())}`)
    for (const key of section.keys()) {
      if (!options.has(key)) {
        throw usageError(`${path}: ${name}.${key} is no option of bletchley ${name}.${suggestion(key, options)}`)
      }
    }
  }
}

function suggestion(key: string, names: Iterable<string>): string {
  const flat = (text: string): string => text.toLowerCase().replace(/[^a-z]/g, '')
  const near = [...names].find((each) => flat(each) === flat(key))
  return near === undefined ? '' : ` It is called ${near}.`
}

function parse(option: Option, value: Value, path: string): unknown {
  const fail = (reason: string): never => {
    throw usageError(`${path}: ${option.attributeName()} (${option.flags}) is invalid. ${reason}`)
  }
  if (!option.required && !option.optional) {
    if (value === 'true') return true
    return value === 'false' ? undefined : fail('It must be true or false.')
  }
  const parseOne = option.parseArg as ((text: string, previous: unknown) => unknown) | undefined
  try {
    if (typeof value === 'string') return parseOne ? parseOne(value, undefined) : value
    if (!isRepeatable(option)) return fail('It takes one value.')
    return value.reduce((previous: unknown, each) => parseOne!(each, previous), undefined)
  } catch (error) {
    if (error instanceof InvalidArgumentError) return fail(error.message)
    throw error
  }
}

function printed(command: Command, path: string | undefined): string {
  const rows = command.options
    .filter((each) => !['config', 'printConfig'].includes(each.attributeName()))
    .map((each) => {
      const key = each.attributeName()
      const value = shownValue(command.getOptionValue(key))
      return { key, value, origin: originOf(command.getOptionValueSource(key), each, path) }
    })
  const widest = Math.max(...rows.map(({ key, value }) => key.length + value.length))
  // Comments of YAML, so that what is printed is itself a configuration file.
  return rows
    .map(({ key, value, origin }) => {
      const line = value === '' ? `# ${key}:` : `${key}: ${value}`
      return `${line.padEnd(widest + 4)}  # ${origin}\n`
    })
    .join('')
}

function originOf(source: string | undefined, option: Option, path: string | undefined): string {
  if (source === 'cli') return 'command line'
  if (source === 'env') return `environment, ${option.envVar}`
  if (source === 'config') return path!
  return source === 'default' ? 'default' : 'not set'
}
