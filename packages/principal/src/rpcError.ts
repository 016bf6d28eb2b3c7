/** An expected refusal of a JSON-RPC call. Its message goes to the caller, so it never quotes a value. */
export class RpcError extends Error {
  readonly code: RpcErrorCode
  /** When the caller may ask again. */
  readonly retryAfterMs: number | undefined

  constructor(code: RpcErrorCode, message: string, options: ErrorOptions & { retryAfterMs?: number } = {}) {
    super(message, options)
    this.name = 'RpcError'
    this.code = code
    this.retryAfterMs = options.retryAfterMs
  }
}

/** JSON-RPC 2.0, section 5.1, and the codes of the Enigma principal (spec/crypto.md 8.3). */
export const rpcErrorCodes = {
  parseError: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  invalidParams: -32_602,
  internal: -32_603,
  // -32002, "epoch in transition", is not among them: without a chain there are no epochs.
  notAuthorised: -32_001,
  // Not one of the reference's, which has no limits; the usual one of Ethereum nodes.
  limitExceeded: -32_005,
} as const

export type RpcErrorCode = (typeof rpcErrorCodes)[keyof typeof rpcErrorCodes]
