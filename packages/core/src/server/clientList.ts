import { resolve } from 'node:path'
import { encodeZ85, parseCurvePublicKey } from '@bletchley/crypto'
import { AccessList, readAccessList, systemPath } from '@bletchley/crypto/key-file'
import type { Logger } from 'pino'

/** How often the file is looked at. */
const pollMs = 1000

/** Some ten thousand clients. */
const maxFileBytes = 1 << 20

/** The public keys of the clients that may talk to a core, in Z85, with the names that the operator gave them. */
export type ClientKeys = ReadonlyMap<string, string>

/**
 * Reads a list of clients: one public key on a line, in Z85 or hex, and behind it a name if wanted. Empty lines and
 * lines that begin with `#` say nothing.
 *
 * @throws Error that names the line; nothing of a list that has a bad line is used
 */
export function parseClientKeys(text: string): ClientKeys {
  const keys = new Map<string, string>()
  for (const [index, line] of text.split('\n').entries()) {
    const [word = '', ...name] = line.trim().split(/\s+/)
    const key = parseCurvePublicKey(word)
    // No key begins with `#`: five digits of Z85 that did would be more than four bytes.
    if (word === '' || word.startsWith('#')) continue
    if (key === undefined) throw new Error(`line ${index + 1} does not begin with a public key (40 characters of Z85)`)
    const known = encodeZ85(key)
    if (keys.has(known)) throw new Error(`line ${index + 1} repeats a key`)
    keys.set(known, name.join(' '))
  }
  return keys
}

/** A list of clients in a file that is read again when it changes. */
export class ClientList {
  readonly #list: AccessList<ClientKeys>
  readonly #timer: NodeJS.Timeout
  #onChange = (): void => {}

  private constructor(list: AccessList<ClientKeys>) {
    this.#list = list
    this.#timer = setInterval(() => void list.refresh(), pollMs).unref()
  }

  /** @throws Error if the file cannot be read or is no list of clients */
  static async open(file: string, logger: Logger): Promise<ClientList> {
    // The working directory may go away.
    const path = resolve(systemPath(file))
    const list: AccessList<ClientKeys> = await AccessList.open({
      path,
      maxBytes: maxFileBytes,
      parse: parseClientKeys,
      onRead: (now, before) => {
        const added = difference(now, before)
        const removed = difference(before, now)
        logger.info({ clients: now.size, added, removed }, 'list of clients read')
        if (added.length > 0 || removed.length > 0) clients.#onChange()
      },
      onFailure: ({ message }) =>
        logger.error({ path, reason: message }, 'the list of clients cannot be used: the old one stays in force'),
    })
    const clients = new ClientList(list)
    if (clients.size === 0) logger.warn({ path: file }, 'the list of clients is empty: nobody is let in')
    return clients
  }

  get size(): number {
    return this.#list.current.size
  }

  /** @param key in Z85 */
  has(key: string): boolean {
    return this.#list.current.has(key)
  }

  /** What to do when the list has become another. */
  onChange(listener: () => void): void {
    this.#onChange = listener
  }

  /** Reads the file again. If it cannot be used, what was read before stays in force, and the log says so. */
  reload(): Promise<void> {
    return this.#list.reload()
  }

  close(): void {
    clearInterval(this.#timer)
    this.#onChange = () => {}
  }
}

/** @throws Error if the file cannot be read, can be written by others, or is no list of clients */
export async function readClientKeys(path: string): Promise<ClientKeys> {
  return parseClientKeys(await readAccessList(path, maxFileBytes))
}

function difference(one: ClientKeys, other: ClientKeys): string[] {
  return [...one.keys()].filter((key) => !other.has(key))
}
