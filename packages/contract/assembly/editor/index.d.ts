// What editors take for `@bletchley/contract/assembly` (tsconfig.json); the compiler never reads it. TypeScript knows no
// operators of classes, so U256 is a bigint here.
export * from '../index'

export type U256 = bigint
export declare const U256: {
  new (a?: u64, b?: u64, c?: u64, d?: u64): U256
  readonly zero: U256
  readonly max: U256
  from(value: u64): U256
}

export declare function conceal(value: U256): string
export declare function reveal(text: string): U256
export declare function select(condition: bool, ifTrue: U256, ifFalse: U256): U256

declare global {
  interface BigInt {
    isZero(): bool
    toU64(): u64
    toString(): string
  }

  /** Makes a secret contract of a class. */
  function contract(target: unknown): void
  /** Makes a class whose fields are several results of a function. */
  function tuple(target: unknown): void
}
