import { bytesToHex } from '@bletchley/bytes'
import type { Finding } from '@bletchley/care'

/** For `print`: what is wrong, and with which contract. */
export function shownFindings(findings: readonly Finding[]): { contract?: string; problem: string }[] {
  return findings.map(({ address, problem }) => ({ ...(address && { contract: bytesToHex(address) }), problem }))
}
