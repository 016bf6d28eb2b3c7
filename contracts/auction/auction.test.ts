import { type Hex, type TestContract, TestNetwork } from '@bletchley/contract/testing'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recordGas } from '../testing/gasSnapshot.ts'
import type { AuctionFunctions } from './build/auction.client.ts'

const source = new URL('./auction.ts', import.meta.url)
const gas = recordGas()
const reserve = 100n
const sellerKey: Hex = `0x${'5e'.repeat(32)}`
const nobody: Hex = `0x${'00'.repeat(20)}`
/** Secrets of bidders: as random as their owners made them. */
const ticketOf = (index: number): Hex => `0x71cce7${index.toString(16).padStart(58, '0')}`
const bidderOf = (index: number): Hex => `0xb1dde2${index.toString(16).padStart(34, '0')}`

async function opened() {
  const network = new TestNetwork()
  const auction = await network.deploy<AuctionFunctions>(source, [sellerKey, reserve])
  return { network, auction }
}

/** Everybody bids once, in order; the index of the bidder is that of the amount. */
function bidAll(auction: TestContract<AuctionFunctions>, amounts: readonly bigint[]) {
  return amounts.map((amount, index) => auction.call('bid', [ticketOf(index), bidderOf(index), amount]))
}

describe('the sealed-bid auction', () => {
  it('goes to the highest bid, at the price of the second', async () => {
    const { auction } = await opened()
    bidAll(auction, [150n, 400n, 250n])
    expect(auction.call('close', [sellerKey]).value).toEqual({ winner: bidderOf(1), price: 250n })
    expect(auction.call('result').value).toEqual({ winner: bidderOf(1), price: 250n })
    expect(auction.call('reservePrice').value).toBe(reserve)
  })

  it.each<[why: string, amounts: bigint[], winner: Hex, price: bigint]>([
    ['nobody, without bids', [], nobody, 0n],
    ['nobody, if all bids are below the reserve', [99n, 1n, 0n], nobody, 0n],
    ['the only one above the reserve, at the reserve', [99n, 100n, 50n], bidderOf(1), 100n],
    ['the first of equal bids, at its own bid', [120n, 300n, 300n], bidderOf(1), 300n],
    ['the highest of many bits', [2n ** 255n, 2n ** 256n - 1n, 2n ** 64n], bidderOf(1), 2n ** 255n],
  ])('goes to %s', async (_, amounts, winner, price) => {
    const { auction } = await opened()
    bidAll(auction, amounts)
    expect(auction.call('close', [sellerKey]).value).toEqual({ winner, price })
  })

  it('lets a ticket change its bid, and withdraw it', async () => {
    const { auction } = await opened()
    bidAll(auction, [150n, 400n, 250n])
    auction.call('bid', [ticketOf(1), bidderOf(1), 0n])
    auction.call('bid', [ticketOf(0), bidderOf(7), 260n])
    expect(auction.call('bidOf', [ticketOf(0)]).value).toBe(260n)
    expect(auction.call('bidOf', [ticketOf(1)]).value).toBe(0n)
    expect(auction.call('close', [sellerKey]).value).toEqual({ winner: bidderOf(7), price: 250n })
  })

  it('refuses what is not due', async () => {
    const { network, auction } = await opened()
    bidAll(auction, [150n])
    expect(auction.fails('result').reason).toBe('the auction goes on')
    expect(auction.fails('close', [ticketOf(0)]).reason).toBe('not the seller’s key')
    expect(auction.fails('bidOf', [ticketOf(1)]).reason).toBe('there is no such ticket')
    auction.call('close', [sellerKey])
    expect(auction.fails('bid', [ticketOf(0), bidderOf(0), 500n]).reason).toBe('the auction is over')
    expect(auction.fails('close', [sellerKey]).reason).toBe('the auction is over')
    expect((await network.deployFails(source, [sellerKey, 0n])).reason).toBe('the reserve is at least 1')
  })

  it('takes 200 tickets', async () => {
    const { auction } = await opened()
    await gas.without(() => {
      bidAll(
        auction,
        Array.from({ length: 200 }, (_, index) => BigInt(index)),
      )
      expect(auction.fails('bid', [ticketOf(200), bidderOf(200), 1n]).reason).toBe('there are no tickets left')
      auction.call('bid', [ticketOf(77), bidderOf(77), 1000n])
      const closed = auction.call('close', [sellerKey])
      expect(closed.value).toEqual({ winner: bidderOf(77), price: 199n })
      expect(closed.gas).toBeLessThan(4_000_000)
    })
  })

  it('agrees with a sorted list', async () => {
    const { network, auction } = await opened()
    const start = network.snapshot()
    const amount = fc.oneof(fc.bigInt(0n, 130n), fc.bigInt(95n, 105n), fc.bigInt(0n, 2n ** 256n - 1n))
    const bids = fc.array(fc.record({ ticket: fc.nat(4), amount }), { maxLength: 10 })
    await gas.without(() =>
      fc.assert(
        fc.property(bids, (bids) => {
          network.revertTo(start)
          const last = new Map<number, bigint>()
          for (const { ticket, amount } of bids) {
            auction.call('bid', [ticketOf(ticket), bidderOf(ticket), amount])
            last.set(ticket, amount)
          }
          const ranking = [...last]
            .filter(([, bid]) => bid >= reserve)
            .sort(([, a], [, b]) => (a < b ? 1 : a > b ? -1 : 0))
          const [best, second] = ranking
          const price = second?.[1] ?? reserve
          const expected = best === undefined ? { winner: nobody, price: 0n } : { winner: bidderOf(best[0]), price }
          expect(auction.call('close', [sellerKey]).value).toEqual(expected)
        }),
        { numRuns: 15 },
      ),
    )
  })
})

describe('what others see of the auction', () => {
  it('is the same for any bid, leading or not, changed or not', async () => {
    const { network, auction } = await opened()
    bidAll(auction, [150n, 400n])
    const start = network.snapshot()
    const seen = ([0n, 1n, 150n, 399n, 401n, 2n ** 256n - 1n] as const).map((amount) => {
      network.revertTo(start)
      const { gas, delta } = auction.call('bid', [ticketOf(0), bidderOf(0), amount])
      return { gas, size: delta?.changesSize }
    })
    for (const each of seen) expect(each).toEqual(seen[0])
  })
})

it('costs the gas of the snapshot', () => gas.expectSnapshot())
