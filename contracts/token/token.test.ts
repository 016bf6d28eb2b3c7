import { readFileSync } from 'node:fs'
import { hexToBytes } from '@bletchley/bytes'
import { type Hex, type TestContract, TestNetwork, type TestUser } from '@bletchley/contract/testing'
import fc from 'fast-check'
import { TypedData } from 'ox'
import { describe, expect, it } from 'vitest'
import { expectFigures } from '../testing/figures.ts'
import { recordGas } from '../testing/gasSnapshot.ts'
import type { TokenFunctions } from './build/token.client.ts'

const source = new URL('./token.ts', import.meta.url)
const gas = recordGas()
const supply = 1_000_000n
const key = (digit: string): Hex => `0x${digit.repeat(64)}`

/** Members of what a wallet signs for each function, in the order of its arguments. */
const messages = {
  SetViewingKey: ['address owner', 'bytes32 key', 'uint256 nonce'],
  Transfer: ['address from', 'address to', 'uint256 amount', 'uint256 nonce'],
  Approve: ['address owner', 'address spender', 'uint256 before', 'uint256 amount', 'uint256 nonce'],
  TransferFrom: ['address spender', 'address from', 'address to', 'uint256 amount', 'uint256 nonce'],
}

/** A token, and what its users do with their wallets. */
class Wallets {
  readonly network: TestNetwork
  readonly token: TestContract<TokenFunctions>
  readonly domain: { name: string; salt: Hex }
  nonce = 0n

  private constructor(network: TestNetwork, token: TestContract<TokenFunctions>) {
    this.network = network
    this.token = token
    this.domain = token.call('domain').value
  }

  static async open(total = supply) {
    const network = new TestNetwork()
    const [alice, bob, carol] = network.users('alice', 'bob', 'carol')
    const token = await network.deploy<TokenFunctions>(source, ['Private Token', alice.address, total])
    return { wallets: new Wallets(network, token), network, token, alice, bob, carol }
  }

  sign(signer: TestUser, primaryType: keyof typeof messages, values: readonly (Hex | bigint)[]): Hex {
    const members = messages[primaryType].map((member) => {
      const [type = '', name = ''] = member.split(' ')
      return { type, name }
    })
    const encoded = TypedData.encode({
      domain: this.domain,
      types: {
        EIP712Domain: [
          { type: 'string', name: 'name' },
          { type: 'bytes32', name: 'salt' },
        ],
        [primaryType]: members,
      },
      primaryType,
      message: Object.fromEntries(members.map(({ name }, index) => [name, values[index]])),
    } as never)
    return signer.sign(hexToBytes(encoded.slice(2)))
  }

  transfer(from: TestUser, to: TestUser, amount: bigint, nonce = ++this.nonce) {
    const values = [from.address, to.address, amount, nonce] as const
    return this.token.call('transfer', [...values, this.sign(from, 'Transfer', values)])
  }

  approve(owner: TestUser, spender: TestUser, before: bigint, amount: bigint, nonce = ++this.nonce) {
    const values = [owner.address, spender.address, before, amount, nonce] as const
    return this.token.call('approve', [...values, this.sign(owner, 'Approve', values)])
  }

  transferFrom(spender: TestUser, from: TestUser, to: TestUser, amount: bigint, nonce = ++this.nonce) {
    const values = [spender.address, from.address, to.address, amount, nonce] as const
    return this.token.call('transferFrom', [...values, this.sign(spender, 'TransferFrom', values)])
  }

  setViewingKey(owner: TestUser, viewingKey: Hex, nonce = ++this.nonce) {
    const values = [owner.address, viewingKey, nonce] as const
    return this.token.call('setViewingKey', [...values, this.sign(owner, 'SetViewingKey', values)])
  }

  /** Without a viewing key, out of the state. */
  balance({ address }: TestUser): bigint {
    const text = this.token.state.get(`balances:${address.slice(2)}`)
    return text === undefined ? 0n : BigInt(`0x${String(text).slice(0, 64)}`)
  }
}

