import { ContractFault } from '../errors.ts'
import { cipherCallBytes, runLimits } from '../limits.ts'
import type { HostFunction } from './environment.ts'

const keyBytes = 32
/** Tag and IV. */
const encryptionOverhead = 28

/** `(pointer, length)`: writes random bytes. */
export const rand: HostFunction = {
  name: 'rand',
  parameters: 2,
  returnsValue: false,
  call(environment, pointer, length) {
    environment.requireRegion(pointer!, length!)
    const { value, text } = runLimits.argumentBytes
    if (length! > value) throw new ContractFault(text)
    if (length! > 0) environment.write(pointer!, environment.invocation.host.random(length!))
    return undefined
  },
}

/** `(message, message length, key, out)`: writes message length + 28 bytes; the key is 32 bytes. */
export const encrypt: HostFunction = {
  name: 'encrypt',
  parameters: 4,
  returnsValue: false,
  call(environment, message, length, key, out) {
    const plaintext = environment.read(message!, length!)
    const secret = environment.read(key!, keyBytes)
    environment.requireRegion(out!, length! + encryptionOverhead)
    environment.count(cipherCallBytes)
    environment.write(out!, environment.invocation.host.encrypt(secret, plaintext))
    return undefined
  },
}

/** `(blob, blob length, key, out)`: writes blob length - 28 bytes, or ends the run if the blob does not open. */
export const decrypt: HostFunction = {
  name: 'decrypt',
  parameters: 4,
  returnsValue: false,
  call(environment, blob, length, key, out) {
    const ciphertext = environment.read(blob!, length!)
    const secret = environment.read(key!, keyBytes)
    environment.count(cipherCallBytes)
    let plaintext: Uint8Array
    try {
      plaintext = environment.invocation.host.decrypt(secret, ciphertext)
    } catch (error) {
      throw decryptionFault(error)
    }
    environment.write(out!, plaintext)
    return undefined
  },
}

/** A blob that does not open is the contract's fault; anything else that goes wrong is ours. */
function decryptionFault(error: unknown): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code === 'improper_encryption') return new ContractFault('Cryptography Error: ImproperEncryption')
  if (code === 'decryption_failed') return new ContractFault('Cryptography Error: DecryptionError')
  return error
}
