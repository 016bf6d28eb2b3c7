import { constants } from 'node:fs'
import { type FileHandle, open, rename, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { bytesToHex, concatBytes, equalBytes, u32be } from '@bletchley/bytes'
import { withReader } from '@bletchley/core/data-folder'
import { syncFolder, systemPath } from '@bletchley/crypto/key-file'
import type { ContractReader, Finding } from '@bletchley/store'
import {
  allRecord,
  encodeRecord,
  type FileRecord,
  header,
  kinds,
  newDigest,
  RecordReader,
  readContract,
} from './exportFormat.ts'
import { assertOutside, assertReplaceable } from './files.ts'
import type { LongRun } from './longRun.ts'

export interface ExportOptions extends LongRun {
  dataFolder: string
  /** Replaced when the export is complete; until then it is called `<file>.partial`. */
  file: string
  /** 32 bytes each; all contracts if absent. */
  addresses?: readonly Uint8Array[] | undefined
}

export interface Exported {
  contracts: number
  /** Of them, those that an export that was broken off had written already. */
  resumed: number
  bytes: number
  /** Contracts that were left out, and why. */
  leftOut: Finding[]
}

/** Small records are gathered, so that each does not cost a call. */
const writeBytes = 1 << 20

/**
 * Writes contracts, bytecode and deltas, to a file (docs/export-format.md), also beside the core. A contract is written
 * up to the tip that it has when its turn comes.
 *
 * Goes on where one to the same file was broken off: contracts that are whole in `<file>.partial` are kept as they are.
 */
export async function exportContracts(options: ExportOptions): Promise<Exported> {
  const { dataFolder, signal } = options
  const target = systemPath(options.file)
  const partial = `${target}.partial`
  assertOutside(dataFolder, target, 'an export')
  for (const path of [target, partial]) assertReplaceable(path)
  return withReader(dataFolder, async (reader) => {
    const wanted = options.addresses ?? (await reader.allAddresses())
    const file = await open(partial, constants.O_RDWR | constants.O_CREAT, 0o600)
    try {
      await assertOwn(file, partial)
      await assertLeftOver(file, partial)
      const names = new Set(wanted.map(bytesToHex))
      const kept = await keepWhole(file, names)
      const output = new Output(file, kept.end)
      const digests = [...kept.digests.values()]
      const leftOut: Finding[] = []
      let done = kept.digests.size
      for (const address of wanted) {
        if (kept.digests.has(bytesToHex(address))) continue
        signal?.throwIfAborted()
        const start = output.position
        const result = await writeContract(reader, address, output)
        if (typeof result === 'string') {
          leftOut.push({ address, problem: result })
          await output.cutTo(start)
        } else digests.push(result)
        options.onProgress?.(++done, wanted.length)
      }
      await output.write(allRecord(digests))
      await output.flush()
      await file.sync()
      await assertSame(file, partial)
      assertReplaceable(target)
      await rename(partial, target)
      await syncFolder(dirname(resolve(target)))
      return { contracts: digests.length, resumed: kept.digests.size, bytes: output.position, leftOut }
    } finally {
      await file.close()
    }
  })
}

/** @throws Error if somebody else has put it there: what is whole in it would be kept, and he could still write it */
async function assertOwn(file: FileHandle, path: string): Promise<void> {
  const { uid } = await file.stat()
  if (process.getuid !== undefined && uid !== process.getuid()) {
    throw new Error(`${path} belongs to another user; remove it, or write elsewhere`)
  }
}

/** @throws Error if it is nothing that an export has left, which would be lost */
async function assertLeftOver(file: FileHandle, path: string): Promise<void> {
  // Of whatever version.
  const length = header.length - 1
  const { bytesRead, buffer } = await file.read(new Uint8Array(length), 0, length, 0)
  if (equalBytes(buffer.subarray(0, bytesRead), header.subarray(0, bytesRead))) return
  throw new Error(`${path} is in the way, and is no export that was broken off: move it, or write elsewhere`)
}

/** @throws Error if the path leads to another file than the one that is open */
async function assertSame(file: FileHandle, path: string): Promise<void> {
  const [open, there] = [await file.stat(), await stat(path).catch(() => undefined)]
  if (there?.ino !== open.ino || there.dev !== open.dev) throw new Error(`${path} was removed or replaced meanwhile`)
}

/** Finds what is whole in a file that an earlier export has left, and cuts off the rest. */
async function keepWhole(
  file: FileHandle,
  wanted: Set<string>,
): Promise<{ digests: Map<string, Uint8Array>; end: number }> {
  const digests = new Map<string, Uint8Array>()
  let end = header.length
  try {
    const reader = await RecordReader.open(file)
    for (;;) {
      const contract = await readContract(reader)
      if ('all' in contract) break
      const name = bytesToHex(contract.address)
      // Of another selection, or twice: what follows is written anew.
      if (!wanted.has(name) || digests.has(name)) break
      digests.set(name, contract.digest)
      end = reader.position
    }
  } catch {
    // Here it was broken off.
  }
  // The header first: what is left is known by it.
  await file.write(header, 0, header.length, 0)
  await file.truncate(end)
  return { digests, end }
}

/** @returns the contract's digest, or why it cannot be exported */
async function writeContract(
  reader: ContractReader,
  address: Uint8Array,
  output: Output,
): Promise<Uint8Array | string> {
  if (!(await reader.hasContract(address))) return 'there is no such contract'
  const bytecode = await reader.getBytecode(address)
  const tip = (await reader.getTip(address))?.key
  const hash = newDigest()
  const write = async (record: FileRecord): Promise<void> => {
    const bytes = encodeRecord(record)
    hash.update(bytes)
    await output.write(record, bytes)
  }
  await write({ kind: kinds.contract, payload: address })
  if (bytecode !== undefined) await write({ kind: kinds.bytecode, payload: bytecode })
  let next = 0
  if (tip !== undefined) {
    for await (const chunk of reader.deltaChunks(address, 0, tip + 1)) {
      for (const { key, data } of chunk) {
        if (key !== next) return `delta ${next} is missing`
        await write({ kind: kinds.delta, payload: concatBytes(u32be(key), data) })
        next += 1
      }
    }
    if (next !== tip + 1) return 'it was changed meanwhile'
  }
  const digest = hash.digest()
  await output.write({ kind: kinds.end, payload: digest })
  return digest
}

class Output {
  readonly #file: FileHandle
  #pieces: Uint8Array[] = []
  #waiting = 0
  #written: number

  constructor(file: FileHandle, position: number) {
    this.#file = file
    this.#written = position
  }

  /** Where what has been written ends. */
  get position(): number {
    return this.#written
  }

  async write(record: FileRecord, bytes = encodeRecord(record)): Promise<void> {
    this.#pieces.push(bytes)
    this.#waiting += bytes.length
    // A whole contract ends in the file, so that it is not lost when the process is killed.
    if (this.#waiting >= writeBytes || record.kind === kinds.end) await this.flush()
  }

  async flush(): Promise<void> {
    const bytes = concatBytes(...this.#pieces)
    this.#pieces = []
    this.#waiting = 0
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.#file.write(bytes, done, bytes.length - done, this.#written)
      done += bytesWritten
      this.#written += bytesWritten
    }
  }

  async cutTo(position: number): Promise<void> {
    await this.flush()
    await this.#file.truncate(position)
    this.#written = position
  }
}
