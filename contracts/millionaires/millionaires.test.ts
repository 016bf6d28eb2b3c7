import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex } from '@bletchley/bytes'
import { type AbiValue, encodeArguments } from '@bletchley/client/user'
import { type Hex, TestNetwork } from '@bletchley/contract/testing'
import { decrypt, encrypt, randomBytes } from '@bletchley/crypto'
import { deploy, type Outcome, type PreparedModule, prepareRuntime, runCompute } from '@bletchley/sandbox'
import { type JsonValue, StateOverlay } from '@bletchley/state'
import { temporaryFolder } from '@bletchley/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { recordGas } from '../testing/gasSnapshot.ts'
import type { MillionairesFunctions } from './build/millionaires.client.ts'

const source = new URL('./millionaires.ts', import.meta.url)
const rust = new URL('./rust/millionaires-rust.wasm', import.meta.url)
const implementations: [language: string, file: URL][] = [
  ['AssemblyScript', source],
  ['Rust', rust],
]
const gas = recordGas()
const most = 2n ** 256n - 1n
const person = (index: number): Hex => `0xa11ce${index.toString(16).padStart(35, '0')}`
const wealth = fc.oneof(fc.bigInt(0n, 3n), fc.bigInt(0n, most), fc.constant(most))

async function seated(people: number, file = source) {
  const network = new TestNetwork()
  return { network, contract: await network.deploy<MillionairesFunctions>(file, [people]) }
}

describe.each(implementations)('the millionaires in %s', (_, file) => {
  it('learn who is the richest when all have declared', async () => {
    const { contract } = await seated(3, file)
    contract.call('submit', [person(0), 5_000_000n])
    contract.call('submit', [person(1), 2n ** 200n])
    expect(contract.fails('richest').reason).toBe('not all have declared yet')
    contract.call('submit', [person(2), 7_000_000n])
    expect(contract.call('richest').value).toBe(person(1))
  })

  it('declare once each, and no more than there are', async () => {
    const { network, contract } = await seated(2, file)
    contract.call('submit', [person(0), 1n])
    expect(contract.fails('submit', [person(0), 2n]).reason).toBe('declared already')
    contract.call('submit', [person(1), 0n])
    expect(contract.fails('submit', [person(2), 3n]).reason).toBe('all have declared')
    expect(contract.call('richest').value).toBe(person(0))
    for (const people of [0, 1]) {
      expect((await network.deployFails(file, [people])).reason, String(people)).toBe('at least two people')
    }
  })

  it('refuse what is not a call', async () => {
    const { contract } = await seated(2, file)
    const words = (count: number) => new Uint8Array(32 * count)
    const refused: [name: 'submit' | 'richest', args: Uint8Array, reason: string][] = [
      ['submit', words(1), 'arguments: too short'],
      ['submit', words(2).fill(1), 'arguments: padding is not zero'],
      ['submit', words(3), 'arguments: too long'],
      ['richest', words(1), 'arguments: too long'],
      ['submits' as 'submit', words(2), 'there is no such function'],
      ['submi' as 'submit', words(2), 'there is no such function'],
      ['declareMyself' as 'submit', words(2), 'there is no such function'],
    ]
    for (const [name, args, reason] of refused) expect(contract.fails(name, args).reason, name).toBe(reason)
  })

  it('are right about any wealth; of equals the last one is the richest', async () => {
    const { network, contract } = await seated(4, file)
    const start = network.snapshot()
    await gas.without(() =>
      fc.assert(
        fc.property(fc.array(wealth, { minLength: 4, maxLength: 4 }), (all) => {
          network.revertTo(start)
          for (const [index, each] of all.entries()) contract.call('submit', [person(index), each])
          expect(contract.call('richest').value).toBe(person(indexOfRichest(all)))
        }),
        { numRuns: 15 },
      ),
    )
  })

  it('show the same to others, whatever their wealth', async () => {
    const { network, contract } = await seated(3, file)
    contract.call('submit', [person(0), 10n ** 9n])
    const start = network.snapshot()
    const seen = [0n, 1n, 10n ** 9n - 1n, 10n ** 9n, 2n ** 64n, most].map((each) => {
      network.revertTo(start)
      const { gas, delta } = contract.call('submit', [person(1), each])
      return { gas, size: delta?.changesSize }
    })
    for (const each of seen) expect(each).toEqual(seen[0])
  })
})

