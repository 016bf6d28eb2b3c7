import { bytesToHex, hexToBytes } from '@bletchley/crypto'
import type { StateKeys } from './stateKeys.ts'

/** How long a principal may take to answer. */
const timeoutMs = 10_000

/**
 * Gets contracts' state keys from the principal itself, where no p2p node carries the exchange.
 *
 * @param url the principal's JSON-RPC endpoint
 * @throws Error if the principal cannot be reached or refuses; WorkerError if its answer is not accepted
 */
export async function fetchStateKeys(
  stateKeys: StateKeys,
  url: string,
  addresses: readonly Uint8Array[],
): Promise<void> {
  const { request, workerSig } = stateKeys.request()
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 1,
      method: 'getStateKeys',
      params: { data: bytesToHex(request), sig: bytesToHex(workerSig), addresses: addresses.map(bytesToHex) },
    }),
    signal: AbortSignal.timeout(timeoutMs),
  })
  const { result, error } = (await response.json()) as {
    result?: { data: string; sig: string }
    error?: { code: number; message: string }
  }
  if (result === undefined) throw new Error(`The principal refused: ${error?.code ?? response.status}`)
  stateKeys.install(hexToBytes(result.data), hexToBytes(result.sig))
}
