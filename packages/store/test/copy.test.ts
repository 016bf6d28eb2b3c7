import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { ContractReader, copyLmdb, openLmdb, StorageError } from '../src/index.ts'
import { bytes32, openStore } from './model.ts'

const run = promisify(execFile)
const address = bytes32(1)

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'bletchley-copy.'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true }) }
}

async function makeStore(folder: string): Promise<void> {
  const store = await openStore(openLmdb({ folder }))
  for (let key = 0; key < 50; key++) await store.putDeltas([{ address, key, data: new Uint8Array(60_000).fill(key) }])
  await store.close()
}

test('a copy takes a large removal as its first write', async () => {
  await using folder = await temporaryFolder()
  const [source, target] = [join(folder.path, 'a'), join(folder.path, 'b')]
  await makeStore(source)
  await copyLmdb(source, target)
  // In a process of its own: when this goes wrong, the process ends.
  const script = `
    import { ContractStore, openLmdb } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)}
    const store = await ContractStore.open(openLmdb({ folder: ${JSON.stringify(target)} }), { hashDelta: (data) => data })
    await store.removeDeltas([{ address: new Uint8Array(${JSON.stringify([...address])}), from: 10, to: 50 }])
    await store.close()`
  await run(process.execPath, ['--input-type=module', '-e', script])
  const reader = new ContractReader(openLmdb({ folder: target, readOnly: true }))
  expect(await reader.getTip(address)).toMatchObject({ key: 9 })
})

test('a file that is no database, or was cut off, is refused and does not end the process', async () => {
  await using folder = await temporaryFolder()
  const [path, file] = [join(folder.path, 'a'), join(folder.path, 'a', 'data.mdb')]
  await makeStore(path)
  for (const [change, message] of [
    [() => truncate(file, 100_000), 'was cut off'],
    [() => truncate(file, 4100), 'is not a database'],
    [() => writeFile(file, new Uint8Array(9000).fill(7)), 'is not a database'],
    [() => writeFile(file, 'text'), 'is not a database'],
  ] as const) {
    await change()
    for (const readOnly of [true, false]) {
      expect(() => openLmdb({ folder: path, readOnly }), message).toThrow(StorageError)
      expect(() => openLmdb({ folder: path, readOnly })).toThrow(message)
    }
    await expect(copyLmdb(path, join(folder.path, 'b'))).rejects.toThrow(message)
  }
  await rm(file)
  await mkdir(file)
  expect(() => openLmdb({ folder: path })).toThrow(`${file} cannot be read (EISDIR)`)
  await rm(file, { recursive: true })
  await writeFile(file, 'text')
  // As LMDB leaves it when it is killed while it makes it.
  await truncate(file, 0)
  expect(() => openLmdb({ folder: path, readOnly: true })).toThrow('holds no database')
  await makeStore(path)
})
