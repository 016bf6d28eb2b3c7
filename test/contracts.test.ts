import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { bytesToHex, hexToBytes } from '@bletchley/bytes'
import { decrypt, encrypt, randomBytes } from '@bletchley/crypto'
import { deploy, type Outcome, prepareRuntime, runCompute } from '@bletchley/sandbox'
import { encodeJson, type JsonValue, StateOverlay } from '@bletchley/state'
import fc from 'fast-check'
import { AbiParameters, type Hex } from 'ox'
import { describe, expect, it } from 'vitest'

const preCode = readFileSync(new URL('../contracts/ledger/build/ledger.wasm', import.meta.url))
const host = { encrypt, decrypt, random: randomBytes }
const gasLimit = 1_000_000n
const trapped = 'Error in execution of WASM code: unreachable'

const alice: Hex.Hex = `0x${'a1'.repeat(32)}`
const bob: Hex.Hex = `0x${'B2'.repeat(32)}`
const most = 2n ** 64n - 1n

type Argument = Hex.Hex | bigint

/** The arguments as a dapp encodes them; the types are those of the callable. */
function encodeArguments(callable: string, args: readonly Argument[]): Uint8Array {
  const types = callable.slice(callable.indexOf('(') + 1, -1)
  if (types === '') return new Uint8Array()
  return hexToBytes(AbiParameters.encode(AbiParameters.from(types), args).slice(2))
}

/** A ledger in the sandbox, with its state; what a failed run wrote is dropped, as a worker does. */
class Ledger {
  readonly state = new Map<string, JsonValue>()
  #code: Uint8Array | undefined

  deploy(callable: string, ...args: Argument[]): Outcome {
    const outcome = this.#run(callable, args, (invocation) => deploy(preCode, invocation))
    if (outcome.kind === 'success') this.#code = outcome.output
    return outcome
  }

  call(callable: string, ...args: Argument[]): Outcome {
    const prepared = prepareRuntime(this.#code!)
    if (prepared.kind === 'refused') throw new Error(prepared.message)
    return this.#run(callable, args, (invocation) => runCompute(prepared.module, invocation))
  }

  /** Calls a function that returns one uint64. */
  read(callable: string, ...args: Argument[]): bigint {
    const outcome = this.call(callable, ...args)
    if (outcome.kind === 'failure') throw new Error(outcome.message)
    return AbiParameters.decode(AbiParameters.from('uint64'), `0x${bytesToHex(outcome.output)}`)[0]
  }

  #run(
    callable: string,
    args: readonly Argument[],
    run: (invocation: Parameters<typeof deploy>[1]) => Outcome,
  ): Outcome {
    const state = new StateOverlay(this.state)
    const functionName = callable.slice(0, callable.indexOf('('))
    const outcome = run({ functionName, args: encodeArguments(callable, args), gasLimit, state, stateSize: 0, host })
    if (outcome.kind === 'success') state.commit()
    return outcome
  }
}

const construct = 'construct(bytes32,uint64)'
const mint = 'mint(bytes32,uint64)'
const transfer = 'transfer(bytes32,bytes32,uint64)'
const balanceOf = 'balance_of(bytes32)'
const totalSupply = 'total_supply()'

function deployedLedger(supply: bigint): Ledger {
  const ledger = new Ledger()
  expect(ledger.deploy(construct, alice, supply)).toMatchObject({ kind: 'success' })
  return ledger
}

function jsonOf(ledger: Ledger): string {
  return new TextDecoder().decode(encodeJson(ledger.state))
}

function expectTrap(outcome: Outcome): void {
  expect(outcome).toMatchObject({ kind: 'failure', message: trapped })
  expect(outcome.usedGas).toBeGreaterThan(0n)
}

describe('the committed builds', () => {
  it('are what the sources give', async () => {
    const script = fileURLToPath(new URL('../scripts/buildContracts.mjs', import.meta.url))
    // Its error shows what the script printed.
    await promisify(execFile)(process.execPath, [script, '--check'])
  })

  it('need nothing but functions of the host, and export nothing but the two entries', async () => {
    const module = await WebAssembly.compile(preCode)
    expect(new Set(WebAssembly.Module.imports(module).map(({ module, kind }) => `${module} ${kind}`))).toEqual(
      new Set(['env function']),
    )
    expect(WebAssembly.Module.exports(module)).toEqual([
      { name: 'deploy', kind: 'function' },
      { name: 'call', kind: 'function' },
    ])
  })
})

