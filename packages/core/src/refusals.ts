import { type DbCommand, type EnclaveErrorName, WorkerError } from '@bletchley/protocol'
import { OutcomeUnknown } from '@bletchley/store'

/** `Error inside the Enclave = (<name>)`: a key, a state or a sealed message is refused. */
export function enclaveError(name: EnclaveErrorName, cause?: unknown): WorkerError {
  return new WorkerError('enclave_error', { name }, { cause })
}

/** A write was not carried out, and nothing is changed; or that cannot be told. */
export function storeFailed(cause: unknown): WorkerError {
  if (cause instanceof OutcomeUnknown) return new WorkerError('outcome_unknown', {}, { cause })
  return new WorkerError('store_failed', { command: 'update', failure: 'Failed to update the key' }, { cause })
}

/** Nothing is stored for the address. */
export function notFound(command: DbCommand, address: Uint8Array): WorkerError {
  return new WorkerError('not_found', { command, address })
}
