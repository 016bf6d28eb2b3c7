import { readFile } from 'node:fs/promises'
import { bytesToHex, hexToBytes, utf8ToBytes } from '@bletchley/bytes'
import { type DeployOptions, TaskFailed } from '@bletchley/client'
import { addressOf, generateKeyPair, type KeyPair, keccak256, randomBytes, sign } from '@bletchley/crypto'
import { type CoreProcess, startCoreProcess, TestPrincipal } from '@bletchley/testkit'
import { AbiFunction, TypedData } from 'ox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Auction } from '../contracts/auction/build/auction.client.ts'
import { Ballot } from '../contracts/ballot/build/ballot.client.ts'
import { Dice } from '../contracts/dice/build/dice.client.ts'
import { Millionaires } from '../contracts/millionaires/build/millionaires.client.ts'
import { Notes } from '../contracts/notes/build/notes.client.ts'
import { Token } from '../contracts/token/build/token.client.ts'

// The example contracts, as dapps use them: through their clients, encrypted, over the socket of a core that runs as its
// operators run it.

const principal = new TestPrincipal()
let core: CoreProcess

beforeAll(async () => {
  core = await startCoreProcess({ args: ['--threads', '2'] })
})

afterAll(() => core[Symbol.asyncDispose]())

type Hex = `0x${string}`

const hex = (bytes: Uint8Array): Hex => `0x${bytesToHex(bytes)}`
const secret = (): Hex => hex(randomBytes(32))
const hashOf = (...values: Hex[]): Hex => hex(keccak256(hexToBytes(values.map((value) => value.slice(2)).join(''))))
const account = ({ publicKey }: KeyPair): Hex => hex(addressOf(publicKey))

/** Code of an example, and a place for it whose key the core has. */
async function prepare(name: string): Promise<{ preCode: Uint8Array; options: DeployOptions }> {
  const address = randomBytes(32)
  await principal.installKeys(core.client, [address])
  const preCode = await readFile(new URL(`../contracts/${name}/build/${name}.wasm`, import.meta.url))
  return { preCode, options: { address } }
}

