import { keccak256 } from '@bletchley/crypto'
import { type Patch, sealDelta } from '@bletchley/state'
import { type ContractStore, KeyValueStore, openMemory } from '@bletchley/store'
import { expect, it } from 'vitest'
import { type ContractRecords, ContractStates, snapshotIfDue } from './contractStates.ts'
import { storedRecords, storedTip } from './storedRecords.ts'

type Address = Uint8Array<ArrayBuffer>

const stateKey = new Uint8Array(32).fill(7)
const address = new Uint8Array(32).fill(1)

/** A store with contracts whose states are asked for, and what was asked of it. */
class World {
  readonly store: ContractStore
  readonly asked: string[] = []

  private constructor(store: ContractStore) {
    this.store = store
  }

  static async start(): Promise<World> {
    return new World(await KeyValueStore.open(openMemory(), { hash: keccak256 }))
  }

  /** What a home thread knows: nothing, after a restart. */
  thread(memory?: number): ContractStates {
    const stored = storedRecords(this.store)
    const counting: ContractRecords = {
      bytecode: stored.bytecode,
      snapshot: (...args) => {
        this.asked.push('snapshot')
        return stored.snapshot(...args)
      },
      deltas: (...args) => {
        this.asked.push(`deltas from ${args[1]}`)
        return stored.deltas(...args)
      },
    }
    return new ContractStates(counting, memory)
  }

  /** Stores the next deltas of a contract, as they come from elsewhere; returns their bytes. */
  async grow(patches: Patch[], of = address): Promise<number> {
    const tip = await this.store.getTip(of)
    let previousHash = tip === undefined ? new Uint8Array(32) : keccak256(tip.data)
    let key = tip === undefined ? 0 : tip.key + 1
    let bytes = 0
    for (const patch of patches) {
      const data = sealDelta(stateKey, { patch, previousHash })
      await this.store.putDeltas([{ address: of, key, data }])
      previousHash = keccak256(data)
      key += 1
      bytes += data.length
    }
    return bytes
  }

  /** Opens a state on a thread; returns it and what was asked for it. */
  async open(thread: ContractStates, of = address) {
    this.asked.length = 0
    const opened = await thread.open(of, stateKey, await storedTip(this.store, of))
    return { ...opened, asked: [...this.asked] }
  }
}

const sets = (count: number, from = 0): Patch[] =>
  Array.from({ length: count }, (_, index) => [{ op: 'add', path: '/counter', value: from + index }])

it('nothing is asked for a state that is up to date, and only what is new for one that is not', async () => {
  const world = await World.start()
  await world.grow(sets(1000))
  const thread = world.thread()
  const first = await world.open(thread)
  expect(first.live.state.json.get('counter')).toBe(999)
  expect(first.asked).toEqual(['snapshot', 'deltas from 0', 'deltas from 512'])
  expect((await world.open(thread)).asked).toEqual([])
  await world.grow(sets(2, 5000))
  const grown = await world.open(thread)
  expect(grown.asked).toEqual(['deltas from 999'])
  expect(grown.live.state.json.get('counter')).toBe(5001)
  expect((await world.open(thread)).asked).toEqual([])
})

it('a snapshot is due once deltas from elsewhere have been replayed, and bounds the next rebuild', async () => {
  const world = await World.start()
  const first = world.thread()
  await world.grow(sets(63))
  expect(snapshotIfDue((await world.open(first)).live)).toBe(undefined)
  await world.grow(sets(237, 63))
  const { live } = await world.open(first)
  const snapshot = snapshotIfDue(live)!
  expect(snapshot.key).toBe(299)
  await world.store.putSnapshot(address, snapshot, snapshot.deltaHash)
  expect(snapshotIfDue(live)).toBe(undefined)
  // Another one is due as many deltas later.
  await world.grow(sets(63, 300))
  expect(snapshotIfDue((await world.open(first)).live)).toBe(undefined)
  await world.grow(sets(1, 363))
  expect(snapshotIfDue((await world.open(first)).live)?.key).toBe(363)

  const second = world.thread()
  const opened = await world.open(second)
  expect(opened.asked).toEqual(['snapshot', 'deltas from 299'])
  expect(opened.live.state.json.get('counter')).toBe(363)
})

