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

describe('a calculation of a number with a sign and one without', () => {
  it('has none where the first one is surely not below zero, as it has where they change places', async () => {
    const { wasm } = await compileText(`${head}
      sums(u: u32, v: u64): string {
        const five: i64 = 5
        const sum = 1 + u
        return [
          (1 + u).toString(), (u + 1).toString(), (1 * u / 2).toString(), (31 * u % 10).toString(), (1 | u).toString(),
          (four / u).toString(), (100 / u).toString(), (five + v).toString(), (sum > 100).toString(), \`\${2 + u}\`,
        ].join(' ')
      }
      counts(list: u32[]): string {
        let text = ''
        for (let i = 0; i < list.length; i++) text += (i * list[i] % 10).toString()
        return text
      }
      choices(u: u32): string {
        const x = u > 5 ? 1 : u
        return x.toString() + ' ' + (u < 5 ? 1 : u).toString()
      }
      generic(u: u32, i: i32): string { return next(u).toString() + ' ' + next(i).toString() }
    }
    const four = 4
    function next<T>(value: T): T { return 1 + value }`)
    const running = Running.deploy(wasm)
    expect(running.ask('sums(uint32,uint64)(string)', 3000000000, 10n ** 19n)).toEqual([
      '3000000001 3000000001 1500000000 4 3000000001 0 0 10000000000000000005 true 3000000002',
    ])
    expect(running.ask('counts(uint32[])(string)', [7, 3000000001, 2])).toEqual(['014'])
    expect(running.ask('choices(uint32)(string)', 3000000000)).toEqual(['1 3000000000'])
    expect(running.ask('generic(uint32,int32)(string)', 3000000000, -3)).toEqual(['3000000001 -2'])
  })

  it('has one where it can be below zero, or where one is asked for', async () => {
    const { wasm } = await compileText(`${head}
      f(u: u32, i: i32): string {
        const left = 10 - u
        const asked: i32 = 1 + u
        const wide: i64 = 1 + u
        return [left.toString(), (i + u).toString(), asked.toString(), wide.toString(), (-1 + u).toString()].join(' ')
      }
    }`)
    expect(Running.deploy(wasm).ask('f(uint32,int32)(string)', 11, -12)).toEqual(['-1 -1 12 12 10'])
  })
})

describe('a power', () => {
  it('has no sign where its base has none', async () => {
    const { wasm } = await compileText(`${head}
      f(u: u32, v: u64, i: i32): string {
        const square = u ** 2
        v **= 1
        return [
          square.toString(), (u ** 2 / 10).toString(), (u ** 2 > 100).toString(), (v ** 2 / 10).toString(),
          (v ** 2 > 100).toString(), (i ** 3).toString(), (i ** 3 < 0).toString(), (u8(u) ** 1).toString(),
        ].join(' ')
      }
    }`)
    expect(Running.deploy(wasm).ask('f(uint32,uint64,int32)(string)', 60000, 4n * 10n ** 9n, -3)).toEqual([
      `3600000000 360000000 true ${16n * 10n ** 17n} true -27 true 96`,
    ])
  })
})

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
