import { describe, expect, it } from 'vitest'
import { CompileError } from '../src/index.ts'
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

async function refusal(body: string): Promise<string> {
  const error = await compileText(withBody(body)).catch((thrown: unknown) => thrown)
  expect(error, body).toBeInstanceOf(CompileError)
  return (error as Error).message
}

const cut = (text: string, type: string, into: string, cast: string) =>
  `${text} is calculated as ${type}, and cut off before it becomes ${into}; write ${cast} there, or `
const division = (text: string, cast: string) =>
  `${text} is a division of whole numbers, without a fraction; write ${cast} there`

describe('a calculation whose result is cut off before it gets a type that has room for it', () => {
  it.each<[string, string]>([
    ['return u * v', `5:8: ${cut('u * v', 'a u32', 'a u64', 'u64(u)')}u32(u * v) where that is meant`],
    ['const x: u64 = u * 1000000', `5:16: ${cut('u * 1000000', 'a u32', 'a u64', 'u64(u)')}`],
    ['const x: i64 = i * 86400 * 1000', `5:16: ${cut('i * 86400', 'an i32', 'an i64', 'i64(i)')}`],
    ['a += u * v', `5:6: ${cut('u * v', 'a u32', 'a u64', 'u64(u)')}`],
    ['return a + (u * v + 1) / 2', `5:13: ${cut('u * v', 'a u32', 'a u64', 'u64(u)')}`],
    ['if (u * v > a) return 1', `5:5: ${cut('u * v', 'a u32', 'a u64', 'u64(u)')}`],
    ['return u > 0 ? u * v : 0', `5:16: ${cut('u * v', 'a u32', 'a u64', 'u64(u)')}`],
    ['return u64(u * v)', `5:12: ${cut('u * v', 'a u32', 'a u64', 'u64(u)')}`],
    ['return <u64>(u * v)', `5:14: ${cut('u * v', 'a u32', 'a u64', 'u64(u)')}`],
    ['return take(u * v)', `5:13: ${cut('u * v', 'a u32', 'a u64', 'u64(u)')}`],
    ['this.total.set(u * v)', `5:16: ${cut('u * v', 'a u32', 'a u64', 'u64(u)')}`],
    ['const x = U256.from(u * v)', `5:21: ${cut('u * v', 'a u32', 'a u64', 'u64(u)')}`],
    ['return u64(Math.sqrt(u * u))', `5:22: ${cut('u * u', 'a u32', 'an f64', 'f64(u)')}`],
    ['return u ** 2', `5:8: ${cut('u ** 2', 'a u32', 'a u64', 'u64(u)')}`],
    ['const x: u32 = bytes[0] * 100', `5:16: ${cut('bytes[0] * 100', 'a u8', 'a u32', 'u32(bytes[0])')}`],
    [
      'return ((i & 4) | 1) * 500000000',
      `5:8: ${cut('((i & 4) | 1) * 500000000', 'an i32', 'a u64', 'u64(((i & 4) | 1))')}`,
    ],
    [
      'return ((i & 4) ^ 3) * 500000000',
      `5:8: ${cut('((i & 4) ^ 3) * 500000000', 'an i32', 'a u64', 'u64(((i & 4) ^ 3))')}`,
    ],
    ['const one = 1; return (one | (i & 4)) * 500000000', '5:23: (one | (i & 4)) * 500000000 is calculated as an i32'],
    ['return (i | 1) * 2', `5:8: ${cut('(i | 1) * 2', 'an i32', 'a u64', 'u64((i | 1))')}`],
    ['u += bytes[0] + bytes[1]', `5:6: ${cut('bytes[0] + bytes[1]', 'a u8', 'a u32', 'u32(bytes[0])')}`],
  ])('%s is refused where it stands', async (body, message) => {
    expect(await refusal(body)).toContain(`contract.ts:${message}`)
  })

  it('leaves those that have room', async () => {
    const { wasm } = await compileText(`${head}
      wide(a: u64, u: u32, v: u32): u64[] {
        return [u64(u) * v, a * u, a * (u + 1), 10 * u, 1000000 * u, u + v, u64(u32(u * v)), u % 1000 * 1000, ten * ten]
      }
      same(u: u32, v: u32): u32 { return u * v }
      counts(list: u64[]): u64 {
        let sum: u64 = 0
        for (let i = 0; i < list.length; i++) sum += list[i] * (i + 1) + i * 2
        return sum + list.length * 3
      }
      bytes(b: Bytes): u32[] { return [u32(b[0]) * 100, u32(b[0]) + b[1], b[0], b[0] & 15, b[1] / 2, 3 * b[0], 7 + b[0]] }
      masks(i: i32): u64[] { return [(i & 4) | 8, 8 ^ (i & 4), ((i & 4) | 1) * 300000000, (five ^ 1) * 500000000, (i & 3) | (i & 4)] }
      wei(u: u32): U256 { return U256.from(u) * U256.from(10 ** 18) }
      parts(b: Bytes): u64 { return u32(b[0]) * 1000000 }
    }
    const ten = 10
    const five = 5`)
    const running = Running.deploy(wasm)
    expect(running.ask('wide(uint64,uint32,uint32)(uint64[])', 3n, 3000000, 3000000)).toEqual([
      [
        9n * 10n ** 12n,
        9000000n,
        9000003n,
        30000000n,
        3n * 10n ** 12n,
        6000000n,
        (9n * 10n ** 12n) % 2n ** 32n,
        0n,
        100n,
      ],
    ])
    expect(running.ask('same(uint32,uint32)(uint32)', 65536, 65537)).toEqual([65536n])
    expect(running.ask('counts(uint64[])(uint64)', [5, 6])).toEqual([25n])
    expect(running.ask('bytes(bytes)(uint32[])', '0xffff')).toEqual([[25500n, 510n, 255n, 15n, 127n, 765n, 262n]])
    expect(running.ask('masks(int32)(uint64[])', 5)).toEqual([[12n, 12n, 1500000000n, 2000000000n, 5n]])
    expect(running.ask('wei(uint32)(uint256)', 7)).toEqual([7n * 10n ** 18n])
    expect(running.ask('parts(bytes)(uint64)', '0xff')).toEqual([255000000n])
  })
})

