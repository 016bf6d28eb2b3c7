import { readFile } from 'node:fs/promises'

/**
 * The text of a source, without what editors and Git make of it on other systems: a byte order mark, and CR before LF. So
 * the same source has the same hash and the same code everywhere.
 */
export async function readSource(path: string): Promise<string> {
  const text = await readFile(path, 'utf8')
  return text.replace(/^\uFEFF/, '').replaceAll('\r\n', '\n')
}
