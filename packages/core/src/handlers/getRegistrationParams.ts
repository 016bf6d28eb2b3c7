import type { Handler } from './handler.ts'

/** The report is made once, at the start: p2p nodes ask for it at every turn. */
export const getRegistrationParams: Handler<'GetRegistrationParams'> = async (_, { registration }) => registration
