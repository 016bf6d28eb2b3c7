import type { Handler } from './handler.ts'
import { ReplyBudget } from './replyBudget.ts'

/** In the order of creation; contracts without deltas are left out. */
export const getAllTips: Handler<'GetAllTips'> = async (_, { store, collecting }) => {
  const addresses = await store.allAddresses()
  const tips: { address: Uint8Array; key: number; data: Uint8Array }[] = []
  using budget = new ReplyBudget(collecting)
  let position = 0
  for await (const tip of store.tips(addresses)) {
    const address = addresses[position++]!
    if (tip === undefined) continue
    budget.add(tip.data)
    tips.push({ address, ...tip })
  }
  return { tips }
}
