import type { Handler } from './handler.ts'

export const updateNewContractOnDeployment: Handler<'UpdateNewContractOnDeployment'> = async (
  { address, bytecode, delta },
  worker,
) => {
  await worker.engine.write([address], () => worker.store.putContract(address, bytecode, delta), worker.room.peer)
  worker.keyFetcher?.want([address])
  return { status: 0 }
}
