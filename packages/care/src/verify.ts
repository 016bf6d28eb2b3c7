import { bytesToHex } from '@bletchley/bytes'
import type { CoreOptions } from '@bletchley/core'
import { decodeReceipt, fetchStateKeys, StateKeys, withReader } from '@bletchley/core/data-folder'
import { readSigningIdentity } from '@bletchley/core/signing-key'
import { readSealingKey } from '@bletchley/crypto/key-file'
import { type ContractReader, contractAddresses, type Finding, verifyAround, verifyRecords } from '@bletchley/store'
import { chainProblems } from './chain.ts'
import type { LongRun } from './longRun.ts'

export interface VerifyOptions extends LongRun {
  dataFolder: string
  /** 32 bytes each; all contracts if absent. */
  addresses?: readonly Uint8Array[] | undefined
  /** Goes on behind this contract: they are taken in the order of their addresses. */
  after?: Uint8Array | undefined
  /** With a principal the deltas are decrypted, and their hash chain is walked. */
  principalUrl?: string | undefined
  principal?: CoreOptions['principal']
  sealing?: CoreOptions['sealing']
  onFinding?(finding: Finding): void
  /** Told when a contract is done. */
  onContract?(address: Uint8Array): void
}

export interface Verified {
  contracts: number
  /** Contracts with findings. */
  broken: number
  /** Contracts whose deltas were decrypted. */
  decrypted: number
  findings: number
}

/** A principal takes this many addresses in one request. */
const keysAtOnce = 1000

/**
 * Walks all records of a worker's contracts, also beside its core, and changes nothing.
 *
 * @throws Error if the folder is not a worker's, or the principal gives no keys
 */
export async function verify(options: VerifyOptions): Promise<Verified> {
  const { signal } = options
  return withReader(options.dataFolder, async (reader, backend) => {
    const addresses: Uint8Array[] = [...(options.addresses ?? [])]
    if (options.addresses === undefined) {
      for await (const address of contractAddresses(backend, options.after)) addresses.push(address)
    }
    const result: Verified = { contracts: addresses.length, broken: 0, decrypted: 0, findings: 0 }
    const broken = new Set<string>()
    const report = (finding: Finding): void => {
      result.findings += 1
      if (finding.address !== undefined) broken.add(bytesToHex(finding.address))
      options.onFinding?.(finding)
    }
    const stateKeys = await openStateKeys(options)
    let done = 0
    for (let start = 0; start < addresses.length; start += keysAtOnce) {
      signal?.throwIfAborted()
      const some = addresses.slice(start, start + keysAtOnce)
      // Only those that have something to decrypt: the principal would make keys for the others.
      const stored =
        stateKeys && (await filterAsync(some, async (address) => (await reader.getTip(address)) !== undefined))
      if (stateKeys && stored && stored.length > 0) await fetchKeys(stateKeys, options.principalUrl!, stored)
      for (const address of some) {
        for await (const finding of verifyRecords(backend, { addresses: [address], signal })) report(finding)
        if (options.addresses !== undefined && !(await reader.hasContract(address))) {
          report({ address, problem: 'there is no such contract' })
        }
        for await (const problem of receiptProblems(reader, address)) report({ address, problem })
        const key = stateKeys?.get(address)
        if (key !== undefined) {
          result.decrypted += 1
          for (const problem of await chainProblems(reader, address, key, signal)) report({ address, problem })
        }
        options.onContract?.(address)
        options.onProgress?.(++done, addresses.length)
      }
    }
    if (options.addresses === undefined) for await (const finding of verifyAround(backend, signal)) report(finding)
    result.broken = broken.size
    return result
  })
}

async function openStateKeys(options: VerifyOptions): Promise<StateKeys | undefined> {
  if (options.principalUrl === undefined) return undefined
  const sealingKey = await readSealingKey(options.dataFolder, options.sealing)
  const { keyPair } = await readSigningIdentity(options.dataFolder, sealingKey)
  return new StateKeys(keyPair.secretKey, options.principal)
}

async function fetchKeys(stateKeys: StateKeys, url: string, addresses: Uint8Array[]): Promise<void> {
  try {
    await fetchStateKeys(stateKeys, url, addresses)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new Error(`The principal at ${url} gave no state keys: ${reason}`, { cause: error })
  }
}

async function* receiptProblems(reader: ContractReader, address: Uint8Array): AsyncGenerator<string> {
  for (const task of await reader.receiptTasks(address)) {
    const receipt = await reader.getReceipt(address, task)
    if (receipt === undefined) continue // replaced just now
    try {
      decodeReceipt(receipt.reply, { key: receipt.key, data: new Uint8Array() })
    } catch {
      yield `the receipt of delta ${receipt.key} is damaged`
    }
  }
}

async function filterAsync<T>(items: readonly T[], keep: (item: T) => Promise<boolean>): Promise<T[]> {
  const kept: T[] = []
  for (const item of items) if (await keep(item)) kept.push(item)
  return kept
}