describe('over the socket', () => {
  it('the private token moves what its owner signed, and tells nobody else', async () => {
    const { preCode, options } = await prepare('token')
    const [alice, bob] = [generateKeyPair(), generateKeyPair()]
    const token = await Token.deploy(core.client, preCode, ['Private Token', account(alice), 1000n], options)
    const { value: domain } = await token.domain()
    const signed = (
      signer: KeyPair,
      primaryType: string,
      members: [type: string, name: string, value: Hex | bigint][],
    ) => {
      const types = {
        EIP712Domain: [
          { type: 'string', name: 'name' },
          { type: 'bytes32', name: 'salt' },
        ],
        [primaryType]: members.map(([type, name]) => ({ type, name })),
      }
      const message = Object.fromEntries(members.map(([, name, value]) => [name, value]))
      const encoded = TypedData.encode({ domain, types, primaryType, message } as never)
      return hex(sign(signer.secretKey, hexToBytes(encoded.slice(2))))
    }
    const viewingKey = secret()
    for (const [owner, nonce] of [
      [alice, 1n],
      [bob, 1n],
    ] as const) {
      const signature = signed(owner, 'SetViewingKey', [
        ['address', 'owner', account(owner)],
        ['bytes32', 'key', viewingKey],
        ['uint256', 'nonce', nonce],
      ])
      await token.setViewingKey(account(owner), viewingKey, nonce, signature)
    }
    const now = BigInt(Date.now())
    const payment = signed(alice, 'Transfer', [
      ['address', 'from', account(alice)],
      ['address', 'to', account(bob)],
      ['uint256', 'amount', 250n],
      ['uint256', 'nonce', now],
    ])
    expect((await token.transfer(account(alice), account(bob), 250n, now, payment)).value).toBe(true)
    expect((await token.balanceOf(account(alice), viewingKey)).value).toBe(750n)
    expect((await token.balanceOf(account(bob), viewingKey)).value).toBe(250n)

    // The reason of a failed task is encrypted for whoever sent it.
    const failure = await token.balanceOf(account(bob), secret()).catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(TaskFailed)
    const reason = 'Error in execution of WASM code: unreachable: the viewing key is another one'
    expect((failure as TaskFailed).message).toBe(reason)
    const again = token.transfer(account(alice), account(bob), 250n, now, payment)
    await expect(again).rejects.toThrow('unreachable: the nonce was used')
  })

  it('the auction goes to the highest of bids that arrive at once', async () => {
    const { preCode, options } = await prepare('auction')
    const sellerKey = secret()
    const auction = await Auction.deploy(core.client, preCode, [sellerKey, 10n], options)
    const bidders = Array.from({ length: 8 }, () => hex(randomBytes(20)))
    await Promise.all(bidders.map((bidder, index) => auction.bid(secret(), bidder, 100n + BigInt(index))))
    await expect(auction.result()).rejects.toThrow('unreachable: the auction goes on')
    expect((await auction.close(sellerKey)).value).toEqual({ winner: bidders[7], price: 106n })
  })

  it('the ballot announces its sums on Ethereum', async () => {
    const { preCode, options } = await prepare('ballot')
    const [organiserKey, board, question] = [secret(), hex(randomBytes(20)), 'Shall we?']
    const papers = Array.from({ length: 5 }, secret)
    const hashes = papers.map((paper) => hashOf(paper))
    const ballot = await Ballot.deploy(core.client, preCode, [question, 2, hashes, organiserKey, board], options)
    await Promise.all(papers.map((paper, index) => ballot.vote(paper, index % 2)))
    await ballot.vote(papers[0]!, 1)
    const { value, ethereum } = await ballot.close(organiserKey)
    expect(value).toEqual([2n, 3n])
    const announce = AbiFunction.from('function announce(string question, uint256[] votes)')
    const payload = AbiFunction.encodeData(announce, [question, value])
    expect(ethereum).toEqual({ address: board.slice(2), payload: payload.slice(2) })
  })

  it('the millionaires learn who is the richest', async () => {
    const { preCode, options } = await prepare('millionaires')
    const millionaires = await Millionaires.deploy(core.client, preCode, [3], options)
    const people = [5n, 2n ** 80n, 7n].map((wealth) => ({ person: hex(randomBytes(20)), wealth }))
    for (const { person, wealth } of people) await millionaires.submit(person, wealth)
    expect((await millionaires.richest()).value).toBe(people[1]!.person)
  })

  it('the dice can be checked', async () => {
    const { preCode, options } = await prepare('dice')
    const dice = await Dice.deploy(core.client, preCode, [], options)
    const seed = secret()
    const { value: promised } = await dice.begin(hashOf(seed))
    const { value: roll } = await dice.roll(seed)
    expect(hashOf(roll.contractSeed)).toBe(promised)
    const bytes = hexToBytes(hashOf(seed, roll.contractSeed).slice(2)).filter((byte) => byte < 252)
    expect([roll.first, roll.second]).toEqual([...bytes.subarray(0, 2)].map((byte) => BigInt((byte % 6) + 1)))
  })

  it('a note is read with a pass until it is revoked', async () => {
    const { preCode, options } = await prepare('notes')
    const notes = await Notes.deploy(core.client, preCode, [], options)
    const text = new Uint8Array(64)
    text.set(utf8ToBytes('the safe is behind the clock'))
    const { value: key } = await notes.write(text)
    const { note, pass } = (await notes.share(key)).value
    expect((await notes.readShared(note, pass)).value).toBe(hex(text))
    await notes.revoke(key, hashOf(pass))
    await expect(notes.readShared(note, pass)).rejects.toThrow('unreachable: no such pass')
    expect((await notes.read(key)).value).toBe(hex(text))
  })
})
