import { expect, it } from 'vitest'
import { wat } from '../test/support/modules.ts'
import { describeModule } from './index.ts'

it('tells what a contract is made of and what would become of it', () => {
  const bytes = wat(`(module (import "env" "ret" (func (param i32 i32))) (memory (export "memory") 2)
    (func (export "deploy")) (func (export "call")))`)
  expect(describeModule(bytes)).toEqual({
    size: bytes.length,
    imports: [{ module: 'env', field: 'ret', kind: 'function' }],
    exports: [
      { name: 'memory', kind: 'memory' },
      { name: 'deploy', kind: 'function' },
      { name: 'call', kind: 'function' },
    ],
    memory: { initial: 2, maximum: undefined, origin: 'own' },
    functionCount: 2,
    deploy: { accepted: true, exeCode: { size: 53, compute: { accepted: true } } },
    compute: {
      accepted: false,
      reason: 'Error in execution of creation of WASM module: Malformed wasm module: internal memory',
    },
  })
})

it('tells why a module would not be taken', () => {
  const bytes = wat('(module (import "env" "memory" (memory 1 2)) (func (export "deploy") (param i32)))')
  expect(describeModule(bytes)).toMatchObject({
    memory: { initial: 1, maximum: 2, origin: 'imported' },
    deploy: {
      accepted: false,
      reason: 'Error in execution of building the constructor: export deploy does not have the type () -> ()',
    },
    compute: {
      accepted: false,
      reason: "Error in execution of WASM code: Function: Module doesn't have export call",
    },
  })
})

it('tells that bytes are no module', () => {
  expect(describeModule(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8))).toEqual({
    size: 8,
    undecodable: 'Error in execution of deserialization into WASM module: Invalid magic number at start of file',
  })
})
