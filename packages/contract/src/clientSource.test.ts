import { describe, expect, it } from 'vitest'
import { parseJsonAbi } from './abi.ts'
import { clientSource } from './clientSource.ts'

const clientOf = (name: string, inputs: object[], outputs: object[] = []): string =>
  clientSource('Sample', parseJsonAbi([{ type: 'function', name, inputs, outputs }]))

const head = `// The client of Sample, written by \`bletchley contract abi\`. The functions throw TaskFailed if their task fails.
import { type Computed, type ContractOptions, type CoreClient, type DeployOptions, SecretContract } from '@bletchley/client'
`
const functionsComment =
  '/** Arguments and results of the functions; `TestNetwork.deploy` of the test kit takes them as its type. */'

describe('a client', () => {
  it('declares the types that it uses, and no others', () => {
    const abi = parseJsonAbi([
      { type: 'function', name: 'none' },
      { type: 'function', name: 'tell', outputs: [{ type: 'string' }] },
    ])
    expect(clientSource('Bare', abi)).toBe(`${head.replace('Sample', 'Bare')}
export type BareConstructor = []

${functionsComment}
export type BareFunctions = {
  none: { args: []; result: undefined }
  tell: { args: []; result: string }
}

export class Bare {
  readonly contract: SecretContract

  constructor(contract: SecretContract) {
    this.contract = contract
  }

  /** The contract that is deployed at an address of 32 bytes. */
  static at(client: CoreClient, address: Uint8Array, options?: ContractOptions): Bare {
    return new Bare(new SecretContract(client, address, options))
  }

  static async deploy(client: CoreClient, preCode: Uint8Array, args: BareConstructor, options?: DeployOptions): Promise<Bare> {
    const construct = 'construct()'
    return new Bare(await SecretContract.deploy(client, preCode, construct, args, options))
  }

  none(): Promise<Computed<undefined>> {
    return this.contract.compute('none()', [], [])
  }

  tell(): Promise<Computed<string>> {
    return this.contract.compute('tell()', [{ name: '', type: 'string' }], [])
  }
}
`)
    const [hex, bytes, integer] = [
      `type Hex = \`0x\${string}\``,
      '/** Hexadecimal digits behind 0x, or the bytes. */\ntype Bytes = Hex | Uint8Array',
      'type Integer = bigint | number',
    ]
    const declared = (inputs: string[], outputs: string[]) => {
      const named = (types: string[]) => types.map((type) => ({ name: 'a', type }))
      const text = clientOf('f', named(inputs), named(outputs))
      return text.slice(head.length, text.indexOf('\nexport type SampleConstructor'))
    }
    expect(declared(['bool'], ['uint64'])).toBe('')
    expect(declared([], ['address'])).toBe(`\n${hex}\n`)
    expect(declared(['bytes[]'], [])).toBe(`\n${bytes}\n\n${hex}\n`)
    expect(declared(['uint64'], ['bool'])).toBe(`\n${integer}\n`)
    expect(declared(['uint64'], ['bytes4'])).toBe(`\n${hex}\n\n${integer}\n`)
    expect(declared(['uint64', 'bytes4'], [])).toBe(`\n${bytes}\n\n${hex}\n\n${integer}\n`)
  })

  it('takes and gives each type of the ABI', () => {
    const types = [
      'uint32',
      'int64',
      'uint256',
      'bool',
      'address',
      'bytes',
      'bytes7',
      'string',
      'uint64[][]',
      'bytes[]',
    ]
    const text = clientOf(
      'all',
      types.map((type, index) => ({ name: `p${index}`, type })),
      types.map((type, index) => ({ name: `r${index}`, type })),
    )
    expect(text).toContain(
      'all(p0: Integer, p1: Integer, p2: Integer, p3: boolean, p4: Bytes, p5: Bytes, p6: Bytes, p7: string, ' +
        'p8: ReadonlyArray<ReadonlyArray<Integer>>, p9: ReadonlyArray<Bytes>)',
    )
    expect(text).toContain(
      '{ r0: bigint; r1: bigint; r2: bigint; r3: boolean; r4: Hex; r5: Hex; r6: Hex; r7: string; r8: bigint[][]; r9: Hex[] }',
    )
    expect(text).toContain("'all(uint32,int64,uint256,bool,address,bytes,bytes7,string,uint64[][],bytes[])'")
  })

  it('keeps clear of the name of its own class', () => {
    const entries = [
      { type: 'constructor', inputs: [{ name: 'a', type: 'bytes' }] },
      { type: 'function', name: 'f', inputs: [{ name: 'list', type: 'uint64[]' }], outputs: [{ type: 'bytes4' }] },
    ]
    const linesOf = (name: string) => clientSource(name, parseJsonAbi(entries)).split('\n')
    const deploy = (name: string) => linesOf(name).find((line) => line.includes(' static async deploy('))
    const f = (name: string) => linesOf(name).find((line) => line.startsWith('  f('))
    const bytes = (name: string) => linesOf(name).find((line) => line.startsWith('type Bytes'))
    const imports = (name: string) => linesOf(name).find((line) => line.startsWith('import '))
    expect(f('Sample')).toBe('  f(list: ReadonlyArray<Integer>): Promise<Computed<Hex>> {')
    expect(f('Promise')).toBe('  f(list: ReadonlyArray<Integer>): globalThis.Promise<Computed<Hex>> {')
    expect(f('ReadonlyArray')).toBe('  f(list: globalThis.ReadonlyArray<Integer>): Promise<Computed<Hex>> {')
    expect(f('Integer')).toBe('  f(list: ReadonlyArray<Integer_>): Promise<Computed<Hex>> {')
    expect(f('Computed')).toBe('  f(list: ReadonlyArray<Integer>): Promise<Computed_<Hex>> {')
    expect(f('Hex')).toBe('  f(list: ReadonlyArray<Integer>): Promise<Computed<Hex_>> {')
    expect(bytes('Sample')).toBe('type Bytes = Hex | Uint8Array')
    expect(bytes('Uint8Array')).toBe('type Bytes = Hex | globalThis.Uint8Array')
    expect(bytes('Bytes')).toBe('type Bytes_ = Hex | Uint8Array')
    expect(imports('SecretContract')).toContain(', SecretContract as SecretContract_ }')
    expect(imports('Computed')).toContain('{ type Computed as Computed_, type ContractOptions, ')
    expect(deploy('args')).toBe(
      '  static async deploy(client: CoreClient, preCode: Uint8Array, args_: argsConstructor, options?: DeployOptions): Promise<args> {',
    )
  })

  it('gives nothing, one result, or several by name or in order', () => {
    expect(clientOf('none', [])).toContain('none(): Promise<Computed<undefined>>')
    expect(clientOf('one', [], [{ name: 'named', type: 'bool' }])).toContain('one(): Promise<Computed<boolean>>')
    const two = [{ type: 'bool' }, { type: 'string' }]
    expect(clientOf('two', [], two)).toContain('two(): Promise<Computed<[boolean, string]>>')
    const halfNamed = [{ name: 'a', type: 'bool' }, { type: 'string' }]
    expect(clientOf('two', [], halfNamed)).toContain('two(): Promise<Computed<[boolean, string]>>')
    const named = [
      { name: 'a', type: 'bool[3]' },
      { name: 'b', type: 'uint' },
    ]
    expect(clientOf('two', [], named)).toContain('two(): Promise<Computed<{ a: boolean[]; b: bigint }>>')
  })

  it('keeps clear of names that would mean something else', () => {
    expect(clientOf('contract', [])).toContain('contract_(): Promise')
    expect(clientOf('constructor', [])).toContain('  constructor_(): Promise')
    const both = parseJsonAbi(['then', 'then_', 'then__'].map((name) => ({ type: 'function', name })))
    const client = clientSource('Sample', both)
    expect([...client.matchAll(/^ {2}(then_*)\(\)/gm)].map(([, name]) => name)).toEqual(['then___', 'then_', 'then__'])
    expect(client).toContain(
      "then___(): Promise<Computed<undefined>> {\n    return this.contract.compute('then()', [], [])",
    )
    expect(clientOf('then', [])).toContain('then_(): Promise')
    expect(clientOf('set', [{ name: 'new', type: 'bool' }])).toContain('set(arg0: boolean)')
    const twice = [
      { name: 'a', type: 'bool' },
      { name: 'a', type: 'string' },
    ]
    expect(clientOf('set', twice)).toContain('set(arg0: boolean, arg1: string)')
    expect(clientOf('set', [{ type: 'bool' }])).toContain('set(arg0: boolean)')
  })

  it('is not made of an ABI that is none', () => {
    const wrong: [abi: unknown, text: string][] = [
      [{}, 'is a list'],
      [[null], 'is an object'],
      [[{ type: 'function', name: 'f() {} evil' }], 'has no function'],
      [[{ type: 'function', name: 'f', inputs: [{ name: 'a: any', type: 'bool' }] }], 'a name and a type'],
      [[{ type: 'function', name: 'f', inputs: [{ name: 'a', type: 'fixed' }] }], 'no type fixed'],
      [[{ type: 'function', name: 'f', inputs: [{ name: 'a', type: "bool' + evil + '" }] }], 'no type bool'],
      [[{ type: 'function', name: 'f', outputs: [{ name: '', type: 'tuple' }] }], 'no type tuple'],
    ]
    for (const [abi, text] of wrong) expect(() => clientSource('Sample', parseJsonAbi(abi)), text).toThrow(text)
  })
})
