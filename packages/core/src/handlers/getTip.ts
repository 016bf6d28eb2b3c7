import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'

export const getTip: Handler<'GetTip'> = async ({ address }, { store }) => {
  const tip = await store.getTip(address)
  if (tip === undefined) throw notFound('get_tip', address)
  return tip
}
