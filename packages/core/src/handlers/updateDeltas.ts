import type { Handler } from './handler.ts'

/** All rows in one batch. `errors` has one row per row of the request, as in the reference. */
export const updateDeltas: Handler<'UpdateDeltas'> = async ({ deltas }, { engine, room }) => {
  await engine.putDeltas(deltas, room.peer)
  return { status: 0, errors: deltas.map(({ address, key }) => ({ address, key, status: 0 })) }
}
