import { setImmediate } from 'node:timers/promises'
import { hexToBytes } from '@bletchley/bytes'
import { type Context, Hono } from 'hono'
import { readBudget } from '../observation/chainSizes.ts'
import { stepMs } from '../observation/history.ts'
import type { Observed } from '../observation/observed.ts'
import { statusOf } from '../observation/status.ts'

const maxContractsPerPage = 200
const maxDeltasPerPage = 500

/** A page of deltas ends behind so many bytes of them, or of their tasks' receipts that had to be read. */
const maxBytesPerPage = 16 * 1024 * 1024

/** The JSON API: reads of what is stored and remembered, each bounded, with no payload, key or plaintext in any. */
export function createApi(observed: Observed): Hono {
  const { observation, store, engine, stateKeys } = observed
  const { contracts: index, records, chains, tasks } = observation
  const api = new Hono()

  api.get('/status', (context) => context.json(statusOf(observed)))

  api.get('/history', (context) => context.json({ stepMs, ...observation.history.columns }))

  api.get('/contracts', async (context) => {
    const search = hexPart(context, 'search')
    const after = hexPart(context, 'after')
    const limit = wholeNumber(context, 'limit', { least: 1, greatest: maxContractsPerPage, otherwise: 50 })
    if (search === undefined || after === undefined || limit === undefined) return refuse(context)
    const { names, total, more } = await index.page({ search, after, limit })
    const budget = readBudget()
    const contracts = []
    for (const name of names) {
      contracts.push(await describe(name, () => budget))
      await setImmediate()
    }
    return context.json({ contracts, total, next: more ? names.at(-1) : undefined })
  })

  api.get('/contracts/:address', async (context) => {
    const name = addressIn(context)
    if (name === undefined) return refuse(context)
    const address = hexToBytes(name)
    if (!(await store.hasContract(address))) return context.json({ error: 'no such contract' }, 404)
    return context.json({
      ...(await describe(name, readBudget)),
      bytecodeBytes: (await records.bytecode(address, readBudget()))?.bytes ?? 0,
      snapshot: await records.snapshot(address, readBudget()),
      home: engine.pool.home(address),
    })
  })

  api.get('/contracts/:address/deltas', async (context) => {
    const name = addressIn(context)
    const before = wholeNumber(context, 'before', { least: 0, greatest: 2 ** 32, otherwise: 2 ** 32 })
    const limit = wholeNumber(context, 'limit', { least: 1, greatest: maxDeltasPerPage, otherwise: 100 })
    if (name === undefined || before === undefined || limit === undefined) return refuse(context)
    const address = hexToBytes(name)
    if (!(await store.hasContract(address))) return context.json({ error: 'no such contract' }, 404)
    const deltas = []
    const receipts = { bytes: maxBytesPerPage }
    let bytes = 0
    let next: number | undefined
    // One more than is shown tells whether there are others behind.
    read: for await (const keys of store.deltaKeysBefore(address, before, limit + 1)) {
      for (const key of keys) {
        if (deltas.length === limit || bytes > maxBytesPerPage || receipts.bytes <= 0) {
          next = key + 1
          break read
        }
        const delta = await records.delta(address, key, readBudget())
        // Removed meanwhile.
        if (delta === undefined) continue
        bytes += delta.bytes
        deltas.push({ key, ...delta, ...(await taskOf(address, key, delta.bytes, receipts)) })
      }
    }
    return context.json({ deltas, next })
  })

  api.all('*', (context) => context.json({ error: 'no such path' }, 404))

  /** @param budget of what may be read for each of the facts that are not known yet: they are absent if it is used up */
  async function describe(name: string, budget: () => ReturnType<typeof readBudget>) {
    const address = hexToBytes(name)
    const tipKey = await store.getTipKey(address)
    const tip = tipKey === undefined ? undefined : await records.delta(address, tipKey, budget())
    const bytecode = await records.bytecode(address, budget())
    const chain = tipKey === undefined ? undefined : await chains.of(address, tipKey, budget())
    return {
      address: name,
      codeHash: bytecode?.hash,
      tipKey,
      tipHash: tip?.hash,
      // Until they are counted: what there are if none is missing.
      deltas: chain?.deltas ?? (tipKey === undefined ? 0 : tipKey + 1),
      deltaBytes: tipKey === undefined ? 0 : chain?.bytes,
      stateBytes: tasks.stateBytes(address),
      keyHeld: stateKeys.has(name),
    }
  }

  async function taskOf(address: Uint8Array, key: number, bytes: number, budget: { bytes: number }) {
    const task = tasks.taskOf(address, key, bytes)
    if (task !== undefined) return { gas: task.usedGas.toString(), at: task.at, type: task.type }
    return { gas: await records.gas(address, key, budget) }
  }

  return api
}

function refuse(context: Context) {
  return context.json({ error: 'a parameter is not of its shape' }, 400)
}

function addressIn(context: Context): string | undefined {
  const address = context.req.param('address')?.toLowerCase() ?? ''
  return /^[0-9a-f]{64}$/.test(address) ? address : undefined
}

/** A part of an address, empty if absent; undefined if it can be none. */
function hexPart(context: Context, name: string): string | undefined {
  const text = (context.req.query(name) ?? '').toLowerCase().replace(/^0x/, '')
  return /^[0-9a-f]{0,64}$/.test(text) ? text : undefined
}

function wholeNumber(
  context: Context,
  name: string,
  { least, greatest, otherwise }: { least: number; greatest: number; otherwise: number },
): number | undefined {
  const text = context.req.query(name)
  if (text === undefined) return otherwise
  const value = Number(text)
  return /^\d{1,10}$/.test(text) && value >= least && value <= greatest ? value : undefined
}
