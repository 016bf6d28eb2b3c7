import type { Handler } from './handler.ts'

export const updateNewContractOnDeployment: Handler<'UpdateNewContractOnDeployment'> = async (
  { address, bytecode, delta },
  worker,
) => {
  await worker.engine.write([address], () => worker.store.putContract(address, bytecode, delta))
  return { status: 0 }
}
