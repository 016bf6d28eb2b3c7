import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { homeAmong } from './homes.ts'

const cores = [1, 2, 3, 4, 5].map((value) => ({ id: new Uint8Array(16).fill(value) }))
const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length })
const someCores = fc
  .uniqueArray(bytes(16), { selector: String, minLength: 1, maxLength: 12 })
  .map((ids) => ids.map((id) => ({ id })))

describe('homeAmong', () => {
  // Computed by a script of its own. Cores of other versions must find the same homes.
  it('is the highest SHA-256 of address and id', () => {
    const homes = Array.from({ length: 10 }, (_, value) => homeAmong(new Uint8Array(32).fill(value), cores)!.id[0])
    expect(homes).toEqual([2, 5, 3, 1, 3, 4, 1, 2, 2, 4])
  })

  it('is none among none', () => {
    expect(homeAmong(new Uint8Array(32), [])).toBeUndefined()
  })

  it('does not depend on the order', () => {
    fc.assert(
      fc.property(bytes(32), someCores, fc.nat(), (address, cores, turn) => {
        const others = [...cores.slice(turn % cores.length), ...cores.slice(0, turn % cores.length)].toReversed()
        expect(homeAmong(address, others)).toBe(homeAmong(address, cores))
      }),
    )
  })

  it('moves only the contracts of a core that goes', () => {
    fc.assert(
      fc.property(bytes(32), someCores, fc.nat(), (address, cores, index) => {
        const gone = cores[index % cores.length]
        const before = homeAmong(address, cores)
        const after = homeAmong(
          address,
          cores.filter((core) => core !== gone),
        )
        if (before !== gone) expect(after).toBe(before)
        else expect(after).not.toBe(gone)
      }),
    )
  })

  it('gives each about as many', () => {
    const counts = new Map<object, number>()
    const address = Buffer.alloc(32)
    for (let contract = 0; contract < 5000; contract++) {
      address.writeUInt32BE(contract)
      const home = homeAmong(address, cores)!
      counts.set(home, (counts.get(home) ?? 0) + 1)
    }
    // Some five standard deviations, for addresses that differ in their first bytes only.
    for (const core of cores) expect(Math.abs(counts.get(core)! - 1000)).toBeLessThan(150)
  })
})
