import { createHash } from 'node:crypto'
import { createReadStream, fstatSync, statSync } from 'node:fs'
import { type FileHandle, open, readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { syncFolder } from '@bletchley/crypto/key-file'
import { problemOf, type Watched } from '@bletchley/crypto/watched-file'

const fileName = 'audit.jsonl'
const olderName = /^audit-\d{12}\.jsonl$/
const noHash = '0'.repeat(64)
/** The file is put aside beyond this. */
const maxFileBytes = 1 << 26
/** A line with 1000 contracts has some 70 000 bytes. */
const maxLineBytes = 1 << 20

/** What a worker asked for, and got. */
export interface AuditEntry {
  /** 40 lower-case digits. */
  worker: string
  outcome: 'given' | 'refused' | 'failed'
  /** Why not. */
  reason?: string
  /** How many contracts it was about. */
  count: number
  /** Which ones, up to 1000; of a refused request the first 10; in hex. */
  contracts?: readonly string[]
  /** How many of them had no key before. */
  made?: number
  /** Requests beyond the rate limits since the line before; they get no line. */
  omitted?: number
}

/** How far a chain of lines goes. */
export interface AuditHead {
  /** Number of the last line; 0 if there is none. */
  n: number
  /** Its hash. */
  hash: string
}

interface Waiting {
  line: string
  head: AuditHead
  resolve: (head: AuditHead) => void
  reject: (error: unknown) => void
}

/**
 * Who asked for which keys: `audit.jsonl` in the principal's data folder, one line a request, never changed.
 *
 * Each line ends in the hash of all that stands before in it, among which is the hash of the line before; so a line that
 * was changed, removed or put in is noticed, except for lines that were cut off at the end, which only who has noted a
 * later hash can tell. A file of 64 MB is put aside as `audit-<number of its last line>.jsonl`, and the chain goes on.
 */
export class AuditLog implements Watched {
  readonly #dataFolder: string
  readonly #besides: readonly Watched[]
  #file: FileHandle
  #length: number
  #durable: AuditHead
  #head: AuditHead
  #waiting: Waiting[] = []
  #flushing: Promise<void> | undefined
  #isPuttingAside = false

  private constructor(
    dataFolder: string,
    besides: readonly Watched[],
    file: FileHandle,
    length: number,
    head: AuditHead,
  ) {
    this.#dataFolder = dataFolder
    this.#besides = besides
    this.#file = file
    this.#length = length
    this.#durable = head
    this.#head = head
  }

  /**
   * @param dataFolder must be there
   * @param besides    what else must be as it was for a line to be written: what the next start needs
   * @throws AuditError if the last line is not one of this log; a line that was never finished is cut off
   */
  static async open(dataFolder: string, besides: readonly Watched[] = []): Promise<AuditLog> {
    const path = join(dataFolder, fileName)
    const file = await openForAppending(path)
    try {
      if (!(await file.stat()).isFile()) throw new AuditError(`${path} is there and is not a file`)
      const { tail, length } = await readTail(file)
      const whole = tail.lastIndexOf('\n') + 1
      const kept = length - (tail.length - whole)
      // Nobody has got an answer for what is behind it.
      await file.truncate(kept)
      await syncFolder(dataFolder)
      const last = tail.slice(0, whole).trimEnd().split('\n').at(-1) || (await lastOlderLine(dataFolder))
      const head = last === undefined ? { n: 0, hash: noHash } : headOf(last)
      if (head === undefined) {
        throw new AuditError(
          `The last line of ${path} is damaged; see \`bletchley keys audit\`, and move the file away`,
        )
      }
      return new AuditLog(dataFolder, besides, file, kept, head)
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /**
   * Adds a line. Lines that are added meanwhile go to disk together.
   *
   * @returns when it is on disk
   * @throws Error if it cannot be written; then it is not in the log
   */
  append(entry: AuditEntry): Promise<AuditHead> {
    const { worker, outcome, reason, count, made, omitted, contracts } = entry
    const n = this.#head.n + 1
    const at = new Date().toISOString()
    const fields = { n, at, worker, outcome, reason, count, made, omitted, contracts, previous: this.#head.hash }
    const text = JSON.stringify(fields).slice(0, -1)
    const hash = hashOf(text)
    const head = { n, hash }
    this.#head = head
    return new Promise((resolve, reject) => {
      this.#waiting.push({ line: `${text},"hash":"${hash}"}\n`, head, resolve, reject })
      this.#flushing ??= this.#flush()
    })
  }

  /** The contracts that were given keys, line by line, as it says; nothing is checked. */
  async *given(): AsyncGenerator<readonly string[]> {
    for (const name of await fileNames(this.#dataFolder)) {
      for await (const line of linesOf(join(this.#dataFolder, name))) {
        const [, contracts = ''] = /"outcome":"given".*?"contracts":\[([^\]]*)\]/.exec(line) ?? []
        yield contracts.match(/[0-9a-f]{64}/g) ?? []
      }
    }
  }

  /**
   * Looks whether the log is the one that the next start goes on with, and what is beside it: a file that was removed,
   * with its folder or not, can be written to like any other.
   */
  look(): string | undefined {
    return problemOf([...this.#besides, { look: () => this.#lookAtFile() }])
  }

  /** @throws AuditError if no line could be written now, since something is not as it was */
  async assertInPlace(): Promise<void> {
    const problem = this.look()
    if (problem !== undefined) throw new AuditError(problem)
  }

  async close(): Promise<void> {
    await this.#flushing
    await this.#file.close()
  }

  async #flush(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting
      this.#waiting = []
      try {
        await this.assertInPlace()
        await this.#putAsideIfLarge()
        const bytes = Buffer.from(batch.map(({ line }) => line).join(''))
        // What an earlier failure has left behind, and could not take back.
        await this.#file.truncate(this.#length)
        await this.#file.appendFile(bytes)
        await this.#file.datasync()
        this.#length += bytes.length
        this.#durable = batch.at(-1)!.head
        for (const { resolve, head } of batch) resolve(head)
      } catch (error) {
        await this.#file.truncate(this.#length).catch(() => {})
        // Those that came meanwhile build upon lines that are not there.
        for (const { reject } of [...batch, ...this.#waiting]) reject(error)
        this.#waiting = []
        this.#head = this.#durable
      }
    }
    this.#flushing = undefined
  }

  #lookAtFile(): string | undefined {
    if (this.#isPuttingAside) return undefined
    const path = join(this.#dataFolder, fileName)
    const [open, there] = [fstatSync(this.#file.fd), statSync(path, { throwIfNoEntry: false })]
    if (there?.ino === open.ino && there.dev === open.dev) return undefined
    return `${path} was ${there === undefined ? 'removed' : 'replaced'} while it was open`
  }

  async #putAsideIfLarge(): Promise<void> {
    if (this.#length < maxFileBytes) return
    const path = join(this.#dataFolder, fileName)
    const aside = join(this.#dataFolder, `audit-${String(this.#durable.n).padStart(12, '0')}.jsonl`)
    let file: FileHandle | undefined
    this.#isPuttingAside = true
    try {
      await rename(path, aside)
      file = await openForAppending(path)
      await syncFolder(this.#dataFolder)
    } catch (error) {
      // The next line tries it again.
      await file?.close()
      await rename(aside, path).catch(() => {})
      throw error
    } finally {
      this.#isPuttingAside = false
    }
    const before = this.#file
    this.#file = file
    this.#length = 0
    // A file that is being closed cannot be looked at any more.
    await before.close()
  }
}

/**
 * Checks every line of a principal's log, also beside a running principal.
 *
 * @param noted hash of a line that must be there, as somebody has noted it
 * @returns how far it goes
 * @throws AuditError for the first line that is not what it should be
 */
export async function verifyAudit(dataFolder: string, noted?: string): Promise<AuditHead> {
  let head: AuditHead = { n: 0, hash: noHash }
  let found = noted === undefined
  for (const name of await fileNames(dataFolder)) {
    const path = join(dataFolder, name)
    let number = 0
    for await (const line of linesOf(path)) {
      number++
      const next = headOf(line)
      const where = `${path}, line ${number}`
      if (next === undefined) throw new AuditError(`${where}: it was changed, or is no line of this log`)
      if (next.n !== head.n + 1)
        throw new AuditError(`${where}: it has number ${next.n}, where ${head.n + 1} should be`)
      if (next.previous !== head.hash) throw new AuditError(`${where}: it does not follow the line before`)
      head = { n: next.n, hash: next.hash }
      found ||= head.hash === noted
    }
  }
  if (!found) throw new AuditError(`No line has the hash ${noted}: lines at the end were cut off, or it is another log`)
  return head
}

/** Without a last line that is still being written, or never was. */
async function* linesOf(path: string): AsyncGenerator<string> {
  let rest = ''
  try {
    for await (const chunk of createReadStream(path, 'latin1')) {
      const lines = (rest + chunk).split('\n')
      rest = lines.pop()!
      yield* lines
      // None is as long: to gather it costs the square of its length.
      if (rest.length > maxLineBytes) yield rest
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** What a line says of itself, if its hash fits. */
function headOf(line: string): (AuditHead & { previous: string }) | undefined {
  const [, text, hash] = /^(.*),"hash":"([0-9a-f]{64})"\}$/.exec(line) ?? []
  if (text === undefined || hashOf(text) !== hash) return undefined
  const { n, previous } = JSON.parse(line) as { n: number; previous: string }
  return { n, hash, previous }
}

function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

function openForAppending(path: string): Promise<FileHandle> {
  return open(path, 'a+', 0o600)
}

async function readTail(file: FileHandle): Promise<{ tail: string; length: number }> {
  const { size } = await file.stat()
  const bytes = Buffer.alloc(Math.min(size, maxLineBytes))
  await file.read(bytes, 0, bytes.length, size - bytes.length)
  return { tail: bytes.toString('latin1'), length: size }
}

/** All files of a log, in order. */
async function fileNames(dataFolder: string): Promise<string[]> {
  return [...(await olderNames(dataFolder)), fileName]
}

async function olderNames(dataFolder: string): Promise<string[]> {
  return (await readdir(dataFolder)).filter((name) => olderName.test(name)).sort()
}

async function lastOlderLine(dataFolder: string): Promise<string | undefined> {
  const last = (await olderNames(dataFolder)).at(-1)
  if (last === undefined) return undefined
  const file = await open(join(dataFolder, last), 'r')
  try {
    return (await readTail(file)).tail.trimEnd().split('\n').at(-1)
  } finally {
    await file.close()
  }
}

/** Why a log of requests cannot be trusted, or gone on with. */
export class AuditError extends Error {
  override readonly name = 'AuditError'
}
