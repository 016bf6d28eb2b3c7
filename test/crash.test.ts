import { readFile } from 'node:fs/promises'
import { bytesToHex, equalBytes } from '@bletchley/bytes'
import { type CoreClient, computeFunction, deployContract } from '@bletchley/client'
import { randomBytes } from '@bletchley/crypto'
import { isWorkerError } from '@bletchley/protocol'
import { startCoreProcess, TestPrincipal, temporaryFolder } from '@bletchley/testkit'
import { expect, it } from 'vitest'

// A core is killed at random moments, over and over, in the middle of a stream of writes. What it has acknowledged must
// be there when it comes back, byte for byte, and every contract must rebuild from its chain.
// `npm run campaigns` has the long form.

const rounds = Number(process.env.BLETCHLEY_CRASH_ROUNDS ?? 25)
const gasLimit = 10_000_000n
const longestStreamMs = 200
/** The newest contracts: tasks of these are in the stream. */
const computed = 3
const principal = new TestPrincipal()

/** What the core has acknowledged. */
class Acknowledged {
  /** Deltas by contract, in hex, and number. */
  readonly deltas = new Map<string, Map<number, Uint8Array>>()
  readonly code = new Map<string, Uint8Array>()
  writes = 0
  #tellNext = () => {}

  delta(address: Uint8Array, key: number, data: Uint8Array): void {
    const name = bytesToHex(address)
    const deltas = this.deltas.get(name) ?? new Map<number, Uint8Array>()
    deltas.set(key, data)
    this.deltas.set(name, deltas)
    this.writes += 1
    this.#tellNext()
  }

  /** Waits for the next write. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#tellNext = resolve
    })
  }
}

interface Ledger {
  address: Uint8Array
  issuer: string
}

/** Peers that write without pause until the core is gone. */
function startStream(client: CoreClient, ledger: Uint8Array, acknowledged: Acknowledged, ledgers: Ledger[]) {
  const untilGone = async (step: () => Promise<void>): Promise<void> => {
    try {
      for (;;) await step()
    } catch (error) {
      // The client gives up its requests when it is closed: nothing is known of them.
      if (!isWorkerError(error) || error.code !== 'disconnected') throw error
    }
  }

  const pushDeltas = async (): Promise<void> => {
    const address = randomBytes(32)
    let key = 0
    await untilGone(async () => {
      const rows = Array.from({ length: 3 }, () => ({ address, key: key++, data: randomBytes(200) }))
      await client.methods.updateDeltas({ deltas: rows })
      for (const row of rows) acknowledged.delta(address, row.key, row.data)
    })
  }

  const deploy = (): Promise<void> =>
    untilGone(async () => {
      const address = randomBytes(32)
      const issuer = `0x${bytesToHex(randomBytes(32))}`
      await principal.installKeys(client, [address])
      const call = { contractAddress: address, gasLimit, callable: 'construct(bytes32,uint64)', args: [issuer, 1n] }
      const end = await deployContract(client, ledger, call)
      if (end.kind === 'failed') throw new Error(end.message)
      const { data } = await client.methods.getDelta({ address, key: 0 })
      acknowledged.delta(address, 0, data)
      acknowledged.code.set(bytesToHex(address), end.exeCode)
      ledgers.push({ address, issuer })
    })

  const compute = ({ address, issuer }: Ledger): Promise<void> =>
    untilGone(async () => {
      const call = { contractAddress: address, gasLimit, callable: 'mint(bytes32,uint64)', args: [issuer, 1n] }
      const end = await computeFunction(client, call)
      if (end.kind === 'failed' || end.delta === undefined) throw new Error('a mint must succeed')
      const { data } = await client.methods.getDelta({ address, key: end.delta.key })
      acknowledged.delta(address, end.delta.key, data)
    })

  return Promise.all([pushDeltas(), pushDeltas(), deploy(), ...ledgers.slice(-computed).map(compute)])
}

/** Compares a contract with what was acknowledged of it. */
async function check(client: CoreClient, acknowledged: Acknowledged, name: string): Promise<void> {
  const address = Uint8Array.from(Buffer.from(name, 'hex'))
  const { deltas } = await client.methods.getDeltas({ ranges: [{ address, from: 0, to: 2 ** 32 - 1 }] })
  const stored = new Map(deltas.map(({ key, data }) => [key, data]))
  for (const [key, data] of acknowledged.deltas.get(name)!) {
    const found = stored.get(key)
    expect(found !== undefined && equalBytes(found, data), `delta ${key} of ${name}`).toBe(true)
  }
  const code = acknowledged.code.get(name)
  if (code !== undefined) expect((await client.methods.getContract({ address })).bytecode, name).toEqual(code)
}

it(`keeps every acknowledged write and every chain over ${rounds} kills`, {
  // A round takes a second or two on a machine that does nothing else.
  timeout: 300_000 + rounds * 20_000,
}, async () => {
  await using folder = await temporaryFolder()
  const ledger = await readFile(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
  const acknowledged = new Acknowledged()
  const ledgers: Ledger[] = []
  let touched: string[] = []

  for (let round = 0; round <= rounds; round++) {
    await using core = await startCoreProcess({ dataFolder: folder.path })
    const { client } = core
    // What no round has touched since it was looked at is looked at again in the end.
    const isLast = round === rounds
    for (const name of isLast ? acknowledged.deltas.keys() : touched) await check(client, acknowledged, name)
    // A chain that does not rebuild is told in the reply to the key exchange.
    const chains = ledgers.filter(({ address }, index) => {
      return isLast || touched.includes(bytesToHex(address)) || index >= ledgers.length - computed
    })
    const addresses = chains.map(({ address }) => address)
    expect(await principal.installKeys(client, addresses)).toEqual([])
    const listed = await client.methods.getAllAddrs(undefined)
    const { tips } = await client.methods.getAllTips(undefined)
    expect(tips.map(({ address }) => address)).toEqual(listed.addresses)
    if (isLast) break

    const before = new Map([...acknowledged.deltas].map(([name, deltas]) => [name, deltas.size]))
    const stream = startStream(client, ledger, acknowledged, ledgers)
    // However slow the machine is, each kill comes when there is something to lose, and the first with a contract.
    do await Promise.race([acknowledged.next(), stream])
    while (ledgers.length === 0)
    await new Promise((resolve) => setTimeout(resolve, Math.random() * longestStreamMs))
    await core.process.kill('SIGKILL')
    client.close()
    await stream
    touched = [...acknowledged.deltas].flatMap(([name, deltas]) => (before.get(name) === deltas.size ? [] : [name]))
  }
  expect(acknowledged.writes).toBeGreaterThanOrEqual(rounds)
  expect(acknowledged.code.size).toBeGreaterThan(0)
})
