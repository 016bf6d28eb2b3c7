import { equalBytes } from '@bletchley/bytes'
import { applyDelta, encodeState, initialState, nextDeltaIndex, openState, StateError } from '@bletchley/state'
import type { ContractReader } from '@bletchley/store'

/** Decrypts and applies delta after delta; the snapshot must be the state at its own. */
export async function chainProblems(
  reader: ContractReader,
  address: Uint8Array,
  stateKey: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const problems: string[] = []
  const snapshot = await reader.getSnapshot(address)
  const state = initialState()
  for await (const chunk of reader.deltaChunks(address)) {
    signal?.throwIfAborted()
    for (const { key, data } of chunk) {
      try {
        applyDelta(state, key, stateKey, data)
      } catch (error) {
        if (!(error instanceof StateError)) throw error
        // A hole has been told of already, and behind either nothing can be judged.
        return key === nextDeltaIndex(state) ? [...problems, `delta ${key}: ${describe(error)}`] : problems
      }
      if (snapshot?.key === key) problems.push(...snapshotProblems(stateKey, snapshot.data, encodeState(state), key))
    }
  }
  return problems
}

function snapshotProblems(stateKey: Uint8Array, blob: Uint8Array, expected: Uint8Array, key: number): string[] {
  try {
    if (equalBytes(encodeState(openState(stateKey, blob)), expected)) return []
    return [`the snapshot is not the state at delta ${key}`]
  } catch (error) {
    if (!(error instanceof StateError)) throw error
    return [`the snapshot of delta ${key}: ${describe(error)}`]
  }
}

function describe({ code, message }: StateError): string {
  return `${code}, ${message}`
}