describe('both implementations', () => {
  it('have the same ABI', () => {
    const abi = (path: string) => JSON.parse(readFileSync(new URL(path, import.meta.url), 'utf8'))
    expect(abi('./rust/millionaires-rust.abi.json')).toEqual(abi('./build/millionaires.abi.json'))
  })

  it('go on with the state of each other', () => {
    const codes = [new Code('./build/millionaires.wasm'), new Code('./rust/millionaires-rust.wasm')]
    const people = fc.array(fc.record({ wealth, by: fc.nat(1) }), { minLength: 2, maxLength: 5 })
    fc.assert(
      fc.property(fc.nat(1), people, (deployedBy, people) => {
        const state = new Map<string, JsonValue>()
        codes[deployedBy]!.deploy(state, people.length)
        for (const [index, { wealth, by }] of people.entries()) {
          codes[by]!.compute(state, 'submit', ['address', 'uint256'], [person(index), wealth])
        }
        const richest = person(indexOfRichest(people.map(({ wealth }) => wealth)))
        for (const code of codes)
          expect(code.compute(state, 'richest', [], [])).toBe(richest.slice(2).padStart(64, '0'))
      }),
      { numRuns: 25 },
    )
  })

  const compiler = spawnSync('/usr/bin/rustc', ['--version'], { encoding: 'utf8' }).stdout ?? ''
  it.skipIf(!compiler.startsWith('rustc 1.63.0'))('are what their sources give, also in Rust', async () => {
    await using folder = await temporaryFolder()
    const built = join(folder.path, 'built.wasm')
    execFileSync(fileURLToPath(new URL('./rust/build.sh', import.meta.url)), [built])
    expect(readFileSync(built).equals(readFileSync(rust))).toBe(true)
  })
})

it('costs the gas of the snapshot', () => gas.expectSnapshot())

function indexOfRichest(all: readonly bigint[]): number {
  return all.reduce((best, each, index) => (each >= all[best]! ? index : best), 0)
}

type State = Map<string, JsonValue>

/** An implementation that runs on any state. */
class Code {
  readonly #preCode: Uint8Array
  readonly #module: PreparedModule

  constructor(path: string) {
    this.#preCode = new Uint8Array(readFileSync(new URL(path, import.meta.url)))
    const prepared = prepareRuntime(this.deploy(new Map(), 2))
    if (prepared.kind === 'refused') throw new Error(prepared.message)
    this.#module = prepared.module
  }

  /** @returns the exeCode */
  deploy(state: State, people: number): Uint8Array {
    return this.#run(state, (invocation) => deploy(this.#preCode, invocation), 'construct', ['uint32'], [people])
  }

  compute(state: State, name: string, types: string[], args: AbiValue[]): string {
    return bytesToHex(this.#run(state, (invocation) => runCompute(this.#module, invocation), name, types, args))
  }

  #run(
    state: State,
    perform: (invocation: Parameters<typeof deploy>[1]) => Outcome,
    functionName: string,
    types: string[],
    values: unknown[],
  ): Uint8Array {
    const overlay = new StateOverlay(state)
    const args = encodeArguments(types, values)
    const host = { encrypt, decrypt, random: randomBytes }
    const outcome = perform({ functionName, args, gasLimit: 1_000_000n, state: overlay, stateSize: 0, host })
    if (outcome.kind === 'failure') throw new Error(outcome.message)
    overlay.commit()
    return outcome.output
  }
}