it('snapshots of a large state come when its deltas have as many bytes', async () => {
  const world = await World.start()
  const thread = world.thread()
  const large: Patch = [{ op: 'add', path: '/large', value: 'x'.repeat(100_000) }]
  await world.grow([large, ...sets(63)])
  const snapshot = snapshotIfDue((await world.open(thread)).live)!
  expect(snapshot.data.length).toBeGreaterThan(100_000)
  // A delta's length hangs on the random bytes of the hash in it: they are counted, not foretold.
  let missing = snapshot.data.length
  while (missing > 0) {
    expect(snapshotIfDue((await world.open(thread)).live)).toBe(undefined)
    missing -= await world.grow(sets(Math.ceil(missing / 1000), 1000))
  }
  expect(snapshotIfDue((await world.open(thread)).live)).not.toBe(undefined)
})

it('a snapshot that is not of the stored chain is not used', async () => {
  const world = await World.start()
  const thread = world.thread()
  await world.grow(sets(100))
  const snapshot = snapshotIfDue((await world.open(thread)).live)!
  await world.store.putSnapshot(address, snapshot, snapshot.deltaHash)
  // Another store would have dropped the snapshot with the deltas.
  const stored = await world.store.getSnapshot(address)
  await world.store.removeDeltas([{ address, from: 50, to: 100 }])
  await world.grow(sets(60, 7000))
  await world.store.putSnapshot(address, stored!, keccak256((await world.store.getDelta(address, 99))!))
  const { live, broken } = await world.open(world.thread())
  expect([live.state.deltaIndex, live.state.json.get('counter'), broken]).toEqual([109, 7059, undefined])
})

it('the state that was not used for longest gives way to others, by their bytes, and is rebuilt', async () => {
  const world = await World.start()
  // Of states with texts of 100 KB two fit, since a character counts two bytes, and three do not.
  const thread = world.thread(500_000)
  const contracts = [1, 2, 3].map((byte) => new Uint8Array(32).fill(byte))
  for (const contract of contracts) {
    await world.grow([[{ op: 'add', path: '/k', value: String(contract[0]).repeat(100_000) }]], contract)
  }
  const [first, second, third] = contracts as [Address, Address, Address]
  for (const contract of [first, second, first, third]) await world.open(thread, contract)
  expect((await world.open(thread, first)).asked).toEqual([])
  expect((await world.open(thread, third)).asked).toEqual([])
  const { asked, live } = await world.open(thread, second)
  expect(asked).toEqual(['snapshot', 'deltas from 0'])
  expect((live.state.json.get('k') as string).slice(0, 3)).toBe('222')
})

it('a state weighs what it holds, and not what led to it', async () => {
  const numbers = Array.from({ length: 10_000 }, (_, index) => index)
  const copies = Array.from({ length: 50 }, (_, index) => ({ op: 'copy', from: '/a', path: `/b${index}` }) as const)
  const grown = await World.start()
  await grown.grow([[{ op: 'add', path: '/a', value: numbers }], copies])
  const thread = grown.thread()
  const { state } = (await grown.open(thread)).live
  expect(state.size).toBeGreaterThan(2_000_000)
  expect(thread.size.bytes).toBeGreaterThan(state.size)

  const replaced = await World.start()
  await replaced.grow(Array.from({ length: 50 }, () => [{ op: 'add', path: '/a', value: numbers }]))
  const other = replaced.thread()
  const { size } = (await replaced.open(other)).live.state
  expect(other.size.bytes).toBeLessThan(10 * size)
})

it('a state is not used under another key', async () => {
  const world = await World.start()
  await world.grow(sets(3))
  const thread = world.thread()
  expect((await world.open(thread)).live.state.deltaIndex).toBe(2)
  const other = await thread.open(
    address,
    stateKey.map((byte) => byte + 1),
    await storedTip(world.store, address),
  )
  expect([other.broken, other.live.state.json.size]).toEqual(['undecryptable', 0])
})

it('a snapshot that does not open is passed over: the deltas say whether a contract is sound', async () => {
  const world = await World.start()
  await world.grow(sets(5))
  const tip = (await world.store.getTip(address))!
  await world.store.putSnapshot(address, { key: 4, data: new Uint8Array(60) }, keccak256(tip.data))
  const { asked, broken, live } = await world.open(world.thread())
  expect(asked).toEqual(['snapshot', 'deltas from 0'])
  expect([live.state.deltaIndex, broken]).toEqual([4, undefined])
})

