import type { Handler } from './handler.ts'
import { readInRoom } from './replyRows.ts'

/** An unknown contract has no bytecode; that is no error. */
export const getContract: Handler<'GetContract'> = async ({ address }, { store, room }) => {
  const bytecode = await readInRoom(
    room,
    (pacer) => store.getBytecode(address, pacer),
    (data) => data,
  )
  return { address, bytecode: bytecode ?? new Uint8Array() }
}
