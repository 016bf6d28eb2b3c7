import { Connections, type PostgresOptions } from './connections.ts'
import { statements } from './statements.ts'

/** What a core says of itself to the others. */
export interface CoreRow {
  /** 16 bytes, random. */
  id: Uint8Array
  /** Goes up with each beat. */
  beat: bigint
  /** Where it listens for the others. */
  endpoint: string
  /** Whether it wants no tasks of others any more. */
  draining: boolean
}

/**
 * The cores that have a database open, as far as they tell. The tables are made by `openPostgres`.
 *
 * It has a connection of its own: a beat that waited behind tasks for one would tell that this core is dead.
 */
export class Cores {
  readonly #connections: Connections<'beat' | 'removeCore'>

  /** @throws RangeError for an address that is no URL */
  constructor(database: PostgresOptions) {
    this.#connections = new Connections({ deadlineMs: 5000, ...database, connections: 1 }, statements)
  }

  /**
   * Raises a core's counter; its row is made if there is none. It need not be durable, and waits for no disk.
   *
   * @returns the rows of all cores, this one's with the counter as it is now
   * @throws StorageError
   */
  async beat({ id, endpoint, draining }: Omit<CoreRow, 'beat'>): Promise<CoreRow[]> {
    const rows = await this.#write<Columns>('beat', [id, endpoint, draining])
    return rows.map((row) => ({ ...row, beat: BigInt(row.beat) }))
  }

  /** Removes a core's row. @throws StorageError */
  async leave(id: Uint8Array): Promise<void> {
    await this.#write('removeCore', [id, null])
  }

  /** Removes the row of a core, unless its counter has gone up. @throws StorageError */
  async remove({ id, beat }: Pick<CoreRow, 'id' | 'beat'>): Promise<void> {
    await this.#write('removeCore', [id, beat])
  }

  close(): Promise<void> {
    return this.#connections.close()
  }

  async #write<Row>(name: 'beat' | 'removeCore', values: unknown[]): Promise<Row[]> {
    return (await this.#connections.whileOpen(() => this.#connections.write<Row>(name, values))).result
  }
}

interface Columns extends Omit<CoreRow, 'beat'> {
  beat: string
}
