import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'

/** One unknown address fails them all, as in the reference. */
export const getTips: Handler<'GetTips'> = async ({ addresses }, { store }) => {
  const tips = []
  for (const address of addresses) {
    const tip = await store.getTip(address)
    if (tip === undefined) throw notFound('get_tip', address)
    tips.push({ address, ...tip })
  }
  return { tips }
}
