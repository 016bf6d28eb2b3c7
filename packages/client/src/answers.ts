import { bytesToHex, equalBytes } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { type MessageType, type ReplyResult, type RequestInput, WorkerError } from '@bletchley/protocol'

/*
 * Whether a reply answers the question that was asked, as far as it says so itself: replies are matched by `id`, and a core
 * with a defect, or somebody in between, could put another contract's deltas under it. What a reply may leave out is not missed.
 */

type Row = { readonly address: Uint8Array; readonly key: number }
type Range = { readonly address: Uint8Array; readonly from: number; readonly to: number }

/** Says what in an answer is of another question; undefined if nothing is. */
type Check<K extends MessageType> = (input: RequestInput<K>, result: ReplyResult<K>) => string | undefined

/** The other messages ask for all that there is, or their answers do not say what they are of but by their signature. */
const checks: { readonly [K in MessageType]?: Check<K> } = {
  GetTips: ({ addresses }, { tips }) =>
    tips.length === addresses.length && tips.every(({ address }, i) => equalBytes(address, addresses[i]!))
      ? undefined
      : 'result.tips',
  GetDelta(input, { address, key }) {
    if (address !== undefined && !equalBytes(address, input.address)) return 'result.address'
    return key === undefined || key === input.key ? undefined : 'result.key'
  },
  GetDeltas: ({ ranges }, { deltas }) => (isSelection(deltas, ranges) ? undefined : 'result.deltas'),
  GetContract: (input, { address }) => (equalBytes(address, input.address) ? undefined : 'result.address'),
  UpdateDeltas: ({ deltas }, { errors }) => (isSome(errors, deltas) ? undefined : 'result.errors'),
  RemoveDeltas: ({ ranges }, { errors }) => (areWithin(errors, ranges) ? undefined : 'result.errors'),
  DeploySecretContract: ({ preCode }, { preCodeHash }) =>
    equalBytes(preCodeHash, keccak256(preCode)) ? undefined : 'result.preCodeHash',
}

/**
 * @param address that the reply repeats, if it does
 * @throws WorkerError `malformed_reply` if it is the answer to another question
 */
export function assertAnswers<K extends MessageType>(
  type: K,
  input: RequestInput<K>,
  result: ReplyResult<K>,
  address: Uint8Array | undefined,
): void {
  const problem = foreignAddress(input, address) ?? checks[type]?.(input, result)
  if (problem === undefined) return
  throw new WorkerError('malformed_reply', { problem: `${problem}: not what was asked for` })
}

function foreignAddress(input: unknown, address: Uint8Array | undefined): string | undefined {
  if (address === undefined) return undefined
  return equalBytes(address, (input as { address: Uint8Array }).address) ? undefined : 'address'
}

/** Whether rows stand in the order of the ranges, ascending in each, and each in one of them. */
function isSelection(rows: readonly Row[], ranges: readonly Range[]): boolean {
  let at = 0
  let last = -1
  for (const row of rows) {
    while (at < ranges.length && !(row.key > last && isWithin(row, ranges[at]!))) {
      at++
      last = -1
    }
    if (at === ranges.length) return false
    last = row.key
  }
  return true
}

function isWithin({ address, key }: Row, range: Range): boolean {
  return key >= range.from && key < range.to && equalBytes(address, range.address)
}

/** Whether each row is in one of the ranges, or is the state (a `key` of -1) of one of their contracts. */
function areWithin(rows: readonly Row[], ranges: readonly Range[]): boolean {
  const byAddress = new Map<string, Range[]>()
  for (const range of ranges) {
    const name = bytesToHex(range.address)
    const others = byAddress.get(name)
    if (others === undefined) byAddress.set(name, [range])
    else others.push(range)
  }
  return rows.every((row) => {
    const some = byAddress.get(bytesToHex(row.address))
    return some !== undefined && (row.key === -1 || some.some((range) => isWithin(row, range)))
  })
}

/** Whether rows are those that were sent, or some of them, in their order. */
function isSome(rows: readonly Row[], sent: readonly Row[]): boolean {
  let at = 0
  for (const row of rows) {
    while (at < sent.length && !isSame(row, sent[at]!)) at++
    if (at === sent.length) return false
    at++
  }
  return true
}

function isSame(one: Row, other: Row): boolean {
  return one.key === other.key && equalBytes(one.address, other.address)
}
