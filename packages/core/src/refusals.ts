import { type DbCommand, type EnclaveErrorName, WorkerError } from '@bletchley/protocol'

/** `Error inside the Enclave = (<name>)`: a key, a state or a sealed message is refused. */
export function enclaveError(name: EnclaveErrorName, cause?: unknown): WorkerError {
  return new WorkerError('enclave_error', { name }, { cause })
}

/** Nothing is stored for the address. */
export function notFound(command: DbCommand, address: Uint8Array): WorkerError {
  return new WorkerError('not_found', { command, address })
}
