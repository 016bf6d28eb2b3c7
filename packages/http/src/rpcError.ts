/** An expected refusal of a JSON-RPC call. Its message goes to the caller, so it never quotes a value. */
export class RpcError extends Error {
  readonly code: number
  /** When the caller may ask again. */
  readonly retryAfterMs: number | undefined

  constructor(code: number, message: string, options: ErrorOptions & { retryAfterMs?: number } = {}) {
    super(message, options)
    this.name = 'RpcError'
    this.code = code
    this.retryAfterMs = options.retryAfterMs
  }
}

/** JSON-RPC 2.0, section 5.1; and what Ethereum nodes answer to whoever asks too often. */
export const rpcErrorCodes = {
  parseError: -32_700,
  invalidRequest: -32_600,
  methodNotFound: -32_601,
  invalidParams: -32_602,
  internal: -32_603,
  limitExceeded: -32_005,
} as const
