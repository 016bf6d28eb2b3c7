import { assertBytes } from '@bletchley/bytes'

/**
 * Bytes that cannot be printed by accident: JSON, string conversion and Node's inspection all give `[secret]`.
 *
 * Memory is not wiped: JavaScript moves and copies values as it likes, so nothing is promised there.
 */
export class Secret {
  readonly #bytes: Uint8Array

  /** @param bytes copied */
  constructor(bytes: Uint8Array) {
    assertBytes(bytes, 'secret')
    this.#bytes = Uint8Array.from(bytes)
  }

  /** The secret itself; a fresh copy that the caller may wipe. */
  get bytes(): Uint8Array {
    return this.#bytes.slice()
  }

  toJSON(): string {
    return '[secret]'
  }

  toString(): string {
    return '[secret]'
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]'
  }
}
