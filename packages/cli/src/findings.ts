import type { Finding } from '@bletchley/care'
import { bytesToHex } from '@bletchley/crypto'

/** For `print`: what is wrong, and with which contract. */
export function shownFindings(findings: readonly Finding[]): { contract?: string; problem: string }[] {
  return findings.map(({ address, problem }) => ({ ...(address && { contract: bytesToHex(address) }), problem }))
}
