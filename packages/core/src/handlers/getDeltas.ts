import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'
import { ReplyBudget } from './replyBudget.ts'

/** Groups in request order, ascending inside a group; one unknown address fails them all. */
export const getDeltas: Handler<'GetDeltas'> = async ({ ranges }, { store }) => {
  const deltas = []
  const budget = new ReplyBudget()
  for (const { address, from, to } of ranges) {
    if (!(await store.hasContract(address))) throw notFound('get_deltas', address)
    for await (const chunk of store.deltaChunks(address, from, to)) {
      for (const delta of chunk) {
        budget.add(delta.data)
        deltas.push({ address, ...delta })
      }
    }
  }
  return { deltas }
}