describe('the private token', () => {
  it('moves amounts, and tells the owner alone', async () => {
    const { wallets, token, alice, bob } = await Wallets.open()
    wallets.setViewingKey(alice, key('a'))
    wallets.setViewingKey(bob, key('b'))
    expect(wallets.transfer(alice, bob, 300n).value).toBe(true)
    expect(token.call('balanceOf', [alice.address, key('a')]).value).toBe(supply - 300n)
    expect(token.call('balanceOf', [bob.address, key('b')]).value).toBe(300n)
    expect(token.call('totalSupply').value).toBe(supply)
    expect(token.fails('balanceOf', [alice.address, key('b')]).reason).toBe('the viewing key is another one')
  })

  it('shows nothing before a viewing key is set, nor with the key of zeros', async () => {
    const { wallets, token, alice } = await Wallets.open()
    expect(token.fails('balanceOf', [alice.address, key('0')]).reason).toBe('the viewing key is another one')
    wallets.setViewingKey(alice, key('0'))
    expect(token.fails('balanceOf', [alice.address, key('0')]).reason).toBe('the viewing key is another one')
  })

  it('lets a spender take what was allowed, and no more', async () => {
    const { wallets, token, alice, bob, carol } = await Wallets.open()
    wallets.setViewingKey(bob, key('b'))
    expect(wallets.transferFrom(bob, alice, carol, 1n).value).toBe(false)
    expect(wallets.approve(alice, bob, 0n, 100n).value).toBe(true)
    expect(wallets.transferFrom(bob, alice, carol, 101n).value).toBe(false)
    expect(wallets.transferFrom(bob, alice, carol, 60n).value).toBe(true)
    const allowance = [alice.address, bob.address, bob.address, key('b')] as const
    expect(token.call('allowance', allowance).value).toBe(40n)
    expect(wallets.transferFrom(bob, alice, carol, 41n).value).toBe(false)
    expect(wallets.transferFrom(bob, alice, carol, 40n).value).toBe(true)
    expect(token.call('allowance', allowance).value).toBe(0n)
    expect([wallets.balance(alice), wallets.balance(bob), wallets.balance(carol)]).toEqual([supply - 100n, 0n, 100n])
  })

  it('changes an allowance only from what its owner believes it to be', async () => {
    const { wallets, token, alice, bob, carol } = await Wallets.open()
    wallets.setViewingKey(bob, key('b'))
    const left = () => token.call('allowance', [alice.address, bob.address, bob.address, key('b')]).value
    wallets.approve(alice, bob, 0n, 100n)
    // The spender is faster than the owner's change to 50, and does not get both.
    wallets.transferFrom(bob, alice, carol, 80n)
    const changed = wallets.approve(alice, bob, 100n, 50n)
    expect([changed.value, left()]).toEqual([false, 20n])
    const again = wallets.approve(alice, bob, 20n, 50n)
    expect([again.value, left()]).toEqual([true, 50n])
    expect(again.delta?.changesSize).toBe(changed.delta?.changesSize)
  })

  it('shows an allowance to its two parties alone', async () => {
    const { wallets, token, alice, bob, carol } = await Wallets.open()
    for (const [user, digit] of [
      [alice, 'a'],
      [bob, 'b'],
      [carol, 'c'],
    ] as const)
      wallets.setViewingKey(user, key(digit))
    wallets.approve(alice, bob, 0n, 5n)
    const ask = (viewer: TestUser, digit: string) => [alice.address, bob.address, viewer.address, key(digit)] as const
    expect(token.call('allowance', ask(alice, 'a')).value).toBe(5n)
    expect(token.call('allowance', ask(bob, 'b')).value).toBe(5n)
    expect(token.fails('allowance', ask(carol, 'c')).reason).toBe('not the viewer’s allowance')
    expect(token.fails('allowance', ask(bob, 'c')).reason).toBe('the viewing key is another one')
  })

  it('keeps an allowance when the owner’s balance does not cover it', async () => {
    const { wallets, token, alice, bob, carol } = await Wallets.open()
    wallets.setViewingKey(alice, key('a'))
    wallets.approve(alice, bob, 0n, 2n * supply)
    expect(wallets.transferFrom(bob, alice, carol, supply + 1n).value).toBe(false)
    const ask = [alice.address, bob.address, alice.address, key('a')] as const
    expect(token.call('allowance', ask).value).toBe(2n * supply)
  })

  it('takes a signature for what was signed, once, and for this token', async () => {
    const { wallets, network, token, alice, bob, carol } = await Wallets.open()
    const values = [alice.address, bob.address, 5n, 10n] as const
    const signature = wallets.sign(alice, 'Transfer', values)
    const refused: [args: readonly [Hex, Hex, bigint, bigint, Hex], reason: string][] = [
      [[alice.address, bob.address, 6n, 10n, signature], 'signed by somebody else'],
      [[alice.address, carol.address, 5n, 10n, signature], 'signed by somebody else'],
      [[alice.address, bob.address, 5n, 11n, signature], 'signed by somebody else'],
      [[bob.address, alice.address, 5n, 10n, signature], 'signed by somebody else'],
      [[...values, wallets.sign(bob, 'Transfer', values)], 'signed by somebody else'],
      [
        [...values, wallets.sign(alice, 'Approve', [alice.address, bob.address, 0n, 5n, 10n])],
        'signed by somebody else',
      ],
      [[...values, `${signature.slice(0, -2)}1d` as Hex], 'signature is not valid'],
      [[...values, '0x'], 'signature is not valid'],
    ]
    for (const [args, reason] of refused) expect(token.fails('transfer', args).reason, String(args)).toBe(reason)
    const other = await network.deploy<TokenFunctions>(source, ['Private Token', alice.address, supply])
    expect(other.fails('transfer', [...values, signature]).reason).toBe('signed by somebody else')

    expect(token.call('transfer', [...values, signature]).value).toBe(true)
    expect(token.fails('transfer', [...values, signature]).reason).toBe('the nonce was used')
    expect(() => wallets.transfer(alice, bob, 1n, 9n)).toThrow('the nonce was used')
    expect(wallets.transfer(alice, bob, 1n, 11n).value).toBe(true)
  })
})

