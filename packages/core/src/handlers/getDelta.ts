import { notFound } from '../refusals.ts'
import type { Handler } from './handler.ts'

export const getDelta: Handler<'GetDelta'> = async ({ address, key }, { store }) => {
  const data = await store.getDelta(address, key)
  if (data === undefined) throw notFound('get_delta', address)
  return { address, key, data }
}
