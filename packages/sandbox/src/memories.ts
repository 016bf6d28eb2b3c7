import { deployedMemory } from './limits.ts'
import type { Limits } from './wasm/module.ts'

const pageBytes = 65_536

/** WebAssembly for `wipe`: test/support/wiper.wat, in hexadecimal. */
export const wiperCode =
  '0061736d0100000001050160017f00020601000002000003020100070801047769706500000a7a017802027f017e034020014180206a' +
  '210242002103034020032001290300200129030884200129031020012903188484200129032020012903288420012903302001290338' +
  '848484842103200141c0006a210120012002490d000b2003420052044020014180206b4100418020fc0b000b20012000490d000b0b'
const wiperModule = new WebAssembly.Module(
  Uint8Array.from(wiperCode.match(/../g)!, (digits) => Number.parseInt(digits, 16)),
)
const wipers = new WeakMap<WebAssembly.Memory, (end: number) => void>()

/**
 * Linear memories of ended runs, by their limits, for the next ones. One that is thrown away counts 8 MB for the garbage
 * collector, which would look through the whole heap after every ten runs.
 */
const spares = new Map<string, { memory: WebAssembly.Memory; wiped: boolean }>()

/** Kinds of limits that a spare is kept of. Deployed contracts all have the same. */
const maxSpares = 4

/** A memory of zeros, which nobody else has until it is given back. */
export function takeMemory(limits: Limits): WebAssembly.Memory {
  const name = nameOf(limits)
  const spare = spares.get(name)
  if (spare !== undefined) {
    spares.delete(name)
    if (!spare.wiped) wipe(spare.memory)
    return spare.memory
  }
  const { initial, maximum } = limits
  try {
    return new WebAssembly.Memory(maximum === undefined ? { initial } : { initial, maximum })
  } catch (cause) {
    throw new NoRoomError(cause)
  }
}

/** The engine got no address space for a linear memory: nothing that the contract has done, or could do otherwise. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError'

  constructor(cause: unknown) {
    super(
      'there is no address space left for a contract’s memory, of which the engine reserves some 10 GB for each: raise the ' +
        'limit of it, with LimitAS=infinity in the systemd unit or ulimit -v unlimited',
      { cause },
    )
  }
}

/**
 * Has the memory of a deployed contract ready for the first run. It takes address space, and no memory until it is used.
 *
 * @returns false if there is no room for it
 */
export function reserveMemory(): boolean {
  try {
    const memory = takeMemory(deployedMemory)
    spares.set(nameOf(deployedMemory), { memory, wiped: true })
    return true
  } catch (error) {
    if (error instanceof NoRoomError) return false
    throw error
  }
}

/** Gives back a memory that no code will touch any more. One that has grown cannot shrink: it is dropped. */
export function returnMemory(memory: WebAssembly.Memory, limits: Limits): void {
  const hasGrown = memory.buffer.byteLength !== limits.initial * pageBytes
  if (!hasGrown && spares.size < maxSpares) spares.set(nameOf(limits), { memory, wiped: false })
}

/**
 * Wipes what ended runs left in memories. It takes some tenths of a millisecond that the next run would otherwise wait for, and
 * contracts' secrets need not lie around until then.
 */
export function wipeMemories(): void {
  for (const spare of spares.values()) {
    if (!spare.wiped) wipe(spare.memory)
    spare.wiped = true
  }
}

function wipe(memory: WebAssembly.Memory): void {
  const { byteLength } = memory.buffer
  if (byteLength === 0) return
  let wiper = wipers.get(memory)
  if (wiper === undefined) {
    wiper = new WebAssembly.Instance(wiperModule, { '': { '': memory } }).exports.wipe as (end: number) => void
    wipers.set(memory, wiper)
  }
  wiper(byteLength)
}

function nameOf({ initial, maximum }: Limits): string {
  return `${initial} ${maximum}`
}
