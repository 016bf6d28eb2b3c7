import { type PgbouncerServer, startPgbouncer } from '@bletchley/testkit/postgres'
import { afterAll, beforeAll, describe } from 'vitest'
import { hasServer, SqlDatabase, server } from './sqlDatabase.ts'
import { storeConformance } from './storeConformance.ts'

let pgbouncer: PgbouncerServer

beforeAll(async () => {
  if (hasServer) pgbouncer = await startPgbouncer(server)
})
afterAll(() => pgbouncer?.stop())

/** @param urlOf how clients reach a database */
function conformance(name: string, isolation: string | undefined, urlOf: (url: string) => string): void {
  let database: SqlDatabase
  beforeAll(async () => {
    database = await SqlDatabase.create(isolation)
    await database.open()
  })
  afterAll(() => database?.[Symbol.asyncDispose]())

  storeConformance(name, async () => {
    await database.empty()
    return {
      open: (onChange) => database.open({ url: urlOf(database.url) }, onChange && { onChange }),
      [Symbol.asyncDispose]: () => database.close(),
    }
  })
}

describe.skipIf(!hasServer)('PostgreSQL', () => {
  describe('by itself', () => conformance('PostgreSQL', undefined, (url) => url))
  describe('SERIALIZABLE', () => conformance('PostgreSQL that is SERIALIZABLE', 'serializable', (url) => url))
  // Of Debian 12: it knows no prepared statements in transaction mode.
  describe('behind pgbouncer', () =>
    conformance(
      'pgbouncer in transaction mode',
      undefined,
      (url) => `${pgbouncer.urlOf(url)}?preparedStatements=false`,
    ))
})
