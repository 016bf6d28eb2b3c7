import { describe, expect, it } from 'vitest'
import { CompileError } from '../src/index.ts'
import { compileText, Running } from './support/contracts.ts'

const enums = `enum Color { Red, Green = 4 }
enum Size { Small, Large }
`
const outside = `${enums}const minus = -5
const ten = 10
function take(value: u64, other: u64 = -2): u64 { return value + other }
function paint(color: Color): Color { return color }
function grow(): Color { return Size.Large }
enum Depth { Low = -1, High }
function deep(depth: Depth): u32 { return depth }
`
const head = `import { randomBytes, require, sliceBytes, StateList, StateMap, StateValue, U256, utf8 } from '@bletchley/contract/assembly'
@contract export class C { constructor() {}
total: StateValue<u64>; debt: StateValue<i64>; color: StateValue<Color>; colors: StateMap<u32, Color>
small: StateMap<u32, u64>; list: StateList<u64>
`
/** A contract with a function whose body is on line 6. */
const withBody = (body: string) => `${head}f(a: u64, l: i64, u: u32, i: i32, b: bool, list: u64[], text: string): u64 {
${body}; return a }
}
${outside}`

const fits = (text: string, type: string, becomes: string) =>
  `${text} does not fit into ${/^i/.test(type) ? 'an' : 'a'} ${type}, and would be ${becomes}`
const minusOne = fits('-1', 'u64', '18446744073709551615; where that is meant, write u64(-1)')
const signed = (text: string) => `${text} is an i64, and of -1 a u64 would be 18446744073709551615`
const unsigned = (text: string) => `${text} is a u64, and of 18446744073709551615 an i64 would be -1`
const short = (text: string) => `${text} is an i32, and of -1 a u64 would be 18446744073709551615`
const anotherEnum = 'Size.Large is of the enum Size, and Color is another one'

async function refusal(body: string): Promise<string> {
  const error = await compileText(withBody(body)).catch((thrown: unknown) => thrown)
  expect(error, body).toBeInstanceOf(CompileError)
  return (error as Error).message
}

