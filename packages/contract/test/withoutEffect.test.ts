import { describe, expect, it } from 'vitest'
import { CompileError } from '../src/index.ts'
import { compileText, Running } from './support/contracts.ts'

const head = `import { Address, Bytes, equalBytes, Bytes4, StateList, StateMap, StateValue, U256 } from '@bletchley/contract/assembly'
@tuple class Account { constructor(public sum: u64, public log: u64[]) {} } function isOpen(): bool { return false }
@contract export class C {
paused: StateValue<bool>; other: StateValue<bool>; row: StateValue<u64[]>; accounts: StateMap<u32, Account>; list: StateList<Account>; notes: StateMap<u32, StateList<u64>>
`
/** A contract with a function whose body is on line 5. */
const withBody = (body: string) => `${head}f(a: Address, b: U256, c: Bytes4): void { ${body} }\n}`
const withMember = (member: string) => `${head}${member}\n}`

/** A contract with a function whose body is on line 7. */
const withTexts = (body: string) =>
  `${head}constructor() { this.g('', null, isOpen) }\nprivate g(t: string, m: string | null, fn: () => bool): void {\n${body} }\n}`

const alwaysTrue = 'is always true as a condition'

const resultless = 'changes nothing, and its result is kept nowhere'

const copy = 'gives a copy, and this changes the copy alone'

