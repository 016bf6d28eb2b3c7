// Keccak-f[1600], 2 000 permutations, after FIPS 202.
import { finish } from './host'

const lanes: usize = 1024
const scratch: usize = 1280

/** Bit 7j of the round constants, from the linear feedback shift register of FIPS 202, 3.2.5. */
function roundConstant(round: i32): u64 {
  let constant: u64 = 0
  for (let j = 0; j < 7; j++) {
    let register: u32 = 1
    for (let step = (j + 7 * round) % 255; step > 0; step--) {
      register <<= 1
      if (register & 0x100) register ^= 0x171
    }
    constant |= (<u64>(register & 1)) << ((1 << j) - 1)
  }
  return constant
}

function lane(index: i32): u64 {
  return load<u64>(lanes + ((<usize>index) << 3))
}

function setLane(index: i32, value: u64): void {
  store<u64>(lanes + ((<usize>index) << 3), value)
}

function permute(constants: usize): void {
  for (let round = 0; round < 24; round++) {
    // Theta.
    for (let x = 0; x < 5; x++) {
      const parity = lane(x) ^ lane(x + 5) ^ lane(x + 10) ^ lane(x + 15) ^ lane(x + 20)
      store<u64>(scratch + ((<usize>x) << 3), parity)
    }
    for (let x = 0; x < 5; x++) {
      const left = load<u64>(scratch + ((<usize>((x + 4) % 5)) << 3))
      const right = load<u64>(scratch + ((<usize>((x + 1) % 5)) << 3))
      const mixed = left ^ rotl<u64>(right, 1)
      for (let y = 0; y < 25; y += 5) setLane(x + y, lane(x + y) ^ mixed)
    }
    // Rho and pi.
    let x = 1
    let y = 0
    let current = lane(1)
    for (let t = 0; t < 24; t++) {
      const nextX = y
      y = (2 * x + 3 * y) % 5
      x = nextX
      const moved = lane(x + 5 * y)
      setLane(x + 5 * y, rotl<u64>(current, (((t + 1) * (t + 2)) / 2) % 64))
      current = moved
    }
    // Chi.
    for (let row = 0; row < 25; row += 5) {
      for (let column = 0; column < 5; column++) store<u64>(scratch + ((<usize>column) << 3), lane(row + column))
      for (let column = 0; column < 5; column++) {
        const next = load<u64>(scratch + ((<usize>((column + 1) % 5)) << 3))
        const afterNext = load<u64>(scratch + ((<usize>((column + 2) % 5)) << 3))
        setLane(row + column, load<u64>(scratch + ((<usize>column) << 3)) ^ (~next & afterNext))
      }
    }
    // Iota.
    setLane(0, lane(0) ^ load<u64>(constants + ((<usize>round) << 3)))
  }
}

export function call(): void {
  const constants: usize = 2048
  for (let round = 0; round < 24; round++) store<u64>(constants + ((<usize>round) << 3), roundConstant(round))
  for (let index = 0; index < 25; index++) setLane(index, 0)
  for (let round = 0; round < 2_000; round++) permute(constants)
  finish(lane(0))
}
