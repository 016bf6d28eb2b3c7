import type { Handler } from './handler.ts'

/** A contract that is not there is removed already. */
export const removeContract: Handler<'RemoveContract'> = async ({ address }, worker) => {
  await worker.engine.write([address], () => worker.store.removeContract(address), worker.room.peer)
  return { status: 0 }
}
