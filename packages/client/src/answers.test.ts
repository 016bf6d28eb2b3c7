import { bytesToHex } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Reply } from 'zeromq'
import { CoreClient, type CoreMethods } from './coreClient.ts'

// A core that answers whatever a test says, under the id and type of the request.

const core = new Reply({ linger: 0 })
let client: CoreClient

beforeAll(async () => {
  await core.bind('tcp://127.0.0.1:0')
  client = new CoreClient(core.lastEndpoint!, { timeoutMs: 2 ** 31 - 1 })
})

afterAll(() => {
  client.close()
  core.close()
})

async function answered<T>(ask: (methods: CoreMethods) => Promise<T>, members: object): Promise<T> {
  const answer = ask(client.methods)
  answer.catch(() => {})
  const [frame] = await core.receive()
  const { id, type } = JSON.parse(String(frame)) as { id: string; type: string }
  await core.send(JSON.stringify({ id, type, ...members }))
  return answer
}

const address = new Uint8Array(32).fill(0xab)
const other = new Uint8Array(32).fill(0xcd)
const [a, b] = [bytesToHex(address), bytesToHex(other)]
/** Other spellings of the same address: they are compared as bytes. */
const spellings = [a, a.toUpperCase(), `0x${a}`]
const preCode = Uint8Array.of(0, 97, 115, 109)
const row = (of: string, key: number) => ({ address: of, key, data: [key] })
const failure = (of: string, key: number) => ({ address: of, key, status: -1 })
const task = {
  ...{ encryptedArgs: preCode, encryptedFn: preCode, userDHKey: new Uint8Array(64), gasLimit: 1n },
  contractAddress: address,
}
const deployed = (preCodeHash: string) => ({
  ...{ output: '', preCodeHash, delta: { key: 0, data: [] }, usedGas: 1, ethereumPayload: '' },
  ...{ ethereumAddress: '00'.repeat(20), signature: '00'.repeat(65) },
})

const asked = {
  tips: (methods: CoreMethods) => methods.getTips({ addresses: [address, other, address] }),
  delta: (methods: CoreMethods) => methods.getDelta({ address, key: 7 }),
  deltas: (methods: CoreMethods) =>
    methods.getDeltas({
      ranges: [
        { address, from: 2, to: 5 },
        { address: other, from: 0, to: 9 },
        { address, from: 0, to: 3 },
      ],
    }),
  contract: (methods: CoreMethods) => methods.getContract({ address }),
  newContract: (methods: CoreMethods) => methods.updateNewContract({ address, bytecode: preCode }),
  onDeployment: (methods: CoreMethods) =>
    methods.updateNewContractOnDeployment({ address, bytecode: preCode, delta: { key: 0, data: preCode } }),
  removal: (methods: CoreMethods) => methods.removeContract({ address }),
  update: (methods: CoreMethods) =>
    methods.updateDeltas({ deltas: [1, 2, 2].map((key) => ({ address, key, data: preCode })) }),
  removedDeltas: (methods: CoreMethods) =>
    methods.removeDeltas({
      ranges: [
        { address, from: 2, to: 5 },
        { address, from: 7, to: 8 },
      ],
    }),
  deployment: (methods: CoreMethods) => methods.deploySecretContract({ ...task, preCode }),
} satisfies Record<string, (methods: CoreMethods) => Promise<unknown>>
type Asked = keyof typeof asked

const result = (members: object) => ({ result: members })
const done = { result: { status: 0 } }

