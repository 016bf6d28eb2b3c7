import { describe, expect, it, vi } from 'vitest'
import { wat } from '../../test/support/modules.ts'
import { deployModule, invocation } from '../../test/support/runs.ts'
import { gasPerDeploy } from '../gasCosts.ts'
import { compileModule } from '../prepare.ts'
import { run } from '../run.ts'
import { prepareDeployment } from './constructor.ts'

const outOfGas = (gasLimit: bigint) => ({
  kind: 'failure',
  message: 'Invocation resulted in gas limit violated',
  usedGas: gasLimit,
})

const contract = (deploy: string): Uint8Array =>
  wat(`(module (import "env" "ret" (func $ret (param i32 i32))) (memory 1) (func $f (nop)) ${deploy}
    (func (export "call") (nop)))`)

const deploying = (body: string): Uint8Array => contract(`(func (export "deploy") ${body})`)

/** Many locals and operands: the activation passes a limit of the stack before it has paid for anything. */
const pushed = 40_000
const tooLarge = `(local ${'i32 '.repeat(pushed)}) ${'i32.const 0 '.repeat(pushed)} ${'drop '.repeat(pushed)}`

/** Constructors, and what entering each costs besides the 5 of the wrapper. */
const constructors: [name: string, preCode: Uint8Array, entry: bigint][] = [
  ['none', contract(''), 1n],
  ['an empty one', deploying(''), 1n],
  ['one that traps at the end of its block', deploying('(nop) (nop) (unreachable)'), 4n],
  ['a block first, which is paid for together', deploying('(block (nop) (nop)) (nop)'), 3n],
  ['an if first, whose arms pay for what is before it', deploying('(if (i32.const 1) (then (nop) (nop))) (nop)'), 4n],
  ['an if without its arm', deploying('(if (i32.const 0) (then (nop)))'), 3n],
  ['a loop first', deploying('(loop (nop) (nop))'), 2n],
  ['a call first', deploying('(call $f) (nop)'), 3n],
  ['a host function first', deploying('(call $ret (i32.const -1) (i32.const 1)) (nop)'), 5n],
  ['one that passes the limits of the stack', deploying(tooLarge), 0n],
]

describe('a deployment whose limit is below what entering the constructor costs', () => {
  it.each(constructors)('ends as if it had been run: %s', (_, preCode, entry) => {
    const least = gasPerDeploy + entry
    for (let gasLimit = 0n; gasLimit < least + 4n; gasLimit++) {
      const { constructorModule } = prepareDeployment(preCode)
      const plan = { opening: gasPerDeploy, closing: 1_000_000n, stackAddend: 0n }
      const whole = run(compileModule(constructorModule), invocation({ gasLimit }), plan)
      expect(deployModule(preCode, { gasLimit }), `limit ${gasLimit}`).toEqual(whole)
      if (gasLimit < least) expect(whole, `limit ${gasLimit}`).toEqual(outOfGas(gasLimit))
    }
  })

  it.each(constructors)('is not compiled: %s', (_, preCode, entry) => {
    const { Module } = WebAssembly
    const compiled = vi.spyOn(WebAssembly, 'Module').mockImplementation((bytes) => new Module(bytes))
    try {
      const least = gasPerDeploy + entry
      expect(deployModule(preCode, { gasLimit: least - 1n })).toEqual(outOfGas(least - 1n))
      expect(compiled).not.toHaveBeenCalled()
      deployModule(preCode, { gasLimit: least })
      expect(compiled).toHaveBeenCalledOnce()
    } finally {
      compiled.mockRestore()
    }
  })

  it.each<[string, string]>([
    ['bytes that are no module', ''],
    ['no memory', '(func (export "deploy"))'],
    ['a constructor of another type', '(memory 1) (func (export "deploy") (param i32))'],
    ['code that is not valid', '(memory 1) (func (export "deploy") (drop))'],
    ['an unknown import', '(import "env" "time" (func $time)) (memory 1) (func (export "deploy") (call $time))'],
    ['data beyond the memory', '(memory 1) (data (i32.const 7864320) "x") (func (export "deploy"))'],
    ['elements beyond the table', '(memory 1) (table 1 funcref) (func $f (export "deploy")) (elem (i32.const 1) $f)'],
    ['too large a table', '(memory 1) (table 10001 funcref) (func (export "deploy"))'],
    ['a start function', '(memory 1) (func $f (export "deploy")) (start $f)'],
  ])('is told what is wrong with its pre-code first, and uses no gas: %s', (_, source) => {
    const preCode = source === '' ? new Uint8Array(4) : wat(`(module ${source})`)
    const refused = deployModule(preCode)
    expect(refused).toMatchObject({ kind: 'failure', usedGas: 0n })
    expect(deployModule(preCode, { gasLimit: 0n })).toEqual(refused)
  })
})
