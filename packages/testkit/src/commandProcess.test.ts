import { expect, it } from 'vitest'
import { runCommand } from './commandProcess.ts'

it('tells how the command ended, and what it printed', async () => {
  const end = await runCommand(['core', '--threads', 'many'])
  expect(end).toMatchObject({ code: 2, signal: null, stdout: '' })
  expect(end.stderr).toContain('--threads')
})
