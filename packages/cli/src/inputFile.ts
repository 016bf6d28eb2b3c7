import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { usageError } from './exitCodes.ts'
import { option } from './options.ts'

/** An option that names a file for what is too long for a command line: systems end an argument at 128 KiB. */
export const inputFileOption = (name: string, what: string) =>
  option(`--${name} <file>`, `${what}, from a file (-: stdin)`)

/** The bytes of a file. @throws the system's error, with the path, which Node leaves out where it could be opened */
export function readBytes(path: string): Promise<Buffer> {
  return readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw Object.assign(error, { path })
  })
}

/** The text of a file, or of stdin if it is called `-`. @throws CommandError if there is none */
export async function readInput(file: string): Promise<string> {
  const read = file === '-' ? text(process.stdin) : readFile(file, 'utf8')
  const found = await read.catch((error: NodeJS.ErrnoException) => {
    throw usageError(`${file} cannot be read: ${error.code}`)
  })
  // Some editors begin a file with a byte order mark, which JSON does not know.
  return found.replace(/^\uFEFF/, '')
}
