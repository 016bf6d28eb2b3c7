import { describe, expect, it } from 'vitest'
import { compileText, Running } from './support/contracts.ts'

const head = `import { Bytes, StateValue, U256 } from '@bletchley/contract/assembly'
@contract export class C { constructor() {}
total: StateValue<u64>
`
/** A contract with a function whose body is on line 5. */
const withBody = (body: string) => `${head}f(a: u64, u: u32, v: u32, i: i32, bytes: Bytes): u64 {
${body}; return a }
}
function take(value: u64): u64 { return value }`

describe('an enum', () => {
  it('of bits needs no cast where none of them is a sign', async () => {
    const { wasm } = await compileText(`${head}
      f(): u32 {
        const all: u32 = Right.All
        const some: u32 = Right.Read | Right.Pay
        return all * 100 + some + (Right.Read ^ Right.All)
      }
    }
    enum Right { Read = 1 << 0, Write = 1 << 1, Pay = 4, All = Read | Write | Pay }`)
    expect(Running.deploy(wasm).ask('f()(uint32)')).toEqual([711n])
  })

  it('of bits needs one where one may be', async () => {
    const other = 'enum Right { All = First }\nconst First = -1'
    const text = `${withBody('const x: u32 = Right.All')}\n${other}`
    await expect(compileText(text)).rejects.toThrow('Right.All, which is -1, does not fit into a u32')
    const sum = `${withBody('const x: u32 = Right.All | Right.None')}\nenum Right { None, All = -1 }`
    await expect(compileText(sum)).rejects.toThrow('contract.ts:5:16: ')
  })

  it('that is constant counts on from below zero', async () => {
    const { wasm } = await compileText(`${head}
      f(): i32[] { return [Level.Low, Level.Mid, Level.High, Level.Top, Level.Last] }
    }
    const enum Level { Low = -2, Mid, High, Top = 7, Last }`)
    expect(Running.deploy(wasm).ask('f()(int32[])')).toEqual([[-2n, -1n, 0n, 7n, 8n]])
  })
})
