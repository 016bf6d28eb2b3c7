import type { Handler } from './handler.ts'

export const getAllAddrs: Handler<'GetAllAddrs'> = async (_, { store }) => ({ addresses: await store.allAddresses() })
