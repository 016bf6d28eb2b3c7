import { expect, it } from 'vitest'
import { checkUse } from './dataFolder.ts'

const MB = 2 ** 20

it.each([
  [256 * MB, 1, 'ok', '7 records, 0.0 MB of 256 MB in use'],
  [256 * MB + 1, 128 * MB, 'warning', '7 records, 128 MB of 256 MB in use'],
  [256 * MB + 2, 128 * MB + 1, 'ok', '7 records, 128 MB of 256 MB in use'],
  [600 * MB, 9.5 * MB, 'warning', '7 records, 9.5 MB of 600 MB in use'],
])('a database of %d bytes with %d in use', (fileBytes, usedBytes, status, found) => {
  const remedy = '`bletchley compact`, when the core may stop, gives the room back'
  const check = { name: 'database', status, found, ...(status !== 'ok' && { remedy }) }
  expect(checkUse({ fileBytes, usedBytes, records: 7 })).toEqual(check)
})
