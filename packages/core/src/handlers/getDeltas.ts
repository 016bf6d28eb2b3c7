import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'
import { ReplyBudget } from './replyBudget.ts'

/** Groups in request order, ascending inside a group; one unknown address fails them all. */
export const getDeltas: Handler<'GetDeltas'> = async ({ ranges }, { store, collecting }) => {
  const deltas = []
  using budget = new ReplyBudget(collecting)
  for (const { address, from, to } of ranges) {
    if (!(await store.hasContract(address))) throw notFound('get_deltas', address)
    for await (const chunk of store.deltaChunks(address, from, to)) {
      for (const { key, data } of chunk) {
        budget.add(data)
        deltas.push({ address, key, data })
      }
    }
  }
  return { deltas }
}
