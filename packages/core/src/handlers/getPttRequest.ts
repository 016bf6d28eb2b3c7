import type { Handler } from './handler.ts'

export const getPttRequest: Handler<'GetPTTRequest'> = async (_, { stateKeys }) => stateKeys.request()