describe('a division of whole numbers', () => {
  it.each<[string, string]>([
    ['return u64(Math.ceil(u / v))', `5:22: ${division('u / v', 'f64(u)')}, or keep it in a variable`],
    ['return u64(Math.round(u * 100 / v))', `5:23: ${division('u * 100 / v', 'f64(u * 100)')}`],
    ['return u64(Math.floor(i / 2))', `5:23: ${division('i / 2', 'f64(i)')}`],
    ['return u64(Math.floor(u / 2 * 3))', `5:23: ${division('u / 2', 'f64(u)')}`],
    ['const x: f64 = u / v', `5:16: ${division('u / v', 'f64(u)')}`],
    ['const x: f32 = bytes[0] / 2', `5:16: ${division('bytes[0] / 2', 'f32(bytes[0])')}`],
    ['const x = f64(a / 2)', `5:15: ${division('a / 2', 'f64(a)')}`],
    ['const x = (u / 2 + 1) * 2.5', `5:12: ${division('u / 2', 'f64(u)')}`],
    ['if (u / v > 0.5) return 1', `5:5: ${division('u / v', 'f64(u)')}`],
  ])('in %s is refused, where a fraction is looked for', async (body, message) => {
    expect(await refusal(body)).toContain(`contract.ts:${message}`)
  })

  it('is left where it has a fraction, or where none is looked for', async () => {
    const { wasm } = await compileText(`${head}
      f(u: u32, i: i32): i64[] {
        const half: f64 = 1 / 2
        const whole = u / 2
        const ratio: f64 = 1 / u
        return [
          i64(Math.ceil(f64(u) / 2)), i64(Math.floor(u / 2)), i64(Math.trunc(i / 2)), i64(half * 10),
          i64(f64(whole) * 10), i64(f64(ten / 2) * 3), i64(ratio * 70), i64(Math.ceil(100 / u)), i64(u * 1.5),
          i64(Math.sqrt(f64(u) * u)), i64(Math.max(u % 100 * 3, i)),
        ]
      }
    }
    const ten = 10`)
    expect(Running.deploy(wasm).ask('f(uint32,int32)(int64[])', 7, -7)).toEqual([
      [4n, 3n, -3n, 5n, 30n, 15n, 10n, 15n, 10n, 7n, 21n],
    ])
  })
})

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

it('takes as long as it is, however deep it is nested', async () => {
  const { wasm } = await compileText(`${head} f(u: u32): u32 { return ${'(1 + '.repeat(60)}u${')'.repeat(60)} } }`)
  expect(Running.deploy(wasm).ask('f(uint32)(uint32)', 5)).toEqual([65n])
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
