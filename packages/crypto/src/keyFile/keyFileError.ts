/** Why a key file cannot be used. The message names the file, never its content. */
export class KeyFileError extends Error {
  readonly code: KeyFileErrorCode

  constructor(code: KeyFileErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'KeyFileError'
    this.code = code
  }
}

export type KeyFileErrorCode =
  | 'missing'
  | 'unreadable'
  | 'unwritable'
  | 'unsafe_permissions'
  | 'malformed'
  | 'unsupported_version'
  | 'undecryptable'
  | 'missing_sealing_key'
  /** The sealing key is locked, and what unlocks it was not given. */
  | 'locked'
  /** A lock was given, but the sealing key is not locked, or locked otherwise. */
  | 'other_lock'
  | 'wrong_passphrase'
  | 'weak_passphrase'
  | 'command_failed'
  /** Something is there already, and is not overwritten. */
  | 'exists'
  /** Another process is rewriting it. */
  | 'in_use'
