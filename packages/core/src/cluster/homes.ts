import { compareBytes } from '@bletchley/bytes'
import { sha256 } from '@bletchley/crypto'

/**
 * The home of a contract among some cores: the one whose id has the highest SHA-256 behind the contract's address (rendezvous
 * hashing). When a core comes or goes, contracts move to it or from it, and no others do.
 *
 * @param address 32 bytes
 * @param cores   with ids of 16 bytes
 * @returns undefined if there are none
 */
export function homeAmong<T extends { readonly id: Uint8Array }>(
  address: Uint8Array,
  cores: Iterable<T>,
): T | undefined {
  let home: T | undefined
  let highest: Uint8Array | undefined
  for (const core of cores) {
    const hash = sha256(address, core.id)
    if (highest !== undefined && compareBytes(hash, highest) <= 0) continue
    home = core
    highest = hash
  }
  return home
}
