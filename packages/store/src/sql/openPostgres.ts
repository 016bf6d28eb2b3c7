import type { ContractStoreOptions } from '../contractStore.ts'
import { StorageError } from '../errors.ts'
import { Connections, type PostgresOptions } from './connections.ts'
import { schema, schemaVersion } from './schema.ts'
import { SqlContractStore } from './sqlContractStore.ts'
import { sqlState } from './sqlErrors.ts'
import { type StatementName, statements } from './statements.ts'

/**
 * The contracts in a database of PostgreSQL, which any number of stores may have open, on any machines. The tables are made
 * if they are not there.
 *
 * @throws StorageError if the database cannot be reached, is not to be written by this version, or holds something else;
 *   RangeError for an address that is no URL
 */
export async function openPostgres(
  database: string | PostgresOptions,
  options: ContractStoreOptions,
): Promise<SqlContractStore> {
  const connections = new Connections(typeof database === 'string' ? { url: database } : database, statements)
  try {
    // Whoever starts wants to know at once.
    await connections.reach()
    await prepareSchema(connections)
  } catch (error) {
    await connections.close()
    throw error
  }
  return new SqlContractStore(connections, options)
}

async function prepareSchema(connections: Connections<StatementName>): Promise<void> {
  const version = await oldestWriter(connections)
  if (version !== undefined) return assertMayWrite(version)
  const failure = await connections.script(schema).then(
    () => undefined,
    (error: unknown) => error,
  )
  // Of several that make the tables at once, all but one fail, in several ways, and find them now.
  const made = await oldestWriter(connections)
  if (made !== undefined) return assertMayWrite(made)
  switch (sqlState(failure)) {
    case states.duplicateTable:
      throw somethingElse(failure)
    case states.insufficientPrivilege:
    case states.noSchema:
      throw new StorageError('the tables are not there, and the user of the database may not make them', {
        cause: failure,
      })
    default:
      throw failure
  }
}

/** The oldest version that may write to the tables; `undefined` if there are none. */
async function oldestWriter(connections: Connections<StatementName>): Promise<number | undefined> {
  try {
    const [row] = await connections.read<{ oldest_writer: number }>('oldestWriter', [])
    if (row === undefined) throw new StorageError("the database's table cluster is empty")
    return row.oldest_writer
  } catch (error) {
    if (sqlState(error) === states.undefinedTable) return undefined
    if (sqlState(error) === states.undefinedColumn) throw somethingElse(error)
    throw error
  }
}

function assertMayWrite(oldestWriter: number): void {
  if (oldestWriter <= schemaVersion) return
  throw new StorageError(
    `the database may be written from version ${oldestWriter} of its tables on, and this is version ${schemaVersion}`,
  )
}

function somethingElse(cause: unknown): StorageError {
  return new StorageError('the database holds something else than contracts', { cause })
}

const states = {
  undefinedTable: '42P01',
  undefinedColumn: '42703',
  duplicateTable: '42P07',
  insufficientPrivilege: '42501',
  noSchema: '3F000',
}
