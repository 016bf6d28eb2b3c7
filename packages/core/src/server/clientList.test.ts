import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex } from '@bletchley/bytes'
import { encodeZ85 } from '@bletchley/crypto'
import { generateCurveKeyPair } from '@bletchley/crypto/curve-key-file'
import { type Logger, pino } from 'pino'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ClientList, parseClientKeys, readClientKeys } from './clientList.ts'

const pairs = [generateCurveKeyPair(), generateCurveKeyPair(), generateCurveKeyPair()]
const [one, two, three] = pairs.map(({ publicKey }) => encodeZ85(publicKey)) as [string, string, string]

describe('parseClientKeys', () => {
  it('reads keys in Z85 and hex, names and comments', () => {
    expect(parseClientKeys(`# the nodes\n\n  ${one}  node one \r\n#\n`)).toEqual(new Map([[one, 'node one']]))
    expect(parseClientKeys(bytesToHex(pairs[0]!.publicKey))).toEqual(new Map([[one, '']]))
    expect(parseClientKeys('')).toEqual(new Map())
  })

  // Cut at its end: without the first character a key may begin with `#`, and is a comment then.
  it.each([one.slice(0, -1), `${one}x`, 'node', `${one.slice(0, 39)}"`])('refuses a list with the line %j', (line) => {
    const text = 'line 2 does not begin with a public key (40 characters of Z85)'
    expect(() => parseClientKeys(`# one\n${line}`)).toThrow(text)
  })

  it('refuses a list that has a key twice, in whatever form', () => {
    expect(() => parseClientKeys(`${one}\n${two}\n${one} again`)).toThrow('line 3 repeats a key')
    expect(() => parseClientKeys(`${one}\n\n${bytesToHex(pairs[0]!.publicKey)}`)).toThrow('line 3 repeats a key')
  })
})

describe('a list in a file', () => {
  let folder: string
  let path: string
  let list: ClientList | undefined
  let lines: Record<string, unknown>[]
  let logger: Logger

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'bletchley-test-'))
    path = join(folder, 'clients')
    lines = []
    logger = pino({ base: null }, { write: (line: string) => void lines.push(JSON.parse(line)) })
  })
  afterEach(async () => {
    list?.close()
    await rm(folder, { recursive: true })
  })

  const write = async (text: string): Promise<void> => {
    await writeFile(`${path}.new`, text)
    await rename(`${path}.new`, path)
  }
  const known = (): boolean[] => [one, two, three].map((key) => list!.has(key))

  it('has a megabyte at most', async () => {
    await write(`${one}\n#`.padEnd(1024 * 1024, 'x'))
    expect(await readClientKeys(path)).toEqual(new Map([[one, '']]))
    await write(`${one}\n#`.padEnd(1024 * 1024 + 1, 'x'))
    await expect(readClientKeys(path)).rejects.toThrow(`${path} is larger than 1048576 bytes`)
  })

  it('is read when it is opened; who may come in is nobody else', async () => {
    await write(`${one} a node\n${two}`)
    list = await ClientList.open(path, logger)
    expect([list.size, known()]).toEqual([2, [true, true, false]])
    expect(lines).toEqual([])
  })

  it.skipIf(process.platform === 'win32')(
    'is read again from where it was, also up from where a link leads',
    async () => {
      await mkdir(join(folder, 'elsewhere', 'deep'), { recursive: true })
      await symlink(join(folder, 'elsewhere', 'deep'), join(folder, 'link'))
      path = `${folder}/link/../clients`
      await writeFile(join(folder, 'clients'), one)
      await write(two)
      list = await ClientList.open(path, logger)
      await write(three)
      await list.reload()
      expect(known()).toEqual([false, false, true])
    },
  )

  it('that is empty lets nobody in, which is said', async () => {
    await write('# nobody\n')
    list = await ClientList.open(path, logger)
    expect([list.size, known()]).toEqual([0, [false, false, false]])
    expect(lines).toMatchObject([{ path, msg: 'the list of clients is empty: nobody is let in' }])
  })

  it('is another one when it is read again, and its listener hears of it', async () => {
    await write(`${one}\n${two}`)
    list = await ClientList.open(path, logger)
    let changes = 0
    list.onChange(() => changes++)
    for (const [text, keys, count] of [
      [`${two}\n${three}`, [false, true, true], 1],
      [`${two} renamed\n${three}`, [false, true, true], 1],
      [two, [false, true, false], 2],
      [`${two}\n${one}`, [true, true, false], 3],
    ] as const) {
      await write(text)
      await list.reload()
      expect([known(), changes], text).toEqual([keys, count])
    }
    const read = lines.map(({ added, removed, clients, msg }) => [msg, clients, added, removed])
    expect(read).toEqual([
      ['list of clients read', 2, [three], [one]],
      ['list of clients read', 2, [], []],
      ['list of clients read', 1, [], [three]],
      ['list of clients read', 2, [one], []],
    ])
  })

  it('stays as it was if what is there now cannot be used', async () => {
    await write(one)
    list = await ClientList.open(path, logger)
    let changes = 0
    list.onChange(() => changes++)
    for (const [text, reason] of [
      ['nonsense', 'line 1 does not begin with a public key (40 characters of Z85)'],
      [undefined, `ENOENT: no such file or directory, open '${path}'`],
    ] as const) {
      if (text === undefined) await rm(path)
      else await write(text)
      await list.reload()
      expect([known(), changes]).toEqual([[true, false, false], 0])
      expect(lines.pop()).toMatchObject({
        ...{ level: 50, path, reason },
        msg: 'the list of clients cannot be used: the old one stays in force',
      })
    }
    await write(two)
    await list.reload()
    expect([known(), changes]).toEqual([[false, true, false], 1])
  })

  it('is watched, and not any more when it is closed', async () => {
    await write(one)
    list = await ClientList.open(path, logger)
    let changes = 0
    const changed = new Promise<void>((resolve) => {
      list!.onChange(() => {
        changes++
        resolve()
      })
    })
    // Of another length: a file system may tell times by the second.
    await write(`${one}\n${two}`)
    await changed
    expect(known()).toEqual([true, true, false])
    list.close()
    await write(three)
    await list.reload()
    expect(changes).toBe(1)
  })
})