describe('an answer to what was asked', () => {
  const fitting: [string, Asked, object][] = [
    ['tips in their order, in any spelling', 'tips', result({ tips: [row(spellings[1]!, 4), row(b, 0), row(a, 4)] })],
    ['a delta that does not say its place', 'delta', result({ delta: [1] })],
    ['a delta as the archived core writes it', 'delta', result({ delta: '0a0b' })],
    ['a delta with its place', 'delta', result({ delta: [1], address: spellings[2], key: 7 })],
    ['no deltas at all', 'deltas', result({ deltas: [] })],
    ['deltas with holes', 'deltas', result({ deltas: [row(a, 2), row(a, 4), row(b, 8), row(a, 0), row(a, 2)] })],
    ['deltas of some ranges', 'deltas', result({ deltas: [row(spellings[2]!, 3), row(a, 0)] })],
    [
      'what the archived core writes for empty ranges',
      'deltas',
      result({ deltas: [{ key: 0 }, row(b, 1), { key: 0 }] }),
    ],
    ...spellings.map((of): [string, Asked, object] => [
      'a contract',
      'contract',
      result({ address: of, bytecode: [1] }),
    ]),
    ['an unknown contract', 'contract', result({ address: a, bytecode: [] })],
    ...(['newContract', 'onDeployment', 'removal'] as const).flatMap((ask) => [
      ...spellings.map((of): [string, Asked, object] => ['a write', ask, { address: of, ...done }]),
      ['a write without the address', ask, done] as [string, Asked, object],
      ['a write with none', ask, { address: null, ...done }] as [string, Asked, object],
    ]),
    ['a row for each row', 'update', result({ status: -1, errors: [failure(a, 1), failure(a, 2), failure(a, 2)] })],
    ['rows for failures alone', 'update', result({ status: -1, errors: [failure(spellings[1]!, 2)] })],
    ['no rows', 'update', result({ status: 0, errors: [] })],
    [
      'failures in the ranges',
      'removedDeltas',
      result({ status: -1, errors: [7, 4, -1].map((key) => failure(a, key)) }),
    ],
    ['the hash of the code', 'deployment', result(deployed(bytesToHex(keccak256(preCode)).toUpperCase()))],
  ]
  it.each(fitting)('is taken: %s (%s)', async (_, ask, members) => {
    await expect(answered<unknown>(asked[ask], members)).resolves.toBeDefined()
  })

  it('has no delta in place of those that there are none of', async () => {
    const { deltas } = await answered(asked.deltas, result({ deltas: [{ key: 0 }, row(b, 1)] }))
    expect(deltas).toEqual([{ address: other, key: 1, data: Uint8Array.of(1) }])
  })
})

describe('an answer to another question', () => {
  const foreign: [string, Asked, object, string][] = [
    ['tips of another contract', 'tips', result({ tips: [row(a, 1), row(a, 1), row(a, 1)] }), 'result.tips'],
    ['a tip too few', 'tips', result({ tips: [row(a, 1), row(b, 1)] }), 'result.tips'],
    ['a tip too many', 'tips', result({ tips: [row(a, 1), row(b, 1), row(a, 1), row(b, 1)] }), 'result.tips'],
    ['a delta of another contract', 'delta', result({ delta: [], address: b, key: 7 }), 'result.address'],
    ['another delta', 'delta', result({ delta: [], address: a, key: 6 }), 'result.key'],
    ['deltas of another contract', 'deltas', result({ deltas: [row('ef'.repeat(32), 2)] }), 'result.deltas'],
    ['deltas below the range', 'deltas', result({ deltas: [row(b, 0), row(a, 3)] }), 'result.deltas'],
    ['deltas above the range', 'deltas', result({ deltas: [row(a, 5)] }), 'result.deltas'],
    ['deltas in another order', 'deltas', result({ deltas: [row(b, 2), row(b, 1)] }), 'result.deltas'],
    ['a delta twice', 'deltas', result({ deltas: [row(b, 2), row(b, 2)] }), 'result.deltas'],
    ['another contract', 'contract', result({ address: b, bytecode: [1] }), 'result.address'],
    ['a write of another contract', 'newContract', { address: b, ...done }, 'address'],
    ['a deployment of another contract', 'onDeployment', { address: b, ...done }, 'address'],
    ['a removal of another contract', 'removal', { address: b, ...done }, 'address'],
    ['rows of another contract', 'update', result({ status: 0, errors: [failure(b, 1)] }), 'result.errors'],
    ['rows of other deltas', 'update', result({ status: 0, errors: [failure(a, 3)] }), 'result.errors'],
    [
      'rows beyond those sent',
      'update',
      result({ status: 0, errors: [failure(a, 1), failure(a, 1)] }),
      'result.errors',
    ],
    [
      'failures of another contract',
      'removedDeltas',
      result({ status: -1, errors: [failure(b, -1)] }),
      'result.errors',
    ],
    ['failures outside the ranges', 'removedDeltas', result({ status: -1, errors: [failure(a, 5)] }), 'result.errors'],
    ['another code', 'deployment', result(deployed('11'.repeat(32))), 'result.preCodeHash'],
  ]
  it.each(foreign)('is refused: %s', async (_, ask, members, place) => {
    await expect(answered<unknown>(asked[ask], members)).rejects.toMatchObject({
      ...{ name: 'WorkerError', code: 'malformed_reply' },
      message: `Malformed reply: ${place}: not what was asked for`,
    })
  })

  it('is refused where its address is none', async () => {
    for (const wrong of ['00', 7]) {
      const answer = answered(asked.removal, { address: wrong, ...done })
      await expect(answer).rejects.toThrow(/^Malformed reply: address: expected 64 hex characters/)
    }
  })
})