describe('a number that would become another one', () => {
  it.each<[string, string]>([
    // below zero
    ['const x: u64 = -1', `6:16: ${minusOne}`],
    ['this.total.set(-1)', `6:16: ${minusOne}`],
    ['return this.total.getOr(-1)', `6:25: ${minusOne}`],
    ['return -1', `6:8: ${minusOne}`],
    ['return b ? 1 : -1', `6:16: ${minusOne}`],
    ['take(-1)', `6:6: ${minusOne}`],
    ['take(1)', `12:40: ${fits('-2', 'u64', '18446744073709551614')}`],
    ['const x: u64[] = [1, -1]', `6:22: ${minusOne}`],
    ['list[0] = -1', `6:11: ${minusOne}`],
    ['list.fill(-1)', `6:11: ${minusOne}`],
    ['if (a == -1) return 1', `6:10: ${minusOne}`],
    ['if (-1 == a) return 1', `6:5: ${minusOne}`],
    ['if (a > -1) return 1', `6:9: ${minusOne}`],
    ['switch (a) { case -1: return 1 }', `6:19: ${minusOne}`],
    ['const x: u32 = -1', `6:16: ${fits('-1', 'u32', '4294967295')}`],
    ['this.list.get(-1)', `6:15: ${fits('-1', 'u32', '4294967295')}`],
    ['this.total.set(minus)', `6:16: ${fits('minus, which is -5,', 'u64', '18446744073709551611')}`],
    ['const k = -3; a = k', `6:19: ${fits('k, which is -3,', 'u64', '18446744073709551613')}`],
    [
      'return 5 - 10',
      `6:8: ${fits('5 - 10, which is -5,', 'u64', '18446744073709551611; an i64 holds it, as in i64(5 - 10)')}`,
    ],
    ['return -a', '6:8: a is a u64, and -a is not below zero, but 2^64 - a; write -i64(a), or 0 - a'],
    ['const x: i64 = -u', '6:16: u is a u32, and -u is not below zero'],
    ['return -(1)', '6:8: (1) is a u64, and -(1) is not below zero'],
    // too large
    [
      'const x: i32 = 4294967295',
      `6:16: ${fits('4294967295', 'i32', '-1; a u64 holds it, as in u64(4294967295); where that is meant, write i32(4294967295)')}`,
    ],
    ['const x: i64 = 9223372036854775808', `6:16: ${fits('9223372036854775808', 'i64', '-9223372036854775808')}`],
    ['const x = 18446744073709551615', `6:11: ${fits('18446744073709551615', 'i32', '-1; a u64 holds it')}`],
    ['if (l > 9223372036854775808) return 1', `6:9: ${fits('9223372036854775808', 'i64', '-92')}`],
    ['const x: u8 = 256', "6:15: Conversion from type 'i32' to 'u8' requires an explicit cast"],
    ['const x = 1000000 * 1000000', `6:11: ${fits('1000000 * 1000000, which is 1000000000000,', 'i32', '-727379968')}`],
    ['const x = 10 ** 18', `6:11: ${fits('10 ** 18, which is 1000000000000000000,', 'i32', '-1486618624')}`],
    ['return 10 ** 20', '6:8: 10 ** 20, which is 100000000000000000000, does not fit into a u64'],
    // a sign, or none
    ['return l', `6:8: ${signed('l')}; where that cannot be or is meant, write u64(l)`],
    ['a = l', `6:5: ${signed('l')}`],
    ['take(l, 1)', `6:6: ${signed('l')}`],
    ['this.total.set(l)', `6:16: ${signed('l')}`],
    ['return b ? a : l', `6:16: ${signed('l')}`],
    ['return max<u64>(a, l)', `6:20: ${signed('l')}`],
    ['if (a == l) return 1', `6:10: ${signed('l')}`],
    ['if (l != a) return 1', `6:10: ${unsigned('a')}`],
    ['const x: i64 = a', `6:16: ${unsigned('a')}; where that cannot be or is meant, write i64(a)`],
    ['this.debt.set(a)', `6:15: ${unsigned('a')}`],
    ['return i', `6:8: ${short('i')}`],
    ['const x: u32 = i', '6:16: i is an i32, and of -1 a u32 would be 4294967295'],
    ['const x: i32 = u', '6:16: u is a u32, and of 4294967295 an i32 would be -1'],
    ['return list.length - 1', `6:8: ${short('list.length - 1')}`],
    ['deep(Depth.High)', '16:43: depth is an i32, and of -1 a u32 would be 4294967295'],
    ['return text.indexOf("x")', `6:8: ${short('text.indexOf("x")')}`],
    ['this.small.set(i, 1)', '6:16: i is an i32, and of -1 a u32'],
    ['for (let j = 3; j >= 0; j--) { j -= 2; a = j }', `6:44: ${short('j')}`],
    ['for (let j = -2; j < 4; j++) a = j', `6:34: ${short('j')}`],
    ['let n = 0; n++; n -= 2; return n', `6:32: ${short('n')}`],
    ['const n = list.length; { const n = i; a = n }', `6:43: ${short('n')}`],
    ['{ let i = 0; i++ } a = i', `6:24: ${short('i')}`],
    ['return a | i', `6:12: ${short('i')}`],
  ])('%s is refused where it stands', async (body, message) => {
    expect(await refusal(body)).toContain(`contract.ts:${message}`)
  })

  it('tells each one once', async () => {
    expect((await refusal('if (a == -1) return 1')).split('\n')).toHaveLength(1)
    expect((await refusal('if (i == 4294967295) return 1')).split('\n')).toHaveLength(1)
    expect((await refusal('return a << -1')).split('\n')).toHaveLength(1)
    expect((await refusal('if (!a == 2) return 1')).split('\n')).toHaveLength(1)
  })

  it('leaves numbers that stay what they are', async () => {
    const { wasm } = await compileText(`${head}
      casts(i: i32, l: i64): u64[] { return [u64(-1), <u64>i, l as u64, u64(minus), -u64(true), 18446744073709551615] }
      sums(a: u64, u: u32, l: i64, i: i32): u64[] {
        const all = [a + l, a - l, a + i, a * i, a + -1, u + i, 7 - u]
        a += l
        a -= i
        a += -1
        u *= i
        return all.concat([a, u])
      }
      bits(a: u64, u: u32, i: i32): u64[] { return [a & -8, a & -a, a ^ -1, u ^ i, ~0] }
      widens(u: u32, b: bool, i: i32): i64[] { return [u, b, i, -1, -9223372036854775808, 4294967295] }
      lengths(list: u64[], text: string): u64[] {
        const n = list.length
        let m = n + text.length * 2
        this.small.set(n, m)
        return [list.length, m, list.push(1), list.length > 1 ? list.length : ten, Color.Green, n == 2 ? n / 2 : n % 7]
      }
      counts(list: u64[], n: i32): u64[] {
        let found = 0
        let sum: u64 = 0
        for (let j = 0, end = list.length; j < end; j++) if (list[j] > 3) found++
        for (let j = 0; j < n; ++j) { this.small.set(j, 1); sum += j }
        for (let j = n; j > 0; j -= 2) sum += j
        for (let j = n - 1; 0 <= j && sum > 0; j--) sum += j
        for (let j: u32 = 0; j < this.list.length; j++) { const k: i32 = j; sum += k }
        return [found, sum]
      }
      places(list: u64[], u: u32, i: i32): u64[] {
        const all = new Array<u64>(u)
        list[u] = 7
        list[u]++
        list[u] += 1
        all.length = u + 1
        this.list.push(5)
        return [list[u], this.list.get(i), all.length, sliceBytes(utf8('abc'), u, u).length, randomBytes(u).length]
      }
      shifts(a: u64, i: i32, u: u32): u64[] { return [a << i, a >> 63, 1 << u, 1 << 40, U256.from(i).toU64(), u32(1) << 31] }
      calculates(): u64[] { return [1000000 * 1000000, 10 ** 18, 2 ** 63, 1 << 63, i32(3000000000) == -1294967296 ? 1 : 0] }
      fractions(i: i32): u64 { let x = 2.5; x = -1; x += i; return u64(x + 3) }
    }
    ${enums}const minus = -5
    const ten = 10`)
    const running = Running.deploy(wasm)
    const all = 2n ** 64n - 1n
    expect(running.ask('casts(int32,int64)(uint64[])', -1, -2n)).toEqual([[all, all, all - 1n, all - 4n, all, all]])
    expect(running.ask('sums(uint64,uint32,int64,int32)(uint64[])', 10n, 5, -3n, -2)).toEqual([
      [7n, 13n, 8n, all - 19n, 9n, 3n, 2n, 8n, 2n ** 32n - 10n],
    ])
    expect(running.ask('bits(uint64,uint32,int32)(uint64[])', 12n, 1, -1)).toEqual([
      [8n, 4n, all - 12n, 4294967294n, all],
    ])
    expect(running.ask('widens(uint32,bool,int32)(int64[])', 4294967295, true, -3)).toEqual([
      [4294967295n, 1n, -3n, -1n, -(2n ** 63n), 4294967295n],
    ])
    expect(running.ask('lengths(uint64[],string)(uint64[])', [1, 2], 'ab')).toEqual([[2n, 6n, 3n, 3n, 4n, 1n]])
    expect(running.ask('counts(uint64[],int32)(uint64[])', [4, 5, 1], 4)).toEqual([[2n, 18n]])
    expect(running.ask('places(uint64[],uint32,int32)(uint64[])', [1, 2], 1, 0)).toEqual([[9n, 5n, 2n, 1n, 1n]])
    expect(running.ask('shifts(uint64,int32,uint32)(uint64[])', 1n, 3, 35)).toEqual([
      [8n, 0n, 2n ** 35n, 2n ** 40n, 3n, 2n ** 31n],
    ])
    expect(running.ask('calculates()(uint64[])')).toEqual([[10n ** 12n, 10n ** 18n, 2n ** 63n, 2n ** 63n, 1n]])
    expect(running.ask('fractions(int32)(uint64)', -1)).toEqual([1n])
  })
})

