/** Somebody else changed what a write relies on. Nothing was written. */
export class ConflictError extends Error {
  override readonly name = 'ConflictError'
}

/** The database could not read or write; the cause says why. Nothing was acknowledged. */
export class StorageError extends Error {
  override readonly name: string = 'StorageError'
}

/** A write was sent to the database, and it cannot be told whether it is stored. */
export class OutcomeUnknown extends StorageError {
  override readonly name = 'OutcomeUnknown'
}
