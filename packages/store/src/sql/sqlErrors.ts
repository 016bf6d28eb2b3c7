import { DatabaseError } from 'pg'

/**
 * What an error says about the statement it is the answer to:
 * - `again`: it met another one and was not carried out; the same statement may be at once
 * - `not now`: it was not carried out, and may be later, or by another server
 * - `refused`: it was not carried out and never will be: it is wrong, or too large
 * - `unknown`: it may have been carried out, or may still be
 */
export type Verdict = 'again' | 'not now' | 'refused' | 'unknown'

const verdicts: Record<string, Verdict> = {
  '40001': 'again', // serialization_failure
  '40P01': 'again', // deadlock_detected
  '55P03': 'again', // lock_not_available
  '25006': 'not now', // read_only_sql_transaction: a standby
  '57P03': 'not now', // cannot_connect_now: starting, or going down
  '53300': 'not now', // too_many_connections
  '08001': 'not now', // sqlclient_unable_to_establish_sqlconnection
  '08004': 'not now', // sqlserver_rejected_establishment_of_sqlconnection
  '40003': 'unknown', // statement_completion_unknown
  '57P01': 'unknown', // admin_shutdown
  '57P02': 'unknown', // crash_shutdown
}

export function verdictOf(error: unknown): Verdict {
  const state = sqlState(error)
  // The connection was lost.
  if (state === undefined || (state.startsWith('08') && !(state in verdicts))) return 'unknown'
  return verdicts[state] ?? 'refused'
}

/** The SQLSTATE of an error, or of its cause, if the database sent it. */
export function sqlState(error: unknown): string | undefined {
  if (error instanceof DatabaseError) return error.code
  return error instanceof Error && error.cause instanceof DatabaseError ? error.cause.code : undefined
}
