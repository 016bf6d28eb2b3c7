import { bytesToHex, bytesToUtf8, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import type { FailedTaskResult, Result } from '@bletchley/protocol'
import { BoundedMap } from '../boundedMap.ts'
import { heldBytes } from '../heldBytes.ts'

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
  reply: TaskReply
}

/** What a reply takes beside its bytes: objects, names, places in maps. Measured on Node 20: 1.7 KB. */
const memoryPerReply = 2048

/** A peer that lost a reply asks again soon, or never. */
const bounds = {
  entries: 10_000,
  lifetimeMs: 60 * 60 * 1000,
  weight: { most: 64 * 1024 * 1024, of: ({ reply }: KeptReply) => memoryPerReply + heldBytes(reply) },
}

/**
 * The signed replies of the last tasks, so that the same request gets the same signed bytes: the user's key is burnt by
 * the run, so a task whose reply was lost could not be run again.
 */
export class TaskReplies {
  /** Names of the tasks of each contract, so that forgetting one costs no look at the others. */
  readonly #tasks = new Map<string, Set<string>>()
  readonly #replies = new BoundedMap<KeptReply>(bounds, {
    onGone: (task, { address }) => {
      const tasks = this.#tasks.get(address)
      tasks?.delete(task)
      if (tasks?.size === 0) this.#tasks.delete(address)
    },
  })

  get(taskId: Uint8Array): TaskReply | undefined {
    return this.#replies.get(bytesToHex(taskId))?.reply
  }

  keep(taskId: Uint8Array, contract: Uint8Array, reply: TaskReply): void {
    const [task, address] = [bytesToHex(taskId), bytesToHex(contract)]
    this.#replies.set(task, { address, reply })
    // One that is too large is gone at once.
    if (!this.#replies.has(task)) return
    const tasks = this.#tasks.get(address) ?? new Set()
    this.#tasks.set(address, tasks.add(task))
  }

  /** Forgets a contract's replies: its chain has been cut, and they tell of deltas that are not there any more. */
  forget(contract: Uint8Array): void {
    for (const task of this.#tasks.get(bytesToHex(contract)) ?? []) this.#replies.delete(task)
  }
}

/**
 * The part of a reply that is stored beside its delta, so that a retry after a restart gets the same signed bytes.
 * Bytecode and delta are stored already.
 */
export function encodeReceipt(reply: DeployedReply | ComputedReply): Uint8Array {
  const { usedGas, ethereumPayload, ethereumAddress, signature } = reply.result
  return utf8ToBytes(
    JSON.stringify({
      usedGas: usedGas.toString(),
      ethereumPayload: bytesToHex(ethereumPayload),
      ethereumAddress: bytesToHex(ethereumAddress),
      signature: bytesToHex(signature),
      ...(reply.kind === 'deployed'
        ? { preCodeHash: bytesToHex(reply.result.preCodeHash), codeHash: bytesToHex(reply.codeHash) }
        : { output: bytesToHex(reply.result.output) }),
    }),
  )
}

/** The gas in a receipt, without reading the rest of it: it may hold a large output. */
export function gasOfReceipt(receipt: Uint8Array): string | undefined {
  return /^\{"usedGas":"(\d+)"/.exec(bytesToUtf8(receipt.subarray(0, 64)))?.[1]
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
  const { usedGas, preCodeHash, codeHash, ...rest } = JSON.parse(bytesToUtf8(receipt)) as Record<string, string>
  const field = (name: string): Uint8Array => hexToBytes(rest[name] ?? '')
  const common = {
    delta,
    usedGas: BigInt(usedGas ?? 0),
    ethereumPayload: field('ethereumPayload'),
    ethereumAddress: field('ethereumAddress'),
    signature: field('signature'),
  }
  if (preCodeHash === undefined) return { kind: 'computed', result: { ...common, output: field('output') } }
  if (code === undefined || codeHash !== bytesToHex(code.hash)) return undefined
  const result = { ...common, output: code.bytecode, preCodeHash: hexToBytes(preCodeHash) }
  return { kind: 'deployed', result, codeHash: code.hash }
}
