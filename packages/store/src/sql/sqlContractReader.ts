import { assertAddress, assertIndex, assertRange, assertTaskId } from '../arguments.ts'
import { gather } from '../chunks.ts'
import type { ContractReader, Delta, Receipt, Snapshot, TipLength } from '../contractStore.ts'
import { Pacer } from '../pacer.ts'
import { indexEnd } from '../ranges.ts'
import type { Connections } from './connections.ts'
import type { StatementName } from './statements.ts'
import { byteArrays } from './values.ts'

/** The most contracts and deltas that one statement gives. */
const contractsAtOnce = 1000
const deltasAtOnce = 500
/** The most data of tips and of deltas that one statement gives, but for a single one that is larger. */
const tipBytesAtOnce = 8 << 20
const deltaBytesAtOnce = 1 << 20

/** Reads contracts from tables, each call (or page of one) by one statement, without a lock. */
export class SqlContractReader implements ContractReader {
  protected readonly connections: Connections<StatementName>

  constructor(connections: Connections<StatementName>) {
    this.connections = connections
  }

  async getTip(address: Uint8Array): Promise<Delta | undefined> {
    assertAddress(address)
    const [row] = await this.select<DeltaColumns>('tip', [address])
    return row && deltaOf(row)
  }

  async getTipKey(address: Uint8Array): Promise<number | undefined> {
    assertAddress(address)
    const [row] = await this.select<{ tip: string | null }>('tipKey', [address])
    return numberOf(row?.tip)
  }

  /** A page is of one moment. */
  async *tips(addresses: Iterable<Uint8Array>, pacer = new Pacer()): AsyncGenerator<Delta | undefined> {
    const left = addresses[Symbol.iterator]()
    let page: Uint8Array[] = []
    for (;;) {
      while (page.length < contractsAtOnce) {
        const { done, value } = left.next()
        if (done) break
        assertAddress(value)
        page.push(value)
      }
      if (page.length === 0) return
      const rows = await this.select<DeltaColumns | NoDelta>('tips', [byteArrays(page), tipBytesAtOnce])
      for (const row of rows) {
        yield row.key === null ? undefined : deltaOf(row)
        await pacer.pause()
      }
      page = page.slice(rows.length)
    }
  }

  async *tipLengths(mostBytes: number, pacer = new Pacer()): AsyncGenerator<TipLength> {
    for (let last = '0'; ; ) {
      const values = [last, contractsAtOnce, mostBytes, tipBytesAtOnce]
      const rows = await this.select<TipLengthColumns>('tipLengths', values)
      for (const { address, key, length, data } of rows) {
        yield { address, key: Number(key), length, ...(data !== null && { data }) }
        await pacer.pause()
      }
      if (isLastPage(rows, contractsAtOnce)) return
      last = rows.at(-1)!.sequence
    }
  }

  allAddresses(): Promise<Uint8Array[]> {
    return gather(this.addressChunks())
  }

  /** In the order of the numbers that new contracts were given, which those made at the same moment have in any order. */
  async *addressChunks(): AsyncGenerator<Uint8Array[]> {
    for (let last = '0'; ; ) {
      const rows = await this.select<{ address: Uint8Array; sequence: string }>('addresses', [last, contractsAtOnce])
      if (rows.length > 0) yield rows.map(({ address }) => address)
      if (rows.length < contractsAtOnce) return
      last = rows.at(-1)!.sequence
    }
  }

  async hasContract(address: Uint8Array): Promise<boolean> {
    assertAddress(address)
    return (await this.select('contract', [address])).length > 0
  }

  async getDelta(address: Uint8Array, index: number): Promise<Uint8Array | undefined> {
    assertAddress(address)
    assertIndex(index)
    const [row] = await this.select<{ data: Uint8Array }>('delta', [address, index])
    return row?.data
  }

  getDeltas(address: Uint8Array, from: number, to: number): Promise<Delta[]> {
    return gather(this.deltaChunks(address, from, to))
  }

  async *deltaChunks(address: Uint8Array, from = 0, to = indexEnd): AsyncGenerator<Delta[]> {
    assertAddress(address)
    assertRange(from, to)
    for (let next = from; next < to; ) {
      const values = [address, next, to, deltasAtOnce, deltaBytesAtOnce]
      const rows = await this.select<DeltaColumns & PageColumns>('deltas', values)
      const deltas = rows.map(deltaOf)
      if (deltas.length > 0) yield deltas
      if (isLastPage(rows, deltasAtOnce)) return
      next = deltas.at(-1)!.key + 1
    }
  }

  async *deltaKeysBefore(address: Uint8Array, before: number, limit: number): AsyncGenerator<number[]> {
    assertAddress(address)
    assertRange(0, before)
    for (let left = limit; left > 0; ) {
      const wanted = Math.min(left, deltasAtOnce)
      const rows = await this.select<{ key: string }>('deltaKeysBefore', [address, before, wanted])
      const keys = rows.map(({ key }) => Number(key))
      if (keys.length > 0) yield keys
      if (keys.length < wanted) return
      before = keys.at(-1)!
      left -= wanted
    }
  }

  async hasBytecode(address: Uint8Array): Promise<boolean> {
    assertAddress(address)
    return (await this.select('hasBytecode', [address])).length > 0
  }

  async getBytecode(address: Uint8Array): Promise<Uint8Array | undefined> {
    assertAddress(address)
    const [row] = await this.select<{ code: Uint8Array }>('bytecode', [address])
    return row?.code
  }

  async getSnapshot(address: Uint8Array): Promise<Snapshot | undefined> {
    assertAddress(address)
    const [row] = await this.select<DeltaColumns>('snapshot', [address])
    return row && deltaOf(row)
  }

  async getReceipt(address: Uint8Array, taskId: Uint8Array): Promise<{ key: number; reply: Uint8Array } | undefined> {
    assertAddress(address)
    assertTaskId(taskId)
    return (await this.select<ReceiptColumns>('receipt', [address, taskId])).map(receiptOf)[0]
  }

  async receiptOf(address: Uint8Array, index: number): Promise<Receipt | undefined> {
    assertAddress(address)
    assertIndex(index)
    const [row] = await this.select<{ task: Uint8Array; reply: Uint8Array }>('receiptOf', [address, index])
    return row && { taskId: row.task, reply: row.reply }
  }

  async receiptTasks(address: Uint8Array): Promise<Uint8Array[]> {
    assertAddress(address)
    const rows = await this.select<{ task: Uint8Array }>('receiptTasks', [address])
    return rows.map(({ task }) => task)
  }

  protected select<Row>(name: StatementName, values: unknown[]): Promise<Row[]> {
    return this.connections.whileOpen(() => this.connections.read<Row>(name, values))
  }
}

interface DeltaColumns {
  key: string
  data: Uint8Array
}

export interface ReceiptColumns {
  key: string
  reply: Uint8Array
}

interface NoDelta {
  key: null
}

/** Of a page that may have been cut: how many rows there would have been. */
interface PageColumns {
  found: string
}

interface TipLengthColumns extends PageColumns {
  address: Uint8Array
  sequence: string
  key: string
  length: number
  data: Uint8Array | null
}

function deltaOf({ key, data }: DeltaColumns): Delta {
  return { key: Number(key), data }
}

export function receiptOf({ key, reply }: ReceiptColumns): { key: number; reply: Uint8Array } {
  return { key: Number(key), reply }
}

/** A `bigint` of a row: the number of a delta. */
export function numberOf(value: string | null | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value)
}

function isLastPage(rows: readonly PageColumns[], limit: number): boolean {
  return rows.length < limit && rows.length === Number(rows[0]?.found ?? 0)
}
