// What the core's HTTP door answers. Byte values are hex without 0x, times ms since 1970, durations ms, gas decimal text.

export interface Status {
  version: string
  signingAddress: string
  endpoints: string[]
  curve: boolean
  dialect: string
  attestation: string
  principal?: string
  fetchesKeys: boolean
  startedAt: number
  now: number
  ready: boolean
  reasons: string[]
  contracts: number
  stateKeys: number
  userKeys: number
  lastPttAt?: number
  storeBytes: number
  dataFolderFreeBytes?: number
  inFlight: number
  queue: { address: string; waiting: number }[]
  threads: Thread[]
  caches: { modules: CacheSize; states: CacheSize }
  eventLoopDelayMs: number
}

export interface Thread {
  id: number
  alive: boolean
  busy: boolean
  kind?: string
  address?: string
  runningMs?: number
  /** How often this place's thread has been replaced. */
  replaced: number
}

interface CacheSize {
  entries: number
  bytes: number
}

export interface ContractRow {
  address: string
  /** Absent without bytecode; of a page, until it is read. */
  codeHash?: string
  /** Absent without deltas. */
  tipKey?: number
  /** Of a page absent until it is read. */
  tipHash?: string
  deltas: number
  /** Absent until they are counted. */
  deltaBytes?: number
  keyHeld: boolean
}

export interface Contract extends ContractRow {
  bytecodeBytes: number
  stateBytes?: number
  snapshot?: { key: number; bytes: number }
  /** The thread where its state is. */
  home?: number
}

export interface Delta {
  key: number
  hash: string
  bytes: number
  gas?: string
  at?: number
  type?: string
}

/** Samples of the last half hour; a step without messages has no latency. */
export interface History {
  stepMs: number
  at: number[]
  messages: number[]
  errors: number[]
  medianMs: (number | null)[]
  p99Ms: (number | null)[]
  gas: (string | number)[]
  queue: number[]
  eventLoopMs: number[]
  storeBytes: number[]
  contracts: number[]
}

/** One message that was answered. Type and id are a peer's words. */
export interface Message {
  at: number
  type: string
  id: string
  address?: string
  requestBytes: number
  replyBytes: number
  ms: number
  outcome: 'ok' | 'failed_task' | 'error'
  code?: string
  gas?: string
}

/** The core has nothing under that name. */
export class NotFound extends Error {}

async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
  const response = await fetch(`api/${path}`, signal ? { signal } : {})
  if (response.status === 404) throw new NotFound(path)
  if (!response.ok) throw new Error(`The core answered ${response.status} to ${path}.`)
  return (await response.json()) as T
}

const query = (parameters: Record<string, string | number | undefined>): string =>
  new URLSearchParams(
    Object.entries(parameters).flatMap(([name, value]) =>
      value === undefined || value === '' ? [] : [[name, String(value)]],
    ),
  ).toString()

export const getHistory = (signal?: AbortSignal) => get<History>('history', signal)

export const getContracts = (
  parameters: { search?: string | undefined; after?: string | undefined; limit: number },
  signal?: AbortSignal,
) => get<{ contracts: ContractRow[]; total: number; next?: string }>(`contracts?${query(parameters)}`, signal)

/** @throws NotFound also for what can be no address */
export async function getContract(address: string, signal?: AbortSignal): Promise<Contract> {
  if (!/^[0-9a-f]{64}$/.test(address)) throw new NotFound(address)
  return get<Contract>(`contracts/${address}`, signal)
}

export const getDeltas = (address: string, parameters: { before?: number; limit: number }, signal?: AbortSignal) =>
  get<{ deltas: Delta[]; next?: number }>(`contracts/${address}/deltas?${query(parameters)}`, signal)
