import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { RefusedResponse, type StateKeys } from './stateKeys.ts'

/** How long a principal may take to answer. */
const timeoutMs = 10_000
/** The keys of 1000 contracts have some 400 000 digits. */
const maxAnswerBytes = 1 << 22
/** More addresses than this in one request are refused. */
export const maxAddresses = 1000

/**
 * Gets contracts' state keys from the principal itself, where no p2p node carries the exchange.
 *
 * @param url the principal's JSON-RPC endpoint
 * @param addresses at most 1000
 * @throws FetchError if the principal cannot be reached, refuses, or its answer is not accepted; then nothing is installed
 */
export async function fetchStateKeys(
  stateKeys: StateKeys,
  url: string,
  addresses: readonly Uint8Array[],
  signal?: AbortSignal,
): Promise<void> {
  const { request, workerSig } = stateKeys.request(addresses)
  const params = { data: bytesToHex(request), sig: bytesToHex(workerSig), addresses: addresses.map(bytesToHex) }
  const answer = await post(url, { jsonrpc: '2.0', id: 1, method: 'getStateKeys', params }, signal)
  const { data, sig } = resultOf(answer)
  try {
    stateKeys.install(hexToBytes(data), hexToBytes(sig))
  } catch (error) {
    const cause = (error as Error).cause
    const reason = cause instanceof RefusedResponse ? cause.message : (error as Error).message
    const signer = cause instanceof RefusedResponse && cause.signer ? ` (signed by ${cause.signer})` : ''
    throw new FetchError(`its answer is refused: ${reason}${signer}`, { cause: error })
  }
}

async function post(url: string, body: object, signal: AbortSignal | undefined): Promise<unknown> {
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      // A principal does not send anybody elsewhere.
      redirect: 'error',
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    })
    return JSON.parse(await boundedText(response)) as unknown
  } catch (error) {
    if (error instanceof FetchError) throw error
    // Its text could quote what the other side has sent.
    const cause = (error as Error).cause as NodeJS.ErrnoException | undefined
    const reason =
      error instanceof SyntaxError ? 'its answer is not JSON' : cause?.code || cause?.message || (error as Error).name
    throw new FetchError(reason, { cause: error })
  }
}

async function boundedText({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of body ?? []) {
    length += chunk.length
    if (length > maxAnswerBytes) throw new FetchError('its answer is too large')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function resultOf(answer: unknown): { data: string; sig: string } {
  const { result, error } = (answer ?? {}) as { result?: { data?: unknown; sig?: unknown }; error?: RpcError }
  const { data, sig } = result ?? {}
  if (typeof data === 'string' && typeof sig === 'string') return { data, sig }
  const code = typeof error?.code === 'number' ? `code ${error.code}` : 'its answer is no JSON-RPC'
  const wait = error?.data?.retryAfterMs
  throw new FetchError(`it refuses: ${code}`, { retryAfterMs: typeof wait === 'number' ? wait : undefined })
}

interface RpcError {
  code?: unknown
  data?: { retryAfterMs?: unknown } | null
}

/** Why no keys came from the principal. The text holds nothing that the other side could have chosen, and no secret. */
export class FetchError extends Error {
  /** When the principal wants to be asked again, if it said so. */
  readonly retryAfterMs: number | undefined

  constructor(reason: string, options: ErrorOptions & { retryAfterMs?: number | undefined } = {}) {
    super(reason, options)
    this.name = 'FetchError'
    this.retryAfterMs = options.retryAfterMs
  }
}
