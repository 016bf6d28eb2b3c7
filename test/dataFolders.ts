import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setImmediate } from 'node:timers/promises'
import { bytesToHex } from '@bletchley/bytes'
import { verify } from '@bletchley/care'
import { type ContractStore, KeyValueStore, openLmdb } from '@bletchley/store'
import { CommandProcess, runCommand } from '@bletchley/testkit'
import { expect } from 'vitest'

// What the tests of a data folder do to it: read it, damage it, fill its disk, kill what works on it.

/** How often a kill may come too late: the command goes on meanwhile. */
const tries = 50

interface Output {
  code: number | null
  stderr: string
  [name: string]: unknown
}

/** Runs a command to its end; what it printed with --json, and how it ended. */
export async function json(...args: string[]): Promise<Output> {
  const { code, stdout, stderr } = await runCommand([...args, '--json'])
  return { ...(stdout === '' ? {} : (JSON.parse(stdout) as object)), code, stderr }
}

/** As `bletchley verify` without keys. */
export async function findingsOf(dataFolder: string): Promise<string[]> {
  const found: string[] = []
  await verify({ dataFolder, onFinding: ({ problem }) => found.push(problem) })
  return found
}

export const problems = (output: Output): string[] =>
  (output.findings as { problem: string }[]).map(({ problem }) => problem)

/** Everything that a database says to peers. */
export async function contentsOf(folder: string): Promise<Record<string, unknown>> {
  return withStore(folder, async (store) => {
    const contents: Record<string, unknown> = {}
    for (const address of await store.allAddresses()) {
      const deltas = await store.getDeltas(address, 0, 2 ** 32)
      contents[bytesToHex(address)] = [
        bytesToHex((await store.getBytecode(address)) ?? new Uint8Array()),
        deltas.map(({ key, data: blob }) => `${key} ${bytesToHex(blob)}`),
      ]
    }
    return contents
  })
}

export async function withStore<T>(folder: string, work: (store: ContractStore) => Promise<T>): Promise<T> {
  const store = await KeyValueStore.open(await openLmdb({ folder: join(folder, 'store') }), {
    hash: (blob) => blob,
  })
  try {
    return await work(store)
  } finally {
    await store.close()
  }
}

/** Writes records that no store would. */
export async function damage(folder: string, key: Uint8Array, value: Uint8Array | undefined): Promise<void> {
  const backend = await openLmdb({ folder: join(folder, 'store') })
  await backend.commit([{ key, value }])
  await backend.close()
}

export const bytes = (...parts: (number | Uint8Array)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...part])))
export const recordKey = (address: Uint8Array, tag: number, index?: number): Uint8Array =>
  bytes(4, address, tag, ...(index === undefined ? [] : [0, 0, index >> 8, index & 255]))

/**
 * Kills a command as soon as each of the moments has come, and looks at what is there.
 *
 * @param moments whether it has come so far
 * @param look tells whether the kill met unfinished work: one that came too late is tried again
 */
export async function killAtMoments(
  args: string[],
  prepare: () => Promise<void>,
  moments: (() => boolean)[],
  look: () => Promise<boolean>,
): Promise<void> {
  for (const [index, hasCome] of moments.entries()) {
    let hit = false
    for (let left = tries; left > 0 && !hit; left--) {
      await prepare()
      const command = new CommandProcess(args)
      while (command.running && !hasCome()) await setImmediate()
      const { signal } = await command.kill('SIGKILL')
      hit = (await look()) && signal === 'SIGKILL'
    }
    expect(hit, `moment ${index} of ${args[0]}`).toBe(true)
  }
}

/** A process that has a database open, and reads its first contract when it is asked. */
export class Reader {
  readonly #child: ChildProcess
  readonly #lines: AsyncIterableIterator<string>

  constructor(folder: string) {
    const script = `
      import { KeyValueReader, openLmdb } from '@bletchley/store'
      import { createHash } from 'node:crypto'
      const reader = await KeyValueReader.openExisting(await openLmdb({ folder: process.argv[1], readOnly: true }))
      for await (const _ of process.stdin) {
        const hash = createHash('sha256')
        for (const address of await reader.allAddresses()) {
          for (const { data } of await reader.getDeltas(address, 0, 2 ** 32)) hash.update(data)
        }
        console.log(hash.digest('hex'))
      }`
    const args = ['--input-type=module', '-e', script, join(folder, 'store')]
    this.#child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#lines = createInterface({ input: this.#child.stdout! })[Symbol.asyncIterator]()
  }

  async read(): Promise<string> {
    this.#child.stdin!.write('\n')
    return (await this.#lines.next()).value as string
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit')
    this.#child.stdin!.end()
    await ended
  }
}

/** Writes until there is no room. */
export async function fill(path: string): Promise<void> {
  const file = await open(path, 'w')
  try {
    for (;;) await file.writeFile(new Uint8Array(1 << 16))
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' })
  } finally {
    await file.close()
  }
}

export async function withStoreRecord(folder: string, key: Uint8Array): Promise<Uint8Array> {
  const backend = await openLmdb({ folder: join(folder, 'store'), readOnly: true })
  const value = await backend.get(key)
  await backend.close()
  return value!.slice()
}

export function flipped(content: Uint8Array, at: number): Uint8Array {
  return content.map((byte, index) => (index === at ? byte ^ 1 : byte))
}

export async function flipByte(path: string, at: number): Promise<void> {
  await writeFile(path, flipped(await readFile(path), at))
}
