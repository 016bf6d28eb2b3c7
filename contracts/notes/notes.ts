// Encrypted notes, for their writers and for whom they give access.
//
// Who knows what. A note has a key, 32 random bytes, that only its writer is given: with it he reads, changes and shares
// the note. To share, he asks for a pass, random bytes again, and hands it to the reader. A pass can be revoked; since the
// reader never sees the key, that is enough.
//
// Neither keys nor passes are in the state. A note is encrypted with its key, the key with each pass, and what stands in the
// state are ciphertexts and the hashes (keccak256) of keys and passes. So whoever gets hold of the decrypted state, or of
// the contract's state key, reads no note; the worker sees a note only while a task on it runs.
//
// Limits. A reader may have kept what he read before his pass was revoked. Whoever loses the key has lost the note; a
// writer whose answer is lost writes it anew.
//
// What leaks, and what was done about it.
//   * The length of a text would show in arguments, delta, gas and results. So a text comes padded with zero bytes to one
//     of four sizes, and the contract takes no others. What is left is which of the four.
//   * Whether a task reads, writes, shares or revokes: by its gas and by the size of its delta.
//   * Which note: no. Names of keys in the state are hashes, all of one length, and encrypted in the delta.
import {
  Bytes,
  Bytes32,
  bytesFromHex,
  decrypt,
  encrypt,
  fixedBytes,
  generateKey,
  hexOf,
  keccak256,
  require,
  StateMap,
} from '@bletchley/contract/assembly'

@tuple
export class Pass {
  constructor(
    public note: Bytes32,
    public pass: Bytes32,
  ) {}
}

@contract
export class Notes {
  /** The ciphertext of each note, by the hash of its key: in digits, since the length of a list of numbers varies. */
  texts: StateMap<Bytes32, string>
  /** The key of a note, encrypted with each of its passes, by their hashes. */
  passes: StateMap<Bytes32, StateMap<Bytes32, string>>

  /** @returns the note's key */
  write(text: Bytes): Bytes32 {
    const key = generateKey()
    this.put(keccak256(key.toBytes()), key, text)
    return key
  }

  change(key: Bytes32, text: Bytes): void {
    this.put(this.noteOf(key), key, text)
  }

  read(key: Bytes32): Bytes {
    return this.open(this.noteOf(key), key)
  }

  remove(key: Bytes32): void {
    this.texts.remove(this.noteOf(key))
  }

  /** @returns what the reader needs */
  share(key: Bytes32): Pass {
    const note = this.noteOf(key)
    const pass = generateKey()
    this.passes.get(note).set(keccak256(pass.toBytes()), hexOf(encrypt(pass, key.toBytes())))
    return new Pass(note, pass)
  }

  readShared(note: Bytes32, pass: Bytes32): Bytes {
    const id = keccak256(pass.toBytes())
    require(this.passes.get(note).has(id), 'no such pass')
    const key = fixedBytes<Bytes32>(decrypt(pass, bytesFromHex(this.passes.get(note).get(id))))
    return this.open(note, key)
  }

  /** @param passId keccak256 of the pass, or the pass itself hashed by whoever was given it */
  revoke(key: Bytes32, passId: Bytes32): void {
    const note = this.noteOf(key)
    require(this.passes.get(note).has(passId), 'no such pass')
    this.passes.get(note).remove(passId)
  }

  private noteOf(key: Bytes32): Bytes32 {
    const note = keccak256(key.toBytes())
    require(this.texts.has(note), 'no such note')
    return note
  }

  private put(note: Bytes32, key: Bytes32, text: Bytes): void {
    const size = text.length
    require(size == 64 || size == 256 || size == 1024 || size == 4096, 'pad the text to 64, 256, 1024 or 4096 bytes')
    this.texts.set(note, hexOf(encrypt(key, text)))
  }

  private open(note: Bytes32, key: Bytes32): Bytes {
    require(this.texts.has(note), 'no such note')
    return decrypt(key, bytesFromHex(this.texts.get(note)))
  }
}
