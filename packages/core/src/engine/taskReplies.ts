import { bytesToHex, bytesToUtf8, hexToBytes, u32At, u32be, utf8ToBytes } from '@bletchley/bytes'
import type { FailedTaskResult, Result } from '@bletchley/protocol'
import { BoundedMap } from '@bletchley/store'
import { heldBytes } from '../heldBytes.ts'
import { joinWithPauses } from '../largeBytes.ts'
import { Heap, type Weighed } from './heap.ts'

export interface DeployedReply {
  kind: 'deployed'
  result: Result<'DeploySecretContract'>
  /** keccak256 of the output, 32 bytes. */
  codeHash: Uint8Array
}

export interface ComputedReply {
  kind: 'computed'
  result: Result<'ComputeTask'>
}

export interface FailedReply {
  kind: 'failed'
  result: FailedTaskResult
}

/** The signed answer to a task: what the user is owed, and what a retry gets again. */
export type TaskReply = DeployedReply | ComputedReply | FailedReply

interface KeptReply {
  address: string
  /** Replies of a contract whose weights have as many binary digits share a shelf. */
  size: number
  weight: number
  reply: TaskReply
}

/** The replies of one contract that are about as large. */
interface Shelf extends Weighed {
  /** Names of their tasks, the oldest first. */
  readonly tasks: Set<string>
  /** Walks from the oldest on: a walk from the start would step over all that have gone from there, one by one. */
  readonly oldest: Iterator<string, undefined>
}

/** What a reply takes beside its bytes: objects, names, places in maps, a shelf. Measured on Node 20: 2.1 KB. */
const memoryPerReply = 2560

/** Of all replies that are kept. */
const mostWeight = 64 * 1024 * 1024

/** A peer that lost a reply asks again soon, or never. */
const lifetimeMs = 60 * 60 * 1000

/**
 * The signed replies of the last tasks, so that the same request gets the same signed bytes: the user's key is burnt by
 * the run, so a task whose reply was lost could not be run again.
 *
 * Where they take too much, the fullest shelf gives up its oldest: many or large replies push out others of the same contract
 * and size, and none of a contract, or of a size, that has few.
 */
export class TaskReplies {
  /** Of each contract, by size: forgetting one costs no look at the others. */
  readonly #shelves = new Map<string, Map<number, Shelf>>()
  readonly #fullest = new Heap<Shelf>()
  readonly #replies = new BoundedMap<KeptReply>(
    { lifetimeMs, weight: { most: Number.POSITIVE_INFINITY, of: ({ weight }) => weight } },
    { onGone: (task, kept) => this.#takeOff(task, kept) },
  )

  get(taskId: Uint8Array): TaskReply | undefined {
    return this.#replies.get(bytesToHex(taskId))?.reply
  }

  keep(taskId: Uint8Array, contract: Uint8Array, reply: TaskReply): void {
    const [task, address] = [bytesToHex(taskId), bytesToHex(contract)]
    const weight = memoryPerReply + heldBytes(reply)
    const kept = { address, size: Math.floor(Math.log2(weight)), weight, reply }
    this.#replies.set(task, kept)
    this.#putOn(task, kept)
    // Whatever a walk meets is deleted, so its next one is the oldest.
    while (this.#replies.weight > mostWeight) this.#replies.delete(this.#fullest.heaviest!.oldest.next().value!)
  }

  /** Forgets a contract's replies: its chain has been cut, and they tell of deltas that are not there any more. */
  forget(contract: Uint8Array): void {
    for (const { tasks } of this.#shelves.get(bytesToHex(contract))?.values() ?? []) {
      for (const task of tasks) this.#replies.delete(task)
    }
  }

  #putOn(task: string, { address, size, weight }: KeptReply): void {
    const shelves = this.#shelves.get(address) ?? new Map<number, Shelf>()
    const shelf = shelves.get(size) ?? this.#newShelf()
    this.#shelves.set(address, shelves.set(size, shelf))
    shelf.tasks.add(task)
    shelf.weight += weight
    this.#fullest.changed(shelf)
  }

