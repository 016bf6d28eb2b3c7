import { readFileSync } from 'node:fs'
import type { JsonValue } from '@bletchley/state'
import { beforeAll, describe, expect, it } from 'vitest'
import { compileText, encodeValues, Running } from './support/contracts.ts'

const [alice, bob, carol] = [`0x${'11'.repeat(20)}`, `0x${'22'.repeat(20)}`, `0x${'3a'.repeat(20)}`]

const token = (fields: string) => `
import { Address, require, StateMap, StateValue, U256 } from '@bletchley/contract/assembly'
@contract
export class Token {
  ${fields}
  constructor(owner: Address, supply: U256) {
    this.owner.set(owner.toString().slice(2))
    this.total.set(supply)
    this.balances.set(owner, supply)
  }
  transfer(from: Address, to: Address, amount: U256): bool {
    const balance = this.balanceOf(from)
    require(balance >= amount, 'balance is too low')
    this.balances.set(from, balance - amount)
    this.balances.set(to, this.balanceOf(to) + amount)
    return true
  }
  approve(from: Address, to: Address, amount: U256): void { this.allowances.get(from).set(to, amount) }
  allowance(from: Address, to: Address): U256 { return this.allowances.get(from).getOr(to, U256.zero) }
  balanceOf(account: Address): U256 { return this.balances.getOr(account, U256.zero) }
  totalSupply(): U256 { return this.total.get() }
  ownerName(): string { return this.owner.get() }
}`

const plainFields = `
  owner: StateValue<string>
  total: StateValue<U256>
  balances: StateMap<Address, U256>
  allowances: StateMap<Address, StateMap<Address, U256>>`

/** The keys that the Rust contract of the sandbox's vectors uses. */
const rustFields = `
  owner: StateValue<string>
  total: StateValue<U256>
  balances: StateMap<Address, U256> = new StateMap<Address, U256>('balance')
  allowances: StateMap<Address, StateMap<Address, U256>> = new StateMap<Address, StateMap<Address, U256>>('allow')`

const construction = encodeValues(['address', 'uint256'], [alice, 1_000_000n])

describe('a token', () => {
  // What its authors were promised. A change that costs more should be a decision.
  it('costs little', async () => {
    const running = Running.deploy((await compileText(token(plainFields))).wasm, construction)
    const gas = (name: string, types: string[], values: unknown[]) => {
      const outcome = running.call(name, encodeValues(types, values))
      expect(outcome.kind, name).toBe('success')
      return outcome.usedGas
    }
    expect(running.exeCode.length).toBeLessThan(6 * 1024)
    expect(gas('totalSupply', [], [])).toBeLessThan(12_000n)
    expect(gas('balanceOf', ['address'], [alice])).toBeLessThan(13_000n)
    expect(gas('transfer', ['address', 'address', 'uint256'], [alice, bob, 12_345n])).toBeLessThan(18_000n)
    expect(gas('approve', ['address', 'address', 'uint256'], [alice, bob, 12_345n])).toBeLessThan(13_000n)
  })
})

describe('state that is shared with a contract in Rust', () => {
  const rust = new Uint8Array(readFileSync(new URL('../../sandbox/vectors/rust/erc20.wasm', import.meta.url)))
  const words = (...values: (bigint | string)[]) =>
    encodeValues(
      values.map(() => 'uint256'),
      values,
    )
  let wasm: Uint8Array

  beforeAll(async () => {
    ;({ wasm } = await compileText(token(rustFields)))
  })

  /** The Rust contract and ours, on one state. */
  function both(deployed: 'rust' | 'ours'): { rust: Running; ours: Running; state: Map<string, JsonValue> } {
    const state = new Map<string, JsonValue>()
    if (deployed === 'ours') {
      const ours = Running.deploy(wasm, construction, state)
      return { ours, rust: Running.deploy(rust, words(carol, 0n), new Map()).on(state), state }
    }
    const running = Running.deploy(rust, words(alice, 1_000_000n), state)
    return { rust: running, ours: Running.deploy(wasm, construction).on(state), state }
  }

  const number = (outcome: ReturnType<Running['call']>) =>
    outcome.kind === 'success' ? BigInt(`0x${Buffer.from(outcome.output).toString('hex') || '0'}`) : outcome.message

  it('goes on in ours where Rust left it, and back', () => {
    const { rust, ours, state } = both('rust')
    expect(ours.ask('ownerName()(string)')).toEqual(['11'.repeat(20)])
    expect(ours.ask('totalSupply()(uint256)')).toEqual([1_000_000n])
    number(rust.call('transfer', words(alice, bob, 2n ** 70n)))
    number(rust.call('transfer', words(alice, bob, 12_345n)))
    expect(ours.ask('balanceOf(address)(uint256)', bob)).toEqual([12_345n])
    ours.ask('transfer(address,address,uint256)(bool)', bob, carol, 345n)
    expect(number(rust.call('balanceOf', words(carol)))).toBe(345n)
    ours.ask('approve(address,address,uint256)', alice, bob, 500n)
    expect(number(rust.call('allowance', words(alice, bob)))).toBe(500n)
    expect(number(rust.call('transferFrom', words(alice, bob, carol, 200n)))).toBe(0n)
    expect(ours.ask('allowance(address,address)(uint256)', alice, bob)).toEqual([300n])
    number(rust.call('transferFrom', words(alice, bob, carol, 300n)))
    expect(ours.ask('allowance(address,address)(uint256)', alice, bob)).toEqual([0n])
    expect(ours.ask('balanceOf(address)(uint256)', carol)).toEqual([845n])
    expect([...state.keys()].sort()).toEqual([
      ...[alice, bob, carol].map((account) => `balance:${account.slice(2)}`),
      'owner',
      'total',
    ])
  })

  it('goes on in Rust where ours left it', () => {
    const { rust, ours } = both('ours')
    expect(number(rust.call('totalSupply', words(0n)))).toBe(1_000_000n)
    expect(number(rust.call('transfer', words(alice, bob, 2n)))).toBe(0n)
    expect(ours.ask('balanceOf(address)(uint256)', alice)).toEqual([999_998n])
    expect(ours.stored(`balance:${bob.slice(2)}`)).toBe('[2,0,0,0]')
  })
})
