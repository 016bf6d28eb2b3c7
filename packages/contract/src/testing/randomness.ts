import { concatBytes, u64be, utf8ToBytes } from '@bletchley/bytes'
import { sha256 } from '@bletchley/crypto'

const blockBytes = 32

/** A stream of bytes that looks random and follows from its seed: `sha256(seed || u64be(0))`, `sha256(seed || u64be(1))`, … */
export class Randomness {
  readonly seed: Uint8Array
  /** Bytes taken so far. Going back to an earlier position gives the same bytes again. */
  position = 0

  /** @param seed 32 bytes */
  constructor(seed: Uint8Array) {
    this.seed = seed
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; ) {
      const position = this.position + at
      const block = sha256(concatBytes(this.seed, u64be(BigInt(Math.floor(position / blockBytes)))))
      const part = block.subarray(position % blockBytes).subarray(0, length - at)
      bytes.set(part, at)
      at += part.length
    }
    this.position += length
    return bytes
  }

  /** 32 bytes that belong to a name, wherever the stream stands. */
  named(name: string): Uint8Array {
    return sha256(concatBytes(this.seed, utf8ToBytes(name)))
  }
}
