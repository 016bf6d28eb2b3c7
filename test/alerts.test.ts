import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { temporaryFolder, unpackDebianPackage } from '@bletchley/testkit'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const rules = (name: string): string => fileURLToPath(new URL(`../deploy/prometheus/${name}`, import.meta.url))

/** Prometheus' own tool. Where it is missing it is taken out of its Debian package: to install that would start a server. */
async function promtool(folder: string): Promise<string> {
  try {
    await run('promtool', ['--version'])
    return 'promtool'
  } catch {
    // It is missing.
  }
  await unpackDebianPackage('prometheus', folder)
  return `${folder}/usr/bin/promtool`
}

it('alerts fire when something is wrong, and not before', async () => {
  await using folder = await temporaryFolder()
  const tool = await promtool(folder.path)
  expect((await run(tool, ['check', 'rules', rules('alerts.yml')])).stdout).toContain('13 rules found')
  expect((await run(tool, ['test', 'rules', rules('alerts.test.yml')])).stdout).toContain('SUCCESS')
})
