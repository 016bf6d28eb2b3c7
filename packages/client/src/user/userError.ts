/** An expected refusal of the user side. Messages never hold keys, plaintexts, arguments or outputs. */
export class UserError extends Error {
  readonly code: UserErrorCode

  constructor(code: UserErrorCode, message: string) {
    super(message)
    this.name = 'UserError'
    this.code = code
  }
}

/** The signature is not one of these items by this worker: one of them may have been another. */
export class NotSignedError extends UserError {
  constructor() {
    super('invalid_signature', 'The result is not what this worker signed for this task')
  }
}

export type UserErrorCode =
  /** A field is not hexadecimal, not of its length, or not in its range. */
  | 'malformed'
  /** A key is no point of the curve, or no secret key. */
  | 'invalid_key'
  /** The encryption key was not signed by the worker it should be of. Send it nothing. */
  | 'invalid_worker'
  /** The signature text is not `name(type,…)`, or the arguments do not fit it. */
  | 'invalid_arguments'
  /** The result is not what the worker signed for this task. Believe nothing of it. */
  | 'invalid_signature'
  /** The output was not encrypted with the key of this task. */
  | 'undecryptable'
  /** The output does not encode values of these types. */
  | 'undecodable'
