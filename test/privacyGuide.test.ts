import { bytesToHex, utf8ToBytes } from '@bletchley/bytes'
import { type TestContract, TestNetwork } from '@bletchley/contract/testing'
import { expect, it } from 'vitest'
import { expectFigures } from '../contracts/testing/figures.ts'

// The figures of docs/contracts/privacy.md are what this test measures; `npx vitest run test/privacyGuide.test.ts -u` writes
// them anew. All calls of a row must differ in what others see if it is the plain way, and must not if it is the other.

const guide = new URL('../docs/contracts/privacy.md', import.meta.url)

interface Row {
  what: string
  /** Secrets, in words. */
  secrets: string[]
  plain: [name: string, arg: unknown][]
  hidden: [name: string, arg: unknown][]
}

const small = 7n
const large = 10n ** 24n
const padded = (text: string) => `0x${bytesToHex(utf8ToBytes(text)).padEnd(128, '0')}`
const uniform = (byte: string) => `0x${byte.repeat(32)}`

const rows: Row[] = [
  {
    what: 'a number is written',
    secrets: ['7', '10^24'],
    plain: [
      ['write', small],
      ['write', large],
    ],
    hidden: [
      ['writeConcealed', small],
      ['writeConcealed', large],
    ],
  },
  {
    what: 'the larger of two is kept',
    secrets: ['it is the old one', 'it is the new one'],
    plain: [
      ['raise', small],
      ['raise', 1001n],
    ],
    hidden: [
      ['raiseConcealed', small],
      ['raiseConcealed', 1001n],
    ],
  },
  {
    what: 'a payment',
    secrets: ['covered', 'not covered'],
    plain: [
      ['pay', 7n],
      ['pay', 1001n],
    ],
    hidden: [
      ['payConcealed', 7n],
      ['payConcealed', 1001n],
    ],
  },
  {
    what: '32 bytes are kept',
    secrets: ['all 01', 'all ff'],
    plain: [
      ['keep', uniform('01')],
      ['keep', uniform('ff')],
    ],
    hidden: [
      ['keepDigits', uniform('01')],
      ['keepDigits', uniform('ff')],
    ],
  },
  {
    what: 'a text is kept',
    secrets: ['“no”', '“only on Sundays”'],
    plain: [
      ['note', 'no'],
      ['note', 'only on Sundays'],
    ],
    hidden: [
      ['notePadded', padded('no')],
      ['notePadded', padded('only on Sundays')],
    ],
  },
  {
    what: 'a list of 20 is searched',
    secrets: ['the first', 'the last', 'none'],
    plain: [
      ['isMember', 100],
      ['isMember', 119],
      ['isMember', 7],
    ],
    hidden: [
      ['isMemberOfAll', 100],
      ['isMemberOfAll', 119],
      ['isMemberOfAll', 7],
    ],
  },
]

/** What everybody sees of a task: how it ended, its gas, the bytes of its delta. */
function seen(contract: TestContract, network: TestNetwork, [name, arg]: [string, unknown]): string {
  const start = network.snapshot()
  try {
    const { gas, delta } = contract.call(name, [arg])
    return delta === undefined ? `${gas} gas` : `${gas} gas, ${delta.changesSize} bytes`
  } catch {
    return `${contract.fails(name, [arg]).gas} gas, failed`
  } finally {
    network.revertTo(start)
  }
}

it('the figures of the privacy guide are measured', async () => {
  const network = new TestNetwork()
  const contract = await network.deploy(new URL('./privacyGuide/leaks.ts', import.meta.url))
  const lines = rows.map(({ what, secrets, plain, hidden }) => {
    const before = plain.map((call) => seen(contract, network, call))
    const after = hidden.map((call) => seen(contract, network, call))
    expect(new Set(before).size, what).toBe(plain.length)
    expect(new Set(after).size, what).toBe(1)
    return [`${what}: ${secrets.join(' / ')}`, before.join(' / '), after[0]!]
  })
  await expectFigures(guide, [['', 'done plainly', 'done so that nothing is seen'], ...lines])
})
