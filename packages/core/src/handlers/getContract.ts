import type { Handler } from './handler.ts'

/** An unknown contract has no bytecode; that is no error. */
export const getContract: Handler<'GetContract'> = async ({ address }, { store }) => ({
  address,
  bytecode: (await store.getBytecode(address)) ?? new Uint8Array(),
})
