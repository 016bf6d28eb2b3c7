import type { Handler } from './handler.ts'

export const computeTask: Handler<'ComputeTask'> = async (input, { engine }) => {
  const reply = await engine.compute(input)
  return reply.kind === 'failed' ? { failedTask: reply.result } : reply.result
}