describe('what would be passed over in silence', () => {
  it.each<[string, string, string]>([
    ['a decorator of a function', withMember('@onlyOwner f(): void {}'), '5:1: @onlyOwner does nothing here'],
    ['a decorator with arguments', withMember('@only("a") f(): void {}'), '5:1: @only does nothing here'],
    ['a decorator of a field', withMember('@indexed count: StateValue<u32>'), '5:1: @indexed does nothing here'],
    ['@tuple of a function', withMember('@tuple f(): void {}'), '5:1: @tuple does nothing here'],
    ['a decorator of a class', `${withMember('')}\n@tupel class D {}`, '7:1: @tupel does nothing here'],
    ['a call without parentheses', withBody('this.paused.remove'), '5:43: this.paused.remove does nothing'],
    ['a comparison for an assignment', withBody('let x = 1; x == 2'), '5:54: x == 2 does nothing'],
    ['the first of the comparisons', withBody('let x = 1; x < 2'), '5:54: x < 2 does nothing'],
    ['the last of the comparisons', withBody('let x = 1; x !== 2'), '5:54: x !== 2 does nothing'],
    ['@contract of a field', withMember('@contract count: StateValue<u32>'), '5:1: @contract does nothing here'],
    ['a decorator of a namespace', withMember('@a.b f(): void {}'), '5:1: @a.b does nothing here'],
    [
      'another container for a field',
      withBody('this.paused = this.other'),
      "5:57: Cannot assign to 'contract/C#paused'",
    ],
    [
      'a container as a condition',
      withBody('if (this.paused) return'),
      '5:47: a StateValue is always true as a condition',
    ],
    ['the opposite of one', withBody('if (!this.paused) return'), '5:48: a StateValue is always true as a condition'],
    ['a map in a loop', withBody('while (this.accounts) return'), '5:50: a StateMap is always true as a condition'],
    ['a list that decides', withBody('const x = this.list ? 1 : 2'), '5:53: a StateList is always true as a condition'],
    [
      'a number as a condition',
      withBody('for (; b; ) return'),
      '5:50: of type U256, a condition is always true; isZero tells',
    ],
    ['a number or another one', withBody('const x = b || U256.max'), '5:53: of type U256, a condition is always true'],
    ['an address as a condition', withBody('if (a) return'), '5:47: of type Address, a condition is always true'],
    ['bytes of a fixed number', withBody('if (!c) return'), '5:48: of type Bytes4, a condition is always true'],
    ['a container that is asserted', withBody('assert(this.paused, "no")'), `5:50: a StateValue ${alwaysTrue}`],
    ['a number that is asserted', withBody('assert(b)'), '5:50: of type U256, a condition is always true'],
    ['an address that is asserted', withBody('assert(a, "no")'), '5:50: of type Address, a condition is always true'],
    ['what is made of bytes', withBody('const x = assert<Bytes4>(c)'), '5:68: of type Bytes4, a condition is always'],
    ['one of two that is asserted', withBody('assert(a.isZero() || b)'), '5:64: of type U256, a condition is always'],
    [
      'a function that is asserted',
      withBody('assert(isOpen)'),
      `5:50: a function ${alwaysTrue}; a call has parentheses`,
    ],
    ['a method that is asserted', withBody('assert(this.f)'), `5:50: a function ${alwaysTrue}`],
    [
      'a fraction that is asserted',
      withBody('assert(NaN)'),
      '5:50: assert takes a fraction that is no number for true',
    ],
    ['a function as a condition', withBody('if (isOpen) return'), `5:47: a function ${alwaysTrue}`],
    ['a method as a condition', withBody('if (!this.f) return'), `5:48: a function ${alwaysTrue}`],
    ['a variable with a function', withTexts('if (fn) return'), `7:5: a function ${alwaysTrue}`],
    [
      'text as a condition',
      withTexts('if (t) return'),
      `7:5: text ${alwaysTrue}, even if it is empty; text.length > 0`,
    ],
    ['text that is asserted', withTexts('assert(t, "no")'), `7:8: text ${alwaysTrue}`],
    ['text or other text', withTexts('const x = t || "anonymous"'), `7:11: text ${alwaysTrue}`],
    ['text and other text', withTexts('const x = t && "named"'), `7:11: text ${alwaysTrue}`],
    ['text at the end of a condition', withTexts('if (t == "" && t) return'), `7:16: text ${alwaysTrue}`],
    ['text that decides', withTexts('const x = t ? 1 : 2'), `7:11: text ${alwaysTrue}`],
    ['text in a loop', withTexts('while (t) return'), `7:8: text ${alwaysTrue}`],
    ['text that selects', withTexts('const x = select<u32>(1, 2, t)'), `7:29: text ${alwaysTrue}`],
    [
      'the opposite of text that may be null',
      withTexts('if (!m) return'),
      '7:6: ! of text that may be null is true of empty text too; compare it with null, or with an empty text',
    ],
    ['twice the opposite', withTexts('const x: bool = !!m'), '7:19: ! of text that may be null'],
    ['a name for a call', withBody('isOpen'), '5:43: isOpen does nothing; a call has parentheses'],
    ['a sum for an assignment', withBody('let x = 1; x + 2'), '5:54: x + 2 is kept nowhere; an assignment has an ='],
    ['a difference of what is stored', withBody('this.at(1) - b'), '5:43: this.at(1) - b is kept nowhere'],
    ['the last of the calculations', withBody('let x = 1; x ^ 2'), '5:54: x ^ 2 is kept nowhere'],
    ['text behind text', withTexts('t + "!"'), '7:1: t + "!" is kept nowhere'],
    ['a number with a sign', withBody('let x = 1; -x'), '5:54: -x is kept nowhere'],
    ['the bits of a number', withBody('let x = 1; ~x'), '5:54: ~x is kept nowhere'],
    ['a calculation in parentheses', withBody('let x = 1; (x * 2)'), '5:54: (x * 2) is kept nowhere'],
    ['a calculation of a loop', withBody('for (let x = 1; x < 9; x + 1) {}'), '5:66: x + 1 is kept nowhere'],
    ['a comparison in parentheses', withBody('let x = 1; (x == 2)'), '5:54: (x == 2) does nothing'],
    ['a comparison on a condition', withBody('let x = 1; x > 0 ? x == 2 : null'), '5:62: x == 2 does nothing'],
    ['a comparison on another', withBody('let x = 1; x > 0 ? null : x == 2'), '5:69: x == 2 does nothing'],
    ['a comparison behind a condition', withBody('let x = 1; x > 0 && x == 2'), '5:63: x == 2 does nothing'],
    ['a comparison behind another condition', withBody('let x = 1; x > 0 || (x == 2)'), '5:63: (x == 2) does'],
    ['a comparison of another type', withBody('let x = 1; <u32>(x == 2)'), '5:54: <u32>(x == 2) does nothing'],
    ['the opposite of a comparison', withBody('let x = 1; !(x == 2)'), '5:54: !(x == 2) does nothing'],
    ['a question for the class', withBody('a instanceof Address'), '5:43: a instanceof Address does nothing'],
    ['a comparison behind a comma', withBody('let x = 1; x++, x == 2'), '5:59: x == 2 does nothing'],
    ['a comparison in front of one', withBody('let x = 1; x == 2, x++'), '5:54: x == 2 does nothing'],
    ['a comparison in front of a value', withBody('let x = 1; const y = (x == 2, 3)'), '5:65: x == 2 does'],
    ['a comparison in each round', withBody('for (let x = 0; x < 2; x == 1) {}'), '5:66: x == 1 does nothing'],
    ['a number', withBody('let x = 1; 5'), '5:54: 5 does nothing'],
    ['text', withBody('"use strict"'), '5:43: "use strict" does nothing'],
    ['an array in parentheses', withBody('let x = 1; ([x])'), '5:55: [x] does nothing'],
    ['a function that nobody calls', withBody('() => 1'), '5:43: () => 1 does nothing'],
    ['the opposite of what is stored', withBody('!this.paused.get()'), '5:43: !this.paused.get() is kept nowhere'],
    ['an element', withBody('this.row.get()[0]'), '5:43: this.row.get()[0] is kept nowhere'],
    ['text behind text by a method', withTexts('t.concat("!")'), `7:1: t.concat("!") ${resultless}`],
    ['text in capitals', withTexts('m!.toUpperCase()'), `7:1: m!.toUpperCase() ${resultless}`],
    ['a part of a list', withBody('this.row.get().slice(1)'), `5:43: this.row.get().slice(1) ${resultless}`],
    [
      'other elements',
      withBody('[a].map<bool>((x) => x.isZero())'),
      `5:43: [a].map<bool>((x) => x.isZero()) ${resultless}`,
    ],
    ['a part of bytes', withBody('c.toBytes().slice<Bytes>(1)'), `5:43: c.toBytes().slice<Bytes>(1) ${resultless}`],
    ['a sum by a method', withBody('b.plus(b)'), `5:43: b.plus(b) ${resultless}`],
    ['a question for an address', withBody('a.isZero()'), `5:43: a.isZero() ${resultless}`],
    ['a question on a condition', withBody('isOpen() && a.isZero()'), `5:55: a.isZero() ${resultless}`],
    ['a question for a key', withBody('this.accounts.has(1)'), `5:43: this.accounts.has(1) ${resultless}`],
    ['a question for a value', withBody('this.paused.exists()'), `5:43: this.paused.exists() ${resultless}`],
    [
      'two texts that are compared by a function',
      withBody('equalBytes([], [])'),
      `5:43: equalBytes([], []) ${resultless}`,
    ],
    ['whether all are', withBody('[b].every((x) => x.isZero())'), `5:43: [b].every((x) => x.isZero()) ${resultless}`],
    [
      'an error that is not thrown',
      withBody('if (a.isZero()) new Error("no")'),
      '5:59: new Error("no") is kept nowhere; an error is thrown by throw',
    ],
    [
      'another error',
      withBody('new RangeError("no")'),
      '5:43: new RangeError("no") is kept nowhere; an error is thrown',
    ],
    ['a cast', withBody('let x: u64 = 1; <u32>x'), '5:59: <u32>x does nothing'],
    ['a cast behind it', withBody('let x: u64 = 1; x as u32'), '5:59: x as u32 does nothing'],
    ['a push to a copy', withBody('this.row.get().push(1)'), `5:52: get ${copy}`],
    ['a push to a copy or another', withBody('this.row.getOr([]).push(1)'), `5:52: getOr ${copy}`],
    ['a push to a member of a copy', withBody('this.accounts.get(1).log.push(1)'), `5:57: get ${copy}`],
    ['an element of a copy', withBody('this.row.get()[0] = 1'), `5:52: get ${copy}`],
    ['a member of a copy', withBody('this.accounts.get(1).sum = 1'), `5:57: get ${copy}`],
    ['a sum in a copy', withBody('this.list.get(0).sum += 1'), `5:53: get ${copy}`],
    ['the last of the assignments', withBody('this.list.get(0).sum ^= 1'), `5:53: get ${copy}`],
    ['a step in a copy', withBody('this.list.pop().sum++'), `5:53: pop ${copy}`],
    ['a step before a copy', withBody('--(this.accounts.get(1)).sum'), `5:60: get ${copy}`],
    ['a push to a copy of another type', withBody('(this.row.get() as u64[]).push(1)'), `5:53: get ${copy}`],
    ['a push to a copy by an older cast', withBody('(<u64[]>this.row.get()).push(1)'), `5:60: get ${copy}`],
    ['a push to a copy that is not null', withBody('this.row.get()!.push(1)'), `5:52: get ${copy}`],
    ['a push to one of two', withBody('(a.isZero() ? this.row.get() : [1]).push(1)'), `5:66: get ${copy}`],
    ['a push to the other of two', withBody('(a.isZero() ? [1] : this.row.get()).push(1)'), `5:72: get ${copy}`],
    [
      'a member of one of two',
      withBody('(a.isZero() ? this.accounts.get(1) : this.accounts.get(2)).sum = 1'),
      `5:71: get ${copy}`,
    ],
    ['a push to a copy or what stands for none', withBody('(this.row.get() || [1]).push(1)'), `5:53: get ${copy}`],
    ['a push behind a comma', withBody('(1, this.row.get()).push(1)'), `5:56: get ${copy}`],
    ['a push to one or the other', withBody('([1] && this.row.get()).push(1)'), `5:60: get ${copy}`],
    ['an order in front of a comma', withBody('this.row.get().sort(), this.fresh()'), `5:52: get ${copy}`],
    ['an order between commas', withBody('1, this.row.get().sort(), 2'), `5:55: get ${copy}`],
    ['a push within parentheses', withBody('(this.row.get().push(1))'), `5:53: get ${copy}`],
    ['a push on a condition', withBody('a.isZero() ? this.row.get().push(1) : 0'), `5:65: get ${copy}`],
    ['an order on a condition', withBody('a.isZero() ? this.row.get().sort() : []'), `5:65: get ${copy}`],
    ['a push in each round', withBody('for (let i = 0; i < 2; i++, this.row.get().fill(1)) {}'), `5:80: get ${copy}`],
    ['a push to an order of a copy', withBody('this.row.get().sort().reverse().push(1)'), `5:52: get ${copy}`],
    ['an element of an order', withBody('this.row.get().reverse()[0] = 1'), `5:52: get ${copy}`],
    ['a push whose result is used', withBody('const n = this.row.get().push(1)'), `5:62: get ${copy}`],
    ['an order of a copy', withBody('this.row.get().sort()'), `5:52: get ${copy}`],
  ])('%s is refused where it stands', async (_, source, message) => {
    const error = await compileText(source).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CompileError)
    expect((error as Error).message).toContain(`contract.ts:${message}`)
  })

  it('leaves what has an effect', async () => {
    const { wasm } = await compileText(
      withMember(`
        @inline private static helper(x: Address | null): bool { return x ? true : false }
        private fresh(): u64[] { return [1] }
        private checked(x: u64): U256 | null { assert(x, 'none'); return assert(U256.from(x) as U256 | null, 'null') }
        private static named(x: string, y: string | null): string {
          if (!x || y || (y != null && !y)) return 'other'
          assert(x.length)
          assert([x])
          return x
        }
        private seen(x: U256 | null): u64 { if (x) { return x ? x.toU64() : 1 } return 0 }
        f(a: Address, b: Bytes): Array<u64> {
          this.notes.get(1).push(7)
          this.row.set([1])
          const row = this.row.get()
          row.push(2)
          row[0]++
          this.row.set(row)
          this.fresh().push(1)
          this.fresh().sort().push(1)
          ;(a.isZero() ? row as u64[] : this.fresh()).push(3)
          this.notes.get(a.isZero() ? 1 : 2).push(8)
          const counted = [1].push(this.row.get()[0] as i32)
          this.paused.get() || this.paused.get()
          this.paused.get() || C.named('x', null)
          this.other.exists() && (this.paused.get() || this.fresh())
          this.other.exists() && this.accounts.has(1) ? this.row.set([1]) : null
          this.paused.get() ? this.row.set([1]) : null
          this.checked(5)!
          const last = this.row.get().pop()
          const more = this.row.get()[0] + 1
          const opposite = -(<i64>this.row.get()[0])
          ;(this.row.get(), this.fresh()).push(1)
          if (more > 99 || opposite > 0) return []
          const sums = [new Account(4, [])].map<u64>((account) => account.sum)
          const sorted = this.row.get().sort((x, y) => y < x ? -1 : 1)
          return [this.notes.get(1).get(0), last, sorted[0], sorted.length, sums[0], b ? 1 : 0, C.helper(a) ? 1 : 0, C.helper(null) ? 1 : 0, !b ? 1 : 0, counted, row.length, this.seen(null), this.seen(U256.from(5))]
        }
        constructor() { this.paused.set(false) }`),
    )
    const result = Running.deploy(wasm).ask('f(address,bytes)(uint64[])', `0x${'00'.repeat(20)}`, '0x')
    expect(result).toEqual([[7n, 2n, 2n, 2n, 4n, 1n, 1n, 0n, 0n, 2n, 3n, 0n, 5n]])
  })
})
