import { createHash, type Hash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { concatBytes, equalBytes, u32At, u32be, utf8ToBytes } from '@bletchley/bytes'

/*
 * The file of `bletchley export`, docs/export-format.md:
 *
 *   "BLETCHLEY EXPORT\n" version(1), then records: kind(1) length(u32be) payload
 *   1 contract   address(32)
 *   2 bytecode   directly behind its contract, or absent
 *   3 delta      number(u32be) blob; from 0 on, without holes
 *   4 end        SHA-256 of the contract's records, from its kind 1 up to here
 *   5 all        contracts(u32be), SHA-256 of the digests of all contracts
 */

export const header = concatBytes(utf8ToBytes('BLETCHLEY EXPORT\n'), Uint8Array.of(1))

export const kinds = { contract: 1, bytecode: 2, delta: 3, end: 4, all: 5 } as const
export type Kind = (typeof kinds)[keyof typeof kinds]

export interface FileRecord {
  kind: Kind
  payload: Uint8Array
}

/** Kind and length. */
const headBytes = 5
/** More than any bytecode or delta that a core takes: a longer one is damage. */
const maxPayloadBytes = 1 << 28
const readAheadBytes = 1 << 20

export function encodeRecord({ kind, payload }: FileRecord): Uint8Array {
  return concatBytes(Uint8Array.of(kind), u32be(payload.length), payload)
}

export const newDigest = (): Hash => createHash('sha256')

/** The last record of a file. */
export function allRecord(digests: readonly Uint8Array[]): FileRecord {
  const hash = newDigest()
  for (const digest of digests) hash.update(digest)
  return { kind: kinds.all, payload: concatBytes(u32be(digests.length), hash.digest()) }
}

/** The file is not an export, is damaged, or ends too early. */
export class ExportFileError extends Error {
  override readonly name = 'ExportFileError'
}

/** Reads the records of a file, one after the other, from wherever it is told to. */
export class RecordReader {
  readonly #file: FileHandle
  readonly size: number
  #position = header.length
  /** What has been read from the file, and where that begins. */
  #buffer = new Uint8Array()
  #bufferAt = 0

  private constructor(file: FileHandle, size: number) {
    this.#file = file
    this.size = size
  }

  /** @throws ExportFileError if it is something else, or of another version */
  static async open(file: FileHandle): Promise<RecordReader> {
    const reader = new RecordReader(file, (await file.stat()).size)
    const start = await reader.#read(0, Math.min(header.length, reader.size))
    const magic = header.subarray(0, -1)
    if (!equalBytes(start.subarray(0, magic.length), magic))
      throw new ExportFileError('it is not an export of contracts')
    if (!equalBytes(start, header)) {
      throw new ExportFileError(`it has version ${start[magic.length] ?? 'none'}; this program knows ${header.at(-1)}`)
    }
    return reader
  }

  /** Where the next record begins. */
  get position(): number {
    return this.#position
  }

  seek(position: number): void {
    this.#position = position
  }

  /** @throws ExportFileError if the file ends, or there is no record */
  async next(): Promise<FileRecord> {
    const at = this.#position
    const head = await this.#read(at, headBytes)
    const kind = head[0] as Kind
    const length = u32At(head, 1)
    if (!Object.values(kinds).includes(kind) || length > maxPayloadBytes) {
      throw new ExportFileError(`it is damaged at byte ${at}`)
    }
    const payload = await this.#read(at + headBytes, length)
    this.#position = at + headBytes + length
    return { kind, payload }
  }

  async #read(from: number, length: number): Promise<Uint8Array> {
    if (from + length > this.size) throw new ExportFileError('it ends too early')
    const end = this.#bufferAt + this.#buffer.length
    if (from < this.#bufferAt || from + length > end) {
      const wanted = Math.min(Math.max(length, readAheadBytes), this.size - from)
      const buffer = new Uint8Array(wanted)
      for (let filled = 0; filled < wanted; ) {
        const { bytesRead } = await this.#file.read(buffer, filled, wanted - filled, from + filled)
        if (bytesRead === 0) throw new ExportFileError('it ends too early')
        filled += bytesRead
      }
      this.#buffer = buffer
      this.#bufferAt = from
    }
    const start = from - this.#bufferAt
    return this.#buffer.slice(start, start + length)
  }
}

/** What stands in a file of one contract, without its bytes. */
export interface ContractInFile {
  /** 32 bytes. */
  address: Uint8Array
  /** Where its records begin in the file. */
  from: number
  hasBytecode: boolean
  deltas: number
  digest: Uint8Array
}

/**
 * Reads one contract and checks it against its digest, or finds the end of the file.
 *
 * @param onRecord is given what is between the first and the last record, before it is known whether the digest fits
 * @returns the digests of all that should have come before, at the end of the file
 * @throws ExportFileError
 */
export async function readContract(
  reader: RecordReader,
  onRecord: (record: FileRecord, address: Uint8Array) => Promise<void> = async () => {},
): Promise<ContractInFile | { all: Uint8Array }> {
  const from = reader.position
  const first = await reader.next()
  if (first.kind === kinds.all) return { all: first.payload }
  const damaged = () => new ExportFileError(`it is damaged behind byte ${from}`)
  if (first.kind !== kinds.contract || first.payload.length !== 32) throw damaged()
  const address = first.payload
  const hash = newDigest().update(encodeRecord(first))
  let hasBytecode = false
  let deltas = 0
  for (;;) {
    const record = await reader.next()
    if (record.kind === kinds.end) {
      const digest = hash.digest()
      if (!equalBytes(digest, record.payload)) throw damaged()
      return { address, from, hasBytecode, deltas, digest }
    }
    if (record.kind === kinds.bytecode && !hasBytecode && deltas === 0) hasBytecode = true
    else if (record.kind === kinds.delta && deltaNumber(record) === deltas) deltas += 1
    else throw damaged()
    hash.update(encodeRecord(record))
    await onRecord(record, address)
  }
}

/** @returns NaN if there is none */
export function deltaNumber({ payload }: FileRecord): number {
  return payload.length < 4 ? Number.NaN : u32At(payload, 0)
}