it('a state is built anew where the stored chain does not contain it any more', async () => {
  const world = await World.start()
  await world.grow(sets(6))
  const thread = world.thread()
  await world.open(thread)
  // Shorter than what is in memory.
  await world.store.removeDeltas([{ address, from: 4, to: 6 }])
  const shorter = await world.open(thread)
  expect([shorter.asked, shorter.live.state.deltaIndex]).toEqual([['snapshot', 'deltas from 0'], 3])
  // As long, but another.
  await world.store.removeDeltas([{ address, from: 3, to: 4 }])
  await world.grow(sets(3, 70))
  const other = await world.open(thread)
  expect(other.asked).toEqual(['deltas from 3', 'snapshot', 'deltas from 0'])
  expect([other.live.state.deltaIndex, other.live.state.json.get('counter')]).toEqual([5, 72])
  // Longer, but the delta that it ended with is gone.
  await world.grow(sets(1, 80))
  await world.store.removeDeltas([{ address, from: 5, to: 6 }])
  const gap = await world.open(thread)
  expect(gap.asked).toEqual(['deltas from 5', 'snapshot', 'deltas from 0'])
  expect([gap.broken, gap.live.state.deltaIndex, gap.live.state.json.get('counter')]).toEqual(['gap', 4, 71])
})

it('a state ends before the first delta that is missing, or does not follow', async () => {
  const world = await World.start()
  await world.grow(sets(600))
  await world.store.removeDeltas([{ address, from: 512, to: 520 }])
  const hole = await world.open(world.thread())
  expect([hole.broken, hole.live.state.deltaIndex]).toEqual(['gap', 511])
  await world.store.removeDeltas([{ address, from: 0, to: 1 }])
  const headless = await world.open(world.thread())
  expect([headless.broken, headless.live.state.json.size]).toEqual(['gap', 0])
  const forked = await World.start()
  await forked.grow(sets(2))
  const patch: Patch = [{ op: 'add', path: '/counter', value: 9 }]
  await forked.store.putDeltas([
    { address, key: 2, data: sealDelta(stateKey, { patch, previousHash: new Uint8Array(32).fill(1) }) },
  ])
  const { broken, live } = await forked.open(forked.thread())
  expect([broken, live.state.json.get('counter')]).toEqual(['hash_mismatch', 1])
  // What was applied in vain is not taken for a state that ends there.
  expect((await forked.open(forked.thread())).broken).toBe('hash_mismatch')
})

it('a snapshot of the newest delta is all that a rebuild takes, and nothing is asked again', async () => {
  const world = await World.start()
  const first = world.thread()
  await world.grow(sets(64))
  const snapshot = snapshotIfDue((await world.open(first)).live)!
  await world.store.putSnapshot(address, snapshot, snapshot.deltaHash)
  const second = world.thread()
  const { live, asked } = await world.open(second)
  expect([asked, live.state.json.get('counter')]).toEqual([['snapshot', 'deltas from 63'], 63])
  expect((await world.open(second)).asked).toEqual([])
})

it('what a snapshot takes counts also for the thread that only read it', async () => {
  const world = await World.start()
  await world.grow([[{ op: 'add', path: '/large', value: 'x'.repeat(100_000) }], ...sets(63)])
  const snapshot = snapshotIfDue((await world.open(world.thread())).live)!
  await world.store.putSnapshot(address, snapshot, snapshot.deltaHash)
  await world.grow(sets(100, 100))
  expect(snapshotIfDue((await world.open(world.thread())).live)).toBe(undefined)
})

it('states take 512 MiB, what each takes at the most', async () => {
  const world = await World.start()
  const thread = world.thread()
  const contracts = [1, 2].map((byte) => new Uint8Array(32).fill(byte)) as [Address, Address]
  const text: Patch = [{ op: 'add', path: '/0', value: 'x'.repeat(1_000_000) }]
  const copy = (number: number): Patch => [{ op: 'copy', from: '/0', path: `/${number}` }]
  const copies = Array.from({ length: 132 }, (_, index) => copy(index + 1))
  for (const contract of contracts) await world.grow([text, ...copies], contract)
  const { live } = await world.open(thread, contracts[0])
  expect(thread.size).toEqual({ entries: 1, bytes: 2048 + live.state.memory })
  await world.open(thread, contracts[1])
  // Of 133 million characters each.
  expect(thread.size.entries).toBe(2)
  await world.grow([copy(133), copy(134), copy(135)], contracts[1])
  await world.open(thread, contracts[1])
  expect(thread.size.entries).toBe(1)
})
