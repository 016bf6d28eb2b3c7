import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'

/** Groups in request order, ascending inside a group; one unknown address fails them all. */
export const getDeltas: Handler<'GetDeltas'> = async ({ ranges }, { store }) => {
  const deltas = []
  for (const { address, from, to } of ranges) {
    if (!(await store.hasContract(address))) throw notFound('get_deltas', address)
    for (const delta of await store.getDeltas(address, from, to)) deltas.push({ address, ...delta })
  }
  return { deltas }
}