describe('what others see of the private token', () => {
  it('is the same whether a payment is covered or not, and whatever it amounts to', async () => {
    const { wallets, network, alice, bob, carol } = await Wallets.open(10n ** 24n)
    for (const user of [alice, bob, carol]) wallets.transfer(alice, user, 1n)
    // One signature costs another gas than the next, so all compare the same payment, in different states.
    const start = network.snapshot()
    const seen = [0n, 1n, 10n ** 23n, 10n ** 24n - 2n].map((spent) => {
      network.revertTo(start)
      wallets.transfer(alice, carol, spent, 100n)
      const { value, gas, delta, output } = wallets.transfer(alice, bob, 10n ** 20n, 200n)
      return { covered: value, gas, size: delta?.changesSize, changes: delta?.changes, output: output.length }
    })
    expect(seen.map(({ covered }) => covered)).toEqual([true, true, true, false])
    const visible = seen.map(({ covered: _, ...rest }) => rest)
    for (const each of visible) expect(each).toEqual(visible[0])
  })

  it('is one size of delta for all amounts, a payment to oneself and none', async () => {
    const { wallets, alice, bob } = await Wallets.open(2n ** 255n)
    wallets.transfer(alice, bob, 1n)
    const sizes = [0n, 1n, 255n, 2n ** 64n, 2n ** 254n, 2n ** 256n - 1n].map((amount) => {
      return wallets.transfer(alice, bob, amount).delta?.changesSize
    })
    expect(new Set(sizes).size).toBe(1)
  })
})