describe('what is decided by the types alone', () => {
  it.each<[string, string]>([
    ['if (i == 4294967295) return 1', '6:5: i == 4294967295 never holds: an i32 is from -2147483648 to 2147483647'],
    ['if (4294967296 != u) return 1', '6:5: 4294967296 != u always holds: a u32 is from 0 to 4294967295'],
    ['if (u == -1) return 1', '6:5: u == -1 never holds: a u32 is not below zero'],
    ['if (u8(a) > 255) return 1', '6:5: u8(a) > 255 never holds: a u8 is from 0 to 255'],
    ['for (let j: u8 = 0; j <= 255; j++) a++', '6:21: j <= 255 always holds'],
    ['if (i8(a) < 128) return 1', '6:5: i8(a) < 128 always holds: an i8 is from -128 to 127'],
    ['if (128 <= i8(a)) return 1', '6:5: 128 <= i8(a) never holds'],
    ['if (a <= 18446744073709551615) return 1', '6:5: a <= 18446744073709551615 always holds'],
    ['if (b == 2) return 1', '6:5: b == 2 never holds: a bool is no number; compare it with true or false'],
    ['if (b != -1) return 1', '6:5: b != -1 always holds: a bool is no number'],
    ['if (b > 1) return 1', '6:5: b > 1 never holds: a bool is no number'],
    ['const x = 1.5; if (x == NaN) return 1', '6:20: NaN is neither equal to any number nor less nor greater'],
    // shifts
    ['return a << 64', '6:8: a u64 has 64 bits, and would be shifted by 0, not by 64; shift a larger type'],
    ['return a >> -1', '6:8: a u64 has 64 bits, and would be shifted by 63, not by -1'],
    ['const x = 1 << 40', '6:11: an i32 has 32 bits, and would be shifted by 8, not by 40'],
    ['u >>>= 32', '6:1: a u32 has 32 bits, and would be shifted by 0'],
    ['return u8(a) << 8', '6:8: a u8 has 8 bits, and would be shifted by 0'],
    // calculations with bool, and other operators
    ['const n: u32 = b + b', '6:16: b + b calculates with bool, and is no number; write u32(…)'],
    ['const n = -b', '6:11: -b calculates with bool'],
    ['if (~b) return 1', '6:5: ~b calculates with bool'],
    ['b++', '6:1: b++ calculates with bool'],
    ['b *= b', '6:1: b *= b calculates with bool'],
    ['return 10 ^ 18', '6:8: 10 ^ 18 is an exclusive or; 10 ** 18 is the power'],
    ['const x = -i ** 2', '6:11: -i comes first here; parentheses tell what belongs together'],
    ['if (!a == 2) return 1', '6:5: !a comes first, and is true or false; parentheses tell'],
    ['if (!text.length == 0) return 1', '6:5: !text.length comes first'],
    ['if (!a < a) return 1', '6:5: !a comes first'],
    ['if (!b > b) return 1', '6:5: !b comes first'],
    ['if (!u & 2) return 1', '6:5: !u comes first'],
    ['if (!this instanceof C) return 1', '6:5: !this comes first'],
    // enums
    ['if (Color.Red == Size.Large) return 1', `6:18: ${anotherEnum}`],
    ['const c = Color.Red; if (c == Size.Large) return 1', `6:31: ${anotherEnum}`],
    ['let c = Color.Red; c = Size.Large', `6:24: ${anotherEnum}`],
    ['let c: Color = Size.Large', `6:16: ${anotherEnum}`],
    ['if (this.color.get() == Size.Large) return 1', `6:25: ${anotherEnum}`],
    ['this.color.set(Size.Large)', `6:16: ${anotherEnum}`],
    ['this.colors.set(1, Size.Large)', `6:20: ${anotherEnum}`],
    ['paint(Size.Large)', `6:7: ${anotherEnum}`],
    ['if (paint(Color.Red) != Size.Large) return 1', `6:25: ${anotherEnum}`],
    ['grow()', `14:33: ${anotherEnum}`],
    ['switch (paint(Color.Red)) { case Size.Large: return 1 }', `6:34: ${anotherEnum}`],
  ])('%s is refused where it stands', async (body, message) => {
    expect(await refusal(body)).toContain(`contract.ts:${message}`)
  })

  it('leaves what is not', async () => {
    const { wasm } = await compileText(`${head}
      compares(a: u64, u: u32, i: i32, b: bool): u64 {
        let n: u64 = 0
        if (b == true && b != false && b == 1) n += 1
        if (!b == false) n += 2
        if ((!a) == b || !(a == 2)) n += 4
        if (u <= 4294967294 && u8(a) >= 1 && i >= -2147483647) n += 8
        if (u32(b) + u32(b) == 2) n += 16
        n += b
        if ((-i) ** 2 == 9) n += 32
        if (!(this instanceof C)) n += 64
        if ((a ^ 18) == 19) n += 128
        return n
      }
      enums(): u64 {
        let c = paint(Color.Red)
        let n: u64 = 0
        if (c == Color.Red && c == 0) n += 1
        c = Color.Green
        const number: u32 = c
        if (i32(c) != i32(Size.Small) && c > Color.Red) n += 2
        this.color.set(c)
        this.colors.set(Size.Large, <Color>4)
        switch (this.color.get()) { case Color.Green: n += 4 }
        if (this.colors.get(1) == c && number == 4) n += 8
        return n
      }
    }
    ${enums}function paint(color: Color): Color { return color == Color.Red ? Color.Red : color }`)
    const running = Running.deploy(wasm)
    expect(running.ask('compares(uint64,uint32,int32,bool)(uint64)', 1n, 5, 3, true)).toEqual([
      1n + 2n + 4n + 8n + 16n + 1n + 32n + 128n,
    ])
    expect(running.ask('enums()(uint64)')).toEqual([15n])
  })
})
