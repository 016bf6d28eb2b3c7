import type { Handler } from './handler.ts'

/** Indices that are not stored are removed already, so no row ever fails. */
export const removeDeltas: Handler<'RemoveDeltas'> = async ({ ranges }, worker) => {
  const addresses = ranges.map(({ address }) => address)
  await worker.engine.write(addresses, () => worker.store.removeDeltas(ranges), worker.room.peer)
  return { status: 0, errors: [] }
}
