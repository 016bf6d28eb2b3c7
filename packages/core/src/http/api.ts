import { setImmediate } from 'node:timers/promises'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { isWorkerError } from '@bletchley/protocol'
import { type Context, Hono } from 'hono'
import { gasOfReceipt } from '../engine/taskReplies.ts'
import { readBudget } from '../observation/chainSizes.ts'
import { stepMs } from '../observation/history.ts'
import type { Observed } from '../observation/observed.ts'
import { statusOf } from '../observation/status.ts'

const maxContractsPerPage = 200
const maxDeltasPerPage = 500

/** A page of deltas ends when so many bytes of them were hashed. */
const maxDeltaBytesPerPage = 16 * 1024 * 1024

/** The JSON API: reads of what is stored and remembered, each bounded, with no payload, key or plaintext in any. */
export function createApi(observed: Observed): Hono {
  const { observation, store, engine, stateKeys } = observed
  const api = new Hono()

  api.get('/status', (context) => context.json(statusOf(observed)))

  api.get('/history', (context) => context.json({ stepMs, ...observation.history.columns }))

  api.get('/contracts', async (context) => {
    const search = hexPart(context, 'search')
    const after = hexPart(context, 'after')
    const limit = wholeNumber(context, 'limit', { least: 1, greatest: maxContractsPerPage, otherwise: 50 })
    if (search === undefined || after === undefined || limit === undefined) return refuse(context)
    const { names, total, more } = observation.contracts.page({ search, after, limit })
    const budget = readBudget()
    const contracts = []
    for (const name of names) {
      contracts.push(await describe(name, budget))
      await setImmediate()
    }
    return context.json({ contracts, total, next: more ? names.at(-1) : undefined })
  })

  api.get('/contracts/:address', async (context) => {
    const name = addressIn(context)
    if (name === undefined) return refuse(context)
    const address = hexToBytes(name)
    if (!(await store.hasContract(address))) return context.json({ error: 'no such contract' }, 404)
    const bytecode = await store.getBytecode(address)
    const snapshot = await store.getSnapshot(address)
    return context.json({
      ...(await describe(name, readBudget())),
      bytecodeBytes: bytecode?.length ?? 0,
      snapshot: snapshot && { key: snapshot.key, bytes: snapshot.data.length },
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
    let bytes = 0
    let next: number | undefined
    // One more than is shown tells whether there are others behind.
    read: for await (const chunk of store.deltasBefore(address, before, limit + 1)) {
      for (const { key, data } of chunk) {
        if (deltas.length === limit || bytes > maxDeltaBytesPerPage) {
          next = key + 1
          break read
        }
        bytes += data.length
        deltas.push({
          key,
          hash: bytesToHex(keccak256(data)),
          bytes: data.length,
          ...(await taskOf(address, key, data.length)),
        })
      }
      await setImmediate()
    }
    return context.json({ deltas, next })
  })

  api.all('*', (context) => context.json({ error: 'no such path' }, 404))

  /** @param budget of deltas that may be read to tell how many there are, for all contracts of a page */
  async function describe(name: string, budget: ReturnType<typeof readBudget>) {
    const address = hexToBytes(name)
    const tip = await store.getTip(address)
    const chain = tip && (await observation.chains.of(address, tip.key, budget))
    return {
      address: name,
      codeHash: await codeHash(address),
      tipKey: tip?.key,
      tipHash: tip && bytesToHex(keccak256(tip.data)),
      // Until they are counted: what there are if none is missing.
      deltas: chain?.deltas ?? (tip === undefined ? 0 : tip.key + 1),
      deltaBytes: tip === undefined ? 0 : chain?.bytes,
      stateBytes: observation.tasks.stateBytes(address),
      keyHeld: stateKeys.has(name),
    }
  }

  async function codeHash(address: Uint8Array): Promise<string | undefined> {
    try {
      return bytesToHex(await engine.codeHash(address))
    } catch (error) {
      if (isWorkerError(error)) return undefined
      throw error
    }
  }

  async function taskOf(address: Uint8Array, key: number, bytes: number) {
    const task = observation.tasks.taskOf(address, key, bytes)
    if (task !== undefined) return { gas: task.usedGas.toString(), at: task.at, type: task.type }
    const receipt = await store.receiptOf(address, key)
    return { gas: receipt && gasOfReceipt(receipt.reply) }
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
