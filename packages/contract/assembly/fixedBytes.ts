import { Bytes, bytesAt, hexOf } from './bytes'
import { copyWords, equalRegions, sizeOf } from './memory'
import { revert } from './revert'

/**
 * Bytes of a fixed number: what `Address` and `Bytes1` to `Bytes32` have in common. The object is its bytes; the fields of
 * the classes below only give it its size.
 */
export class FixedBytes {
  /** How many bytes. */
  get size(): i32 {
    return <i32>sizeOf(this.pointer)
  }

  /** Where the bytes lie. */
  get pointer(): usize {
    return changetype<usize>(this)
  }

  @operator('==')
  equals(other: FixedBytes): bool {
    return this.size == other.size && equalRegions(this.pointer, other.pointer, this.size)
  }

  @operator('!=')
  differs(other: FixedBytes): bool {
    return !this.equals(other)
  }

  isZero(): bool {
    for (let i = 0; i < this.size; i++) if (load<u8>(this.pointer + i) != 0) return false
    return true
  }

  /** A copy. */
  toBytes(): Bytes {
    return bytesAt(this.pointer, this.size)
  }

  /** Lower-case hex with `0x`. */
  toString(): string {
    return '0x' + hexOf(this.toBytes())
  }
}

/** A value of a fixed-size type with these bytes; reverts if they are too many or too few. */
export function fixedBytes<T extends FixedBytes>(bytes: Bytes): T {
  if (bytes.length != offsetof<T>()) revert('bytes: wrong length')
  const value = instantiate<T>()
  copyWords(changetype<usize>(value), changetype<usize>(bytes), offsetof<T>())
  return value
}

/** An Ethereum address, 20 bytes. */
@final
export class Address extends FixedBytes {
  private a: u64
  private b: u64
  private c: u32
}

@final
export class Bytes1 extends FixedBytes {
  private a: u8
}

@final
export class Bytes2 extends FixedBytes {
  private a: u16
}

@final
export class Bytes3 extends FixedBytes {
  private a: u16
  private b: u8
}

@final
export class Bytes4 extends FixedBytes {
  private a: u32
}

@final
export class Bytes5 extends FixedBytes {
  private a: u32
  private b: u8
}

@final
export class Bytes6 extends FixedBytes {
  private a: u32
  private b: u16
}

@final
export class Bytes7 extends FixedBytes {
  private a: u32
  private b: u16
  private c: u8
}

@final
export class Bytes8 extends FixedBytes {
  private a: u64
}

@final
export class Bytes9 extends FixedBytes {
  private a: u64
  private b: u8
}

@final
export class Bytes10 extends FixedBytes {
  private a: u64
  private b: u16
}

@final
export class Bytes11 extends FixedBytes {
  private a: u64
  private b: u16
  private c: u8
}

@final
export class Bytes12 extends FixedBytes {
  private a: u64
  private b: u32
}

@final
export class Bytes13 extends FixedBytes {
  private a: u64
  private b: u32
  private c: u8
}

@final
export class Bytes14 extends FixedBytes {
  private a: u64
  private b: u32
  private c: u16
}

@final
export class Bytes15 extends FixedBytes {
  private a: u64
  private b: u32
  private c: u16
  private d: u8
}

@final
export class Bytes16 extends FixedBytes {
  private a: u64
  private b: u64
}

@final
export class Bytes17 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u8
}

@final
export class Bytes18 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u16
}

@final
export class Bytes19 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u16
  private d: u8
}

@final
export class Bytes20 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u32
}

@final
export class Bytes21 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u32
  private d: u8
}

@final
export class Bytes22 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u32
  private d: u16
}

@final
export class Bytes23 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u32
  private d: u16
  private e: u8
}

@final
export class Bytes24 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u64
}

@final
export class Bytes25 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u64
  private d: u8
}

@final
export class Bytes26 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u64
  private d: u16
}

@final
export class Bytes27 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u64
  private d: u16
  private e: u8
}

@final
export class Bytes28 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u64
  private d: u32
}

@final
export class Bytes29 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u64
  private d: u32
  private e: u8
}

@final
export class Bytes30 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u64
  private d: u32
  private e: u16
}

@final
export class Bytes31 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u64
  private d: u32
  private e: u16
  private f: u8
}

@final
export class Bytes32 extends FixedBytes {
  private a: u64
  private b: u64
  private c: u64
  private d: u64
}
