import type { Handler } from './handler.ts'

export const updateNewContract: Handler<'UpdateNewContract'> = async ({ address, bytecode }, worker) => {
  await worker.engine.write([address], () => worker.store.putBytecode(address, bytecode), worker.room.peer)
  worker.keyFetcher?.want([address])
  return { status: 0 }
}
