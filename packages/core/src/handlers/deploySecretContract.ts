import type { Handler } from './handler.ts'

export const deploySecretContract: Handler<'DeploySecretContract'> = async (input, { engine }) => {
  const reply = await engine.deploy(input)
  return reply.kind === 'failed' ? { failedTask: reply.result } : reply.result
}
