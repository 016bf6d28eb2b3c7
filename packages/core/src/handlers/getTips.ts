import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'
import { ReplyBudget } from './replyBudget.ts'

/** One unknown address fails them all, as in the reference. */
export const getTips: Handler<'GetTips'> = async ({ addresses }, { store, collecting }) => {
  const tips: { address: Uint8Array; key: number; data: Uint8Array }[] = []
  using budget = new ReplyBudget(collecting)
  for await (const tip of store.tips(addresses)) {
    const address = addresses[tips.length]!
    if (tip === undefined) throw notFound('get_tip', address)
    budget.add(tip.data)
    tips.push({ address, ...tip })
  }
  return { tips }
}
