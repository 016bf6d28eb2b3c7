import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { temporaryFolder } from '@bletchley/testkit'
import { expect, it } from 'vitest'
import { withProperty } from '../test/standardStreams.ts'
import { exitCodes } from './exitCodes.ts'
import { readInput } from './inputFile.ts'

it('is the text of a file or of stdin, without a byte order mark', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'a.json')
  await writeFile(path, '\uFEFF[1]\uFEFF\n')
  expect(await readInput(path)).toBe('[1]\uFEFF\n')
  const stdin = Readable.from(['\uFEFF[', '2]'])
  expect(await withProperty(process, 'stdin', stdin, () => readInput('-'))).toBe('[2]')
})

it('that cannot be read is an error of the command line', async () => {
  await using folder = await temporaryFolder()
  const none = join(folder.path, 'none')
  const refused = (path: string, code: string) =>
    expect(readInput(path)).rejects.toMatchObject({
      message: `${path} cannot be read: ${code}`,
      exitCode: exitCodes.usage,
    })
  await refused(none, 'ENOENT')
  await refused(folder.path, 'EISDIR')
})
