import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { type Hex, TestNetwork } from '@bletchley/contract/testing'
import { keccak256 } from '@bletchley/crypto'
import fc from 'fast-check'
import { AbiFunction } from 'ox'
import { describe, expect, it } from 'vitest'
import { recordGas } from '../testing/gasSnapshot.ts'
import type { BallotFunctions } from './build/ballot.client.ts'

const source = new URL('./ballot.ts', import.meta.url)
const gas = recordGas()
const question = 'Tea or coffee?'
const organiserKey: Hex = `0x${'0c'.repeat(32)}`
const board: Hex = '0x00000000000000000000000000000000000b0a2d'
/** Secrets of voters: as random as their owners made them. */
const paperOf = (index: number): Hex => `0x9a9e6${index.toString(16).padStart(59, '0')}`
const hashOf = (paper: Hex): Hex => `0x${bytesToHex(keccak256(hexToBytes(paper.slice(2))))}`
const papers = (count: number) => Array.from({ length: count }, (_, index) => hashOf(paperOf(index)))

async function opened({ choices = 2, voters = 5 } = {}) {
  const network = new TestNetwork()
  const args = [question, choices, papers(voters), organiserKey, board]
  return { network, ballot: await network.deploy<BallotFunctions>(source, args) }
}

describe('the secret ballot', () => {
  it('counts each paper once, with its last vote', async () => {
    const { ballot } = await opened()
    for (const [voter, choice] of [
      [0, 0],
      [1, 1],
      [2, 1],
      [0, 1],
      [3, 0],
    ] as const)
      ballot.call('vote', [paperOf(voter), choice])
    expect(ballot.call('close', [organiserKey]).value).toEqual([1n, 3n])
    expect(ballot.call('result').value).toEqual([1n, 3n])
    expect(ballot.call('about').value).toBe(question)
  })

  it('shows everybody who may vote, and not who did', async () => {
    const { ballot } = await opened()
    const before = ballot.call('electorate')
    expect(before.value).toEqual(papers(5))
    ballot.call('vote', [paperOf(1), 1])
    expect(ballot.call('electorate')).toEqual(before)
  })

  it('takes 1000 papers, whose votes can be counted', async () => {
    await gas.without(async () => {
      const { network, ballot } = await opened({ voters: 1000 })
      ballot.call('vote', [paperOf(999), 1])
      const closed = ballot.call('close', [organiserKey])
      expect(closed.value).toEqual([0n, 1n])
      expect(closed.gas).toBeLessThan(21_000_000)
      const tooMany = await network.deployFails(source, [question, 2, papers(1001), organiserKey, board])
      expect(tooMany.reason).toBe('at most 1000 papers')
    })
  })

  it('announces the sums on Ethereum', async () => {
    const { ballot } = await opened()
    expect(ballot.call('vote', [paperOf(4), 1]).ethereumCall).toBeUndefined()
    const announce = AbiFunction.from('function announce(string question, uint256[] votes)')
    const payload = AbiFunction.encodeData(announce, [question, [0n, 1n]])
    expect(ballot.call('close', [organiserKey]).ethereumCall).toEqual({ address: board, payload })
  })

  it('refuses what is not due', async () => {
    const { network, ballot } = await opened()
    expect(ballot.fails('result').reason).toBe('the ballot goes on')
    expect(ballot.fails('vote', [paperOf(5), 0]).reason).toBe('there is no such paper')
    expect(ballot.fails('vote', [hashOf(paperOf(0)), 0]).reason).toBe('there is no such paper')
    expect(ballot.fails('vote', [paperOf(0), 2]).reason).toBe('there is no such choice')
    expect(ballot.fails('close', [paperOf(0)]).reason).toBe('not the organiser’s key')
    ballot.call('close', [organiserKey])
    expect(ballot.fails('vote', [paperOf(0), 0]).reason).toBe('the ballot is over')
    expect(ballot.fails('close', [organiserKey]).reason).toBe('the ballot is over')
    const twice = [papers(1), papers(1)].flat()
    expect((await network.deployFails(source, [question, 2, twice, organiserKey, board])).reason).toBe(
      'a paper is there twice',
    )
    for (const choices of [0, 1, 101]) {
      const refused = await network.deployFails(source, [question, choices, papers(2), organiserKey, board])
      expect(refused.reason, String(choices)).toBe('between 2 and 100 choices')
    }
  })

  it('counts what was voted', async () => {
    const choices = 100
    const { network, ballot } = await opened({ choices })
    const start = network.snapshot()
    const vote = fc.record({ voter: fc.nat(4), choice: fc.nat(choices - 1) })
    await gas.without(() =>
      fc.assert(
        fc.property(fc.array(vote, { maxLength: 12 }), (votes) => {
          network.revertTo(start)
          const last = new Map<number, number>()
          for (const { voter, choice } of votes) {
            ballot.call('vote', [paperOf(voter), choice])
            last.set(voter, choice)
          }
          const sums = Array.from({ length: choices }, () => 0n)
          for (const choice of last.values()) sums[choice]!++
          expect(ballot.call('close', [organiserKey]).value).toEqual(sums)
        }),
        { numRuns: 10 },
      ),
    )
  })
})

describe('what others see of the ballot', () => {
  it('is the same for all votes, first and changed', async () => {
    const { ballot } = await opened({ choices: 100 })
    const votes = [
      [0, 0],
      [0, 0],
      [0, 99],
      [1, 9],
      [1, 10],
      [2, 0],
    ] as const
    const seen = votes.map((vote) => ballot.call('vote', [paperOf(vote[0]), vote[1]]))
    for (const { gas, delta } of seen) {
      expect({ gas, size: delta?.changesSize }).toEqual({ gas: seen[0]!.gas, size: seen[0]!.delta!.changesSize })
    }
  })
})

it('costs the gas of the snapshot', () => gas.expectSnapshot())
