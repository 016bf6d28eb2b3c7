import { Bytes } from './bytes'
import { Bytes32 } from './fixedBytes'
import { decrypt as hostDecrypt, encrypt as hostEncrypt, rand } from './host'
import { keepObject, openObject, reserve } from './memory'
import { revert } from './revert'

/** What encryption adds to a message: a tag of 16 bytes and a nonce of 12. */
const overhead: usize = 28

/** A fresh key for `encrypt`. */
export function generateKey(): Bytes32 {
  const key = new Bytes32()
  rand(key.pointer, key.size)
  return key
}

/** AES-256-GCM under a random nonce: ciphertext, tag, nonce. */
export function encrypt(key: Bytes32, message: Bytes): Bytes {
  const sealed = openObject()
  const size = <usize>message.length + overhead
  reserve(sealed, size)
  hostEncrypt(changetype<usize>(message), message.length, key.pointer, sealed)
  return changetype<Bytes>(keepObject(sealed + size, idof<Bytes>()))
}

/** The reverse; the run fails if the key is another one or a byte was changed. */
export function decrypt(key: Bytes32, sealed: Bytes): Bytes {
  const size = <usize>sealed.length
  if (size < overhead) revert('decrypt: too short')
  const message = openObject()
  reserve(message, size)
  hostDecrypt(changetype<usize>(sealed), size, key.pointer, message)
  return changetype<Bytes>(keepObject(message + size - overhead, idof<Bytes>()))
}
