import { execFileSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { quoted } from './output.ts'

it.each([...['/srv/bletchley/core', 'a b', "it's", '$HOME', '`x`', 'é', '#', '*', '']])(
  '%j comes through a shell as it is',
  (path) => {
    expect(execFileSync('sh', ['-c', `printf %s ${quoted(path)}`], { encoding: 'utf8' })).toBe(path)
  },
)

it('leaves a plain path as it is', () => {
  expect(quoted('/srv/bletchley/core-1')).toBe('/srv/bletchley/core-1')
})
