import { expect, it } from 'vitest'
import { principalKeyPurpose, principalKeyPurposes, stateKeyPurpose } from './sealedFiles.ts'

const address = 'ab'.repeat(32)

it.each<[string, readonly string[]]>([
  ['signing-key.sealed', [principalKeyPurpose]],
  [`state-keys/${address}.sealed`, [stateKeyPurpose(address)]],
  [`state-keys/${address}`, []],
  [`state-keys/${address.slice(2)}.sealed`, []],
  [`old/state-keys/${address}.sealed`, []],
  [`${address}.sealed`, []],
])('%s is sealed for what it holds', (path, purposes) => {
  expect(principalKeyPurposes(path)).toEqual(purposes)
})