describe('the ledger', () => {
  it('gives the whole supply to the issuer', () => {
    const ledger = deployedLedger(1000n)
    expect(jsonOf(ledger)).toBe(`{"balance:${alice.slice(2)}":1000,"issuer":"${alice.slice(2)}","supply":1000}`)
    expect(ledger.read(totalSupply)).toBe(1000n)
    expect(ledger.read(balanceOf, alice)).toBe(1000n)
    expect(ledger.read(balanceOf, bob)).toBe(0n)
  })

  it('pays for its code at deployment, and a flat fee for a computation', () => {
    const ledger = new Ledger()
    const deployed = ledger.deploy(construct, alice, 5n)
    expect(deployed.kind === 'success' && deployed.usedGas > deployed.output.length).toBe(true)
    expect(ledger.call(balanceOf, alice).usedGas).toBeGreaterThan(10_000n)
  })

  it('leaves the constructor out of the code that it keeps', () => {
    const outcome = new Ledger().deploy(construct, alice, 5n)
    expect(outcome.kind === 'success' && outcome.output.length).toBeLessThan(preCode.length)
  })

  it('transfers, and returns nothing', () => {
    const ledger = deployedLedger(1000n)
    expect(ledger.call(transfer, alice, bob, 300n)).toMatchObject({ kind: 'success', output: new Uint8Array() })
    expect([ledger.read(balanceOf, alice), ledger.read(balanceOf, bob)]).toEqual([700n, 300n])
  })

  it('keeps no key for an empty account', () => {
    const ledger = deployedLedger(1000n)
    ledger.call(transfer, alice, bob, 1000n)
    expect([...ledger.state.keys()].sort()).toEqual([`balance:${bob.slice(2).toLowerCase()}`, 'issuer', 'supply'])
  })

  it('creates nothing by a transfer to oneself', () => {
    const ledger = deployedLedger(1000n)
    const before = jsonOf(ledger)
    for (const amount of [0n, 1n, 1000n]) {
      expect(ledger.call(transfer, alice, alice, amount).kind).toBe('success')
      expect(jsonOf(ledger)).toBe(before)
    }
    expectTrap(ledger.call(transfer, alice, alice, 1001n))
  })

  it('mints for the issuer alone', () => {
    const ledger = deployedLedger(1000n)
    expect(ledger.call(mint, alice, 24n).kind).toBe('success')
    expect([ledger.read(balanceOf, alice), ledger.read(totalSupply)]).toEqual([1024n, 1024n])
    expectTrap(ledger.call(mint, bob, 1n))
    expect(ledger.read(totalSupply)).toBe(1024n)
  })

  it('loses no digit of large amounts, and refuses to pass the largest', () => {
    const ledger = deployedLedger(most - 1n)
    expect(ledger.call(mint, alice, 1n).kind).toBe('success')
    expect([ledger.read(balanceOf, alice), ledger.read(totalSupply)]).toEqual([most, most])
    expectTrap(ledger.call(mint, alice, 1n))
    expectTrap(ledger.call(mint, alice, most))
    expect(ledger.call(transfer, alice, bob, most).kind).toBe('success')
    expect(ledger.read(balanceOf, bob)).toBe(most)
  })

  const failing: [why: string, callable: string, args: Argument[]][] = [
    ['a transfer beyond the balance', transfer, [alice, bob, 1001n]],
    ['a transfer from an unknown account', transfer, [bob, alice, 1n]],
    ['an unknown function', 'steal()', []],
    ['a function whose name is the start of one', 'min(bytes32,uint64)', [alice, 1n]],
    ['a function whose name goes on', 'minted(bytes32,uint64)', [alice, 1n]],
    ['the constructor as a function', construct, [bob, 1n]],
    ['no arguments', 'transfer()', []],
    ['too few arguments', 'transfer(bytes32,bytes32)', [alice, bob]],
    ['an amount beyond uint64', 'transfer(bytes32,bytes32,uint256)', [alice, bob, 2n ** 64n]],
    ['an amount with the highest bit', 'mint(bytes32,uint256)', [alice, 2n ** 255n]],
  ]
  it.each(failing)('fails on %s, and stays as it was', (_, callable, args) => {
    const ledger = deployedLedger(1000n)
    const before = jsonOf(ledger)
    expectTrap(ledger.call(callable, ...args))
    expect(jsonOf(ledger)).toBe(before)
  })

  it('does not deploy without its arguments', () => {
    expectTrap(new Ledger().deploy('construct()'))
    expectTrap(new Ledger().deploy('construct(bytes32)', alice))
    expectTrap(new Ledger().deploy('construct(bytes32,uint256)', alice, 2n ** 64n))
  })

  it('agrees with plain arithmetic over any run of transfers and mintings', () => {
    const account = fc.constantFrom<Hex.Hex>(alice, bob, `0x${'00'.repeat(32)}`)
    const amount = fc.oneof(fc.bigInt(0n, 40n), fc.bigInt(0n, most))
    const step = fc.record({ from: account, to: fc.option(account, { nil: undefined }), amount })
    fc.assert(
      fc.property(amount, fc.array(step, { maxLength: 12 }), (supply, steps) => {
        const ledger = deployedLedger(supply)
        const balances = new Map<string, bigint>([[alice, supply]])
        const balance = (of: string) => balances.get(of) ?? 0n
        let total = supply
        for (const { from, to, amount } of steps) {
          const allowed = to === undefined ? from === alice && total + amount <= most : balance(from) >= amount
          const outcome = to === undefined ? ledger.call(mint, from, amount) : ledger.call(transfer, from, to, amount)
          expect(outcome.kind).toBe(allowed ? 'success' : 'failure')
          if (!allowed) continue
          if (to === undefined) total += amount
          else balances.set(from, balance(from) - amount)
          balances.set(to ?? from, balance(to ?? from) + amount)
        }
        expect(ledger.read(totalSupply)).toBe(total)
        for (const of of [alice, bob]) expect(ledger.read(balanceOf, of)).toBe(balance(of))
      }),
      { numRuns: 30 },
    )
  })
})
