import type { Handler } from './handler.ts'

export const getAllTips: Handler<'GetAllTips'> = async (_, { store }) => ({ tips: await store.allTips() })
