import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { type Hex, TestNetwork } from '@bletchley/contract/testing'
import { keccak256 } from '@bletchley/crypto'
import { describe, expect, it } from 'vitest'
import { recordGas } from '../testing/gasSnapshot.ts'
import type { DiceFunctions } from './build/dice.client.ts'

const source = new URL('./dice.ts', import.meta.url)
const gas = recordGas()
/** Secrets of players: as random as their owners made them. */
const seedOf = (index: number): Hex => `0xd1ce${index.toString(16).padStart(60, '0')}`
const hashOf = (...values: Hex[]): Hex =>
  `0x${bytesToHex(keccak256(hexToBytes(values.map((value) => value.slice(2)).join(''))))}`

/** The rules as a player checks them, on his own machine. */
function thrown(playerSeed: Hex, contractSeed: Hex): bigint[] {
  const bytes = hexToBytes(hashOf(playerSeed, contractSeed).slice(2))
  return [...bytes]
    .filter((byte) => byte < 252)
    .slice(0, 2)
    .map((byte) => BigInt((byte % 6) + 1))
}

async function opened(seed = 1) {
  const network = new TestNetwork({ seed })
  return { network, dice: await network.deploy<DiceFunctions>(source) }
}

describe('the dice', () => {
  it('are what both seeds give, and each seed was fixed before the other was known', async () => {
    const { dice } = await opened()
    for (let round = 0; round < 20; round++) {
      const playerSeed = seedOf(round)
      const promised = dice.call('begin', [hashOf(playerSeed)]).value
      const roll = dice.call('roll', [playerSeed]).value
      expect(roll.playerSeed).toBe(playerSeed)
      expect(hashOf(roll.contractSeed)).toBe(promised)
      expect([roll.first, roll.second]).toEqual(thrown(playerSeed, roll.contractSeed))
      expect(dice.call('result', [hashOf(playerSeed)]).value).toEqual(roll)
    }
  })

  it('are fixed once, however often a round is begun', async () => {
    const { dice } = await opened()
    const round = hashOf(seedOf(1))
    const promised = dice.call('begin', [round]).value
    expect(dice.call('begin', [round])).toMatchObject({ value: promised, delta: undefined })
    const { contractSeed } = dice.call('roll', [seedOf(1)]).value
    expect(hashOf(contractSeed)).toBe(promised)
    expect(dice.call('begin', [round])).toMatchObject({ value: promised, delta: undefined })
  })

  it('are loaded by neither side alone', async () => {
    const rolls = async (seeds: readonly [worker: number, player: number][]) => {
      const results = []
      for (const [worker, player] of seeds) {
        const { dice } = await opened(worker)
        dice.call('begin', [hashOf(seedOf(player))])
        const { first, second } = dice.call('roll', [seedOf(player)]).value
        results.push(`${first} ${second}`)
      }
      return new Set(results).size
    }
    const numbers = Array.from({ length: 8 }, (_, index) => index)
    expect(await rolls(numbers.map((worker) => [worker, 1]))).toBeGreaterThan(3)
    expect(await rolls(numbers.map((player) => [1, player]))).toBeGreaterThan(3)
    expect(await rolls(numbers.map(() => [1, 1]))).toBe(1)
  })

  it('show all numbers about equally often', async () => {
    const { dice } = await opened()
    const counts = [0, 0, 0, 0, 0, 0, 0]
    await gas.without(() => {
      for (let round = 0; round < 150; round++) {
        dice.call('begin', [hashOf(seedOf(round))])
        const { first, second } = dice.call('roll', [seedOf(round)]).value
        for (const number of [first, second]) counts[Number(number)]!++
      }
    })
    expect(counts[0]).toBe(0)
    // 50 of each are expected, with a deviation of 6; the seeds are the same at each test.
    for (const count of counts.slice(1)) expect(Math.abs(count - 50), counts.join(' ')).toBeLessThan(25)
  })

  it('refuse what is against the rules', async () => {
    const { dice } = await opened()
    const round = hashOf(seedOf(1))
    expect(dice.fails('roll', [seedOf(1)]).reason).toBe('no round was begun with that seed')
    dice.call('begin', [round])
    expect(dice.fails('roll', [round]).reason).toBe('no round was begun with that seed')
    expect(dice.fails('result', [round]).reason).toBe('not rolled yet')
    dice.call('roll', [seedOf(1)])
    expect(dice.fails('roll', [seedOf(1)]).reason).toBe('rolled already')
  })
})

it('costs the gas of the snapshot', () => gas.expectSnapshot())