describe('the state', () => {
  it('holds numbers whose length tells nothing', async () => {
    const { wallets, token, alice, bob } = await Wallets.open()
    wallets.transfer(alice, bob, 999_999n)
    const lengths = token.state.entries().filter(([name]) => /^(balances|nonces):/.test(name))
    for (const [name, value] of lengths) expect(value, name).toMatch(/^[0-9a-f]{80}$/)
    expect(lengths).toHaveLength(3)
  })

  it('sums up to the supply after anything that users do', async () => {
    const { wallets, network, token, alice, bob, carol } = await Wallets.open(1000n)
    const users = [alice, bob, carol]
    const start = network.snapshot()
    const user = fc.nat(2).map((index) => users[index]!)
    const step = fc.record({
      kind: fc.constantFrom('transfer', 'approve', 'transferFrom'),
      spender: user,
      from: user,
      to: user,
      amount: fc.oneof(fc.bigInt(0n, 700n), fc.constantFrom(1000n, 1001n, 2n ** 256n - 1n)),
    })
    await gas.without(() =>
      fc.assert(
        fc.property(fc.array(step, { maxLength: 6 }), (steps) => {
          network.revertTo(start)
          wallets.nonce = 0n
          const balances = new Map(users.map((each) => [each, each === alice ? 1000n : 0n]))
          const allowances = new Map<string, bigint>()
          for (const { kind, spender, from, to, amount } of steps) {
            const pair = `${from.name} ${spender.name}`
            if (kind === 'approve') {
              expect(wallets.approve(from, spender, allowances.get(pair) ?? 0n, amount).value).toBe(true)
              allowances.set(pair, amount)
              continue
            }
            const allowed = kind === 'transfer' ? amount : (allowances.get(pair) ?? 0n)
            const covered = balances.get(from)! >= amount && allowed >= amount
            const { value } =
              kind === 'transfer' ? wallets.transfer(from, to, amount) : wallets.transferFrom(spender, from, to, amount)
            expect(value).toBe(covered)
            if (!covered) continue
            balances.set(from, balances.get(from)! - amount)
            balances.set(to, balances.get(to)! + amount)
            if (kind === 'transferFrom') allowances.set(pair, allowed - amount)
          }
          for (const each of users) expect(wallets.balance(each), each.name).toBe(balances.get(each))
          expect(users.reduce((sum, each) => sum + wallets.balance(each), 0n)).toBe(1000n)
          expect(token.call('totalSupply').value).toBe(1000n)
        }),
        { numRuns: 12 },
      ),
    )
  })
})

it('costs the gas of the snapshot', () => gas.expectSnapshot())

describe('the private token beside the erc20 of the Rust library', () => {
  // Measured on the reference's contract, which was built with the original library; it is not part of this repository.
  const reference = {
    exeCode: 1_236_995,
    deployment: 1_373_481,
    balanceOf: [88_882, 110_186],
    totalSupply: [48_051, 55_368],
  }
  // A token without signatures, in plain Rust without that library (packages/sandbox/vectors).
  const vectors = new URL('../../packages/sandbox/vectors/rust/expected.json', import.meta.url)
  const plain = JSON.parse(readFileSync(vectors, 'utf8')).erc20 as {
    exeCodeLength: number
    deploy: { usedGas: string }
    calls: { function: string; result: string; usedGas: string }[]
  }
  const plainGas = (name: string) =>
    plain.calls
      .filter((call) => call.function === name && call.result === 'success')
      .map((call) => Number(call.usedGas))

  it('has a thirtieth of its code, and costs half of its gas', async () => {
    const { wallets, token, alice, bob } = await Wallets.open()
    wallets.setViewingKey(alice, key('a'))
    const transfer = wallets.transfer(alice, bob, 300n)
    const ours = {
      exeCode: token.exeCode.length,
      deployment: token.deployment.gas,
      balanceOf: token.call('balanceOf', [alice.address, key('a')]).gas,
      totalSupply: token.call('totalSupply').gas,
    }
    const range = (values: readonly (number | string)[]) => [...new Set([values[0], values.at(-1)])].join(' to ')
    const sorted = (name: string) => plainGas(name).sort((a, b) => a - b)
    const rows = [
      ['', 'this token', 'Rust library', 'plain Rust'],
      ['exeCode, bytes', ours.exeCode, reference.exeCode, plain.exeCodeLength],
      ['deployment, gas', ours.deployment, reference.deployment, plain.deploy.usedGas],
      ['balanceOf, gas', ours.balanceOf, range(reference.balanceOf), range(sorted('balanceOf'))],
      ['totalSupply, gas', ours.totalSupply, range(reference.totalSupply), range(sorted('totalSupply'))],
      ['transfer, gas', transfer.gas, 'not measured', range(sorted('transfer'))],
    ].map((row) => row.map(String))
    const lines = rows.map(([name = '', ...cells]) => name.padEnd(18) + cells.map((cell) => cell.padStart(20)).join(''))
    process.stdout.write(`${lines.join('\n')}\n`)
    await expectFigures(new URL('../README.md', import.meta.url), rows)
    expect(ours.exeCode).toBeLessThanOrEqual(reference.exeCode / 30)
    expect(ours.deployment).toBeLessThanOrEqual(reference.deployment / 2)
    expect(ours.balanceOf).toBeLessThanOrEqual(reference.balanceOf[0]! / 2)
    expect(ours.totalSupply).toBeLessThanOrEqual(reference.totalSupply[0]! / 2)
    expect(transfer.gas).toBeLessThan(5_000_000)
  })
})
