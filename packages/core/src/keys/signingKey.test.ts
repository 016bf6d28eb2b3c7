import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSealingKey } from '@bletchley/crypto/key-file'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadSigningIdentity, readSigningIdentity, workerKeyPurposes } from './signingKey.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'signing-key.'))
})
afterEach(() => rm(folder, { recursive: true }))

it('is made at the first start, and read ever after', async () => {
  const sealingKey = await openSealingKey(folder)
  await expect(readSigningIdentity(folder, sealingKey)).rejects.toThrow(`There is no signing key in ${folder}`)
  const { address } = await loadSigningIdentity(folder, sealingKey)
  expect(address).toHaveLength(20)
  expect((await loadSigningIdentity(folder, sealingKey)).address).toEqual(address)
  expect((await readSigningIdentity(folder, sealingKey)).address).toEqual(address)
})

it('is sealed as a worker’s, in the files that hold signing keys and no others', () => {
  const old = `old-signing-keys/${'ab'.repeat(20)}.sealed`
  expect(['signing-key.sealed', old].map(workerKeyPurposes)).toEqual(Array(2).fill(['worker signing key']))
  expect(workerKeyPurposes('other.sealed')).toEqual([])
})
