/**
 * An expected refusal of this package. What the caller did wrong in its own code is a `TypeError` or `RangeError`.
 * Messages never hold keys, plaintexts or the offending bytes.
 */
export class CryptoError extends Error {
  readonly code: CryptoErrorCode

  constructor(code: CryptoErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CryptoError'
    this.code = code
  }
}

export type CryptoErrorCode =
  /** A blob too short to hold even its 12-byte iv. */
  | 'improper_encryption'
  /** The key does not open the blob, or what it holds is not what it should be. */
  | 'decryption_failed'
  /** A secret key out of range, or a public key that is no point of the curve. */
  | 'invalid_key'
  /** A signature of wrong length or recovery byte, or one that leads to no key. */
  | 'invalid_signature'
  /** Bytes that are not the message they should be. */
  | 'malformed_message'
