export type { PostgresOptions } from './sql/connections.ts'
export { type CoreRow, Cores } from './sql/cores.ts'
export { openPostgres } from './sql/openPostgres.ts'
export { SqlContractStore } from './sql/sqlContractStore.ts'