  #takeOff(task: string, { address, size, weight }: KeptReply): void {
    const shelves = this.#shelves.get(address)!
    const shelf = shelves.get(size)!
    shelf.tasks.delete(task)
    shelf.weight -= weight
    this.#fullest.changed(shelf)
    if (shelf.tasks.size > 0) return
    this.#fullest.remove(shelf)
    shelves.delete(size)
    if (shelves.size === 0) this.#shelves.delete(address)
  }

  #newShelf(): Shelf {
    const tasks = new Set<string>()
    const shelf = { tasks, oldest: tasks.values(), weight: 0, place: 0 }
    this.#fullest.add(shelf)
    return shelf
  }
}

/**
 * The part of a reply that is stored beside its delta, so that a retry after a restart gets the same signed bytes.
 * Bytecode and delta are stored already.
 *
 *     length of the head (u32be), head (JSON), payload for Ethereum, output of a computation
 */
export function encodeReceipt(reply: DeployedReply | ComputedReply): Promise<Uint8Array> {
  const { usedGas, ethereumPayload, ethereumAddress, signature } = reply.result
  const head: ReceiptHead = {
    usedGas: usedGas.toString(),
    ethereumAddress: bytesToHex(ethereumAddress),
    signature: bytesToHex(signature),
    payloadBytes: ethereumPayload.length,
    ...(reply.kind === 'deployed' && {
      preCodeHash: bytesToHex(reply.result.preCodeHash),
      codeHash: bytesToHex(reply.codeHash),
    }),
  }
  const text = utf8ToBytes(JSON.stringify(head))
  const output = reply.kind === 'deployed' ? new Uint8Array() : reply.result.output
  return joinWithPauses(u32be(text.length), text, ethereumPayload, output)
}

interface ReceiptHead {
  /** The first member, where {@link gasOfReceipt} looks for it. */
  usedGas: string
  ethereumAddress: string
  signature: string
  payloadBytes: number
  /** Of a deployment. */
  preCodeHash?: string
  codeHash?: string
}

/** Older versions wrote one JSON text, with all parts in hex. */
function isText(receipt: Uint8Array): boolean {
  return receipt[0] === 0x7b
}

/** The gas in a receipt, without reading the rest of it: it may hold a large output. */
export function gasOfReceipt(receipt: Uint8Array): string | undefined {
  const head = isText(receipt) ? receipt : receipt.subarray(4)
  return /^\{"usedGas":"(\d+)"/.exec(bytesToUtf8(head.subarray(0, 40)))?.[1]
}

/** The head of a receipt, and its two large parts as views of it. */
function partsOf(receipt: Uint8Array): ReceiptHead & { payload: Uint8Array; output: Uint8Array } {
  if (isText(receipt)) {
    const { ethereumPayload, output = '', ...head } = JSON.parse(bytesToUtf8(receipt))
    return { ...head, payload: hexToBytes(ethereumPayload), output: hexToBytes(output) }
  }
  const headEnd = 4 + u32At(receipt, 0)
  const head = JSON.parse(bytesToUtf8(receipt.subarray(4, headEnd))) as ReceiptHead
  const payloadEnd = headEnd + head.payloadBytes
  if (receipt.length < payloadEnd) throw new RangeError('a receipt without its end')
  return { ...head, payload: receipt.subarray(headEnd, payloadEnd), output: receipt.subarray(payloadEnd) }
}

/** A contract's bytecode as it is stored now, and its keccak256. */
export interface StoredCode {
  bytecode: Uint8Array
  hash: Uint8Array
}

/**
 * The reverse of {@link encodeReceipt}; nothing if the bytecode is not that of the deployment any more.
 *
 * @param code of no use to a computation
 */
export function decodeReceipt(
  receipt: Uint8Array,
  delta: { key: number; data: Uint8Array },
  code?: StoredCode,
): TaskReply | undefined {
  const { usedGas, ethereumAddress, signature, preCodeHash, codeHash, payload, output } = partsOf(receipt)
  const common = {
    delta,
    usedGas: BigInt(usedGas),
    ethereumPayload: payload,
    ethereumAddress: hexToBytes(ethereumAddress),
    signature: hexToBytes(signature),
  }
  if (preCodeHash === undefined) return { kind: 'computed', result: { ...common, output } }
  if (code === undefined || codeHash !== bytesToHex(code.hash)) return undefined
  const result = { ...common, output: code.bytecode, preCodeHash: hexToBytes(preCodeHash) }
  return { kind: 'deployed', result, codeHash: code.hash }
}
