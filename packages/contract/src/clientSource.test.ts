import { describe, expect, it } from 'vitest'
import { parseJsonAbi } from './abi.ts'
import { clientSource } from './clientSource.ts'

const clientOf = (name: string, inputs: object[], outputs: object[] = []): string =>
  clientSource('Sample', parseJsonAbi([{ type: 'function', name, inputs, outputs }]))

describe('a client', () => {
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

  it('gives nothing, one result, or several by name or in order', () => {
    expect(clientOf('none', [])).toContain('none(): Promise<Computed<undefined>>')
    expect(clientOf('one', [], [{ name: 'named', type: 'bool' }])).toContain('one(): Promise<Computed<boolean>>')
    const two = [{ type: 'bool' }, { type: 'string' }]
    expect(clientOf('two', [], two)).toContain('two(): Promise<Computed<[boolean, string]>>')
  })

  it('keeps clear of names that would mean something else', () => {
    expect(clientOf('contract', [])).toContain('contract_(): Promise')
    expect(clientOf('then', [])).toContain('then_(): Promise')
    expect(clientOf('set', [{ name: 'new', type: 'bool' }])).toContain('set(arg0: boolean)')
    const twice = [
      { name: 'a', type: 'bool' },
      { name: 'a', type: 'string' },
    ]
    expect(clientOf('set', twice)).toContain('set(arg0: boolean, arg1: string)')
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
