import { utf8ToBytes } from '@bletchley/bytes'
import { createSimulatedQuote, randomBytes } from '@bletchley/crypto'
import type { Result } from '@bletchley/protocol'

/**
 * Registers without a TEE: a quote that says of itself that it is simulated, and no signature (crypto.md, section 10).
 *
 * @param signingAddress 20 bytes
 */
export function simulatedRegistration(signingAddress: Uint8Array): Result<'GetRegistrationParams'> {
  const quote = createSimulatedQuote({ signingAddress, random: randomBytes })
  return {
    signingKey: signingAddress,
    report: utf8ToBytes(Buffer.from(quote).toString('base64')),
    signature: new Uint8Array(),
  }
}
