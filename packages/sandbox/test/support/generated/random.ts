/** A seeded source of random choices: the same seed gives the same choices on every machine. */
export class Random {
  #state: number

  constructor(seed: number) {
    // Neighbouring seeds must not begin alike.
    this.#state = Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995
    for (let round = 0; round < 3; round++) this.u32()
  }

  /** 32 random bits. (xorshift, with a multiplication over it) */
  u32(): number {
    let x = this.#state || 0x6d2b79f5
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    this.#state = x
    return Math.imul(x, 0x9e3779b1) >>> 0
  }

  /** 64 random bits. */
  u64(): bigint {
    return (BigInt(this.u32()) << 32n) | BigInt(this.u32())
  }

  /** Of `[0, count)`. */
  below(count: number): number {
    return Math.floor((this.u32() / 2 ** 32) * count)
  }

  /** Of `[from, to]`. */
  between(from: number, to: number): number {
    return from + this.below(to - from + 1)
  }

  chance(probability: number): boolean {
    return this.u32() / 2 ** 32 < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }
}
