export type StateErrorCode = 'undecryptable' | 'malformed' | 'hash_mismatch' | 'invalid_patch' | 'index_gap'

/**
 * A stored state or delta that cannot be used. The message never holds plaintext (names, values, paths).
 *
 * - `undecryptable`: wrong state key, or the blob was changed;
 * - `malformed`: decrypts, but is not the documented MessagePack;
 * - `index_gap`: a delta that is not the next one of the state;
 * - `hash_mismatch`: a delta that was made for another predecessor;
 * - `invalid_patch`: an operation does not fit the state.
 */
export class StateError extends Error {
  override readonly name = 'StateError'
  readonly code: StateErrorCode

  constructor(code: StateErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
