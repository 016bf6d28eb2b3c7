import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ContractIndex } from './contractIndex.ts'

// Few digits, so that addresses share beginnings and parts.
const name = fc
  .array(fc.constantFrom('00', '01', '10', 'ff'), { minLength: 3, maxLength: 3 })
  .map((parts) => parts.join('').padEnd(64, '0'))
const change = fc.record({ name, kind: fc.constantFrom('created', 'changed', 'removed') })

describe('ContractIndex', () => {
  it('counts, pages and finds as a plain list does, whatever came and went', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(name),
        fc.array(change),
        fc.constantFrom('', '0', '00', '01', '1000', 'f', '00ff', '0f0', '9'),
        fc.integer({ min: 1, max: 5 }),
        async (stored, changes, search, limit) => {
          const index = new ContractIndex()
          const model = new Set(stored)
          index.load([...model].map(hexToBytes))
          for (const { name, kind } of changes) {
            index.take({
              address: hexToBytes(name),
              kind: kind as 'created',
              firstDelta: undefined,
              bytecode: false,
              snapshot: false,
            })
            if (kind === 'created') model.add(name)
            if (kind === 'removed') model.delete(name)
          }
          const sorted = [...model].sort()
          const begin = sorted.filter((each) => each.startsWith(search))
          const wanted = begin.length > 0 ? begin : sorted.filter((each) => each.includes(search))
          const pages: string[] = []
          for (let after = ''; ; ) {
            const { names, total, more } = await index.page({ search, after, limit })
            expect(total).toBe(wanted.length)
            pages.push(...names)
            if (!more) break
            after = names.at(-1)!
          }
          expect(pages).toEqual(wanted)
          expect([index.size, [...index.names]]).toEqual([sorted.length, sorted])
        },
      ),
    )
  })

  it('keeps a hundred thousand contracts in order', async () => {
    const index = new ContractIndex()
    const addresses = Array.from({ length: 100_000 }, (_, number) => {
      const address = new Uint8Array(32)
      new DataView(address.buffer).setUint32(0, Math.imul(number, 2_654_435_761) >>> 0)
      return address
    })
    index.load(addresses)
    const { names } = await index.page({ search: '', after: bytesToHex(addresses[7]!), limit: 200 })
    expect(names).toHaveLength(200)
    expect(names).toEqual([...names].sort())
  })

  it('takes many that come and go one by one among many others in less time than it takes to read those', () => {
    const addressOf = (number: number): Uint8Array => {
      const address = new Uint8Array(32)
      new DataView(address.buffer).setUint32(0, Math.imul(number, 2_654_435_761) >>> 0)
      return address
    }
    const stored = Array.from({ length: 200_000 }, (_, number) => addressOf(number))
    const index = new ContractIndex()
    const before = process.cpuUsage()
    index.load(stored)
    const read = process.cpuUsage(before).user
    const others = process.cpuUsage()
    for (const kind of ['created', 'removed'] as const) {
      for (let number = 0; number < 5000; number++) {
        index.take({
          ...{ address: addressOf(200_000 + number), kind },
          ...{ firstDelta: 0, bytecode: false, snapshot: false },
        })
      }
    }
    expect(process.cpuUsage(others).user).toBeLessThan(read)
    expect(index.size).toBe(200_000)
  })

  it('gives a page of however many', async () => {
    const names = Array.from({ length: 200_000 }, (_, number) => number.toString(16).padStart(64, '0'))
    const index = new ContractIndex()
    index.load(names.map(hexToBytes))
    const page = await index.page({ search: '', after: '', limit: names.length })
    expect([page.total, page.names.length, page.more]).toEqual([names.length, names.length, false])
  })

  it('names each contract once, and all that stay, to whoever walks while others come and go', async () => {
    const nameOf = (number: number) => number.toString(16).padStart(64, '0')
    const change = (number: number, kind: 'created' | 'removed') =>
      index.take({ address: hexToBytes(nameOf(number)), kind, firstDelta: 0, bytecode: false, snapshot: false })
    const index = new ContractIndex()
    index.load(Array.from({ length: 10_000 }, (_, number) => hexToBytes(nameOf(3 * number))))
    const walked: string[] = []
    let at = 0
    for (const name of index.names) {
      walked.push(name)
      // Behind the walk, where it is, and before it: blocks are split, and some disappear.
      change(3 * (at % 10_000) + 1, 'created')
      change(3 * ((7 * at) % 10_000) + 2, 'created')
      if (at > 2000 && at < 6000) change(3 * (at - 2000), 'removed')
      if (at > 2000 && at < 4000) change(3 * (at + 4000), 'removed')
      at++
    }
    expect([...new Set(walked)]).toEqual(walked)
    expect([...walked].sort()).toEqual(walked)
    const stay = Array.from({ length: 10_000 }, (_, number) => number).filter(
      (number) => !(number > 0 && number < 4000) && !(number > 6000 && number < 8000),
    )
    const met = new Set(walked)
    expect(stay.filter((number) => !met.has(nameOf(3 * number)))).toEqual([])
    expect([...index.names]).toHaveLength(index.size)
  })
})
