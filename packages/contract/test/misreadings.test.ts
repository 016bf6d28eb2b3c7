import { describe, expect, it } from 'vitest'
import { CompileError } from '../src/index.ts'
import { compileText, Running } from './support/contracts.ts'

const head = `import { require, StateValue, U256 } from '@bletchley/contract/assembly'
@contract export class C { constructor() {}
total: StateValue<u64>
`
/** A contract with a function whose body is on line 5. */
const withBody = (body: string) => `${head}f(a: u64, b: bool, i: i32, list: u64[], big: U256[]): void {\n${body} }\n}`

const tooLarge = 'does not fit into 64 bits; of U256, multiply two that do'
const comparedFirst = 'is compared first, and the result is one side here'

describe('what reads as something else', () => {
  it.each<[string, string, string]>([
    [
      'a number that the compiler would cut off',
      'const x = U256.from(25_000000000000000000)',
      `5:21: 25_000000000000000000 ${tooLarge}`,
    ],
    ['one in hex', 'const x = U256.from(0x56BC75E2D63100000)', `5:21: 0x56BC75E2D63100000 ${tooLarge}`],
    [
      'one for a limb',
      'const x = new U256(0xffffffffffffffffffff, 0, 0, 0)',
      `5:20: 0xffffffffffffffffffff ${tooLarge}`,
    ],
    [
      'a bit that is tested without parentheses',
      'if (a & 2 == 2) return',
      `5:5: 2 == 2 ${comparedFirst}; parentheses tell`,
    ],
    ['another bit', 'if (2 != a | 1) return', `5:5: 2 != a ${comparedFirst}; parentheses tell`],
    ['an exclusive or', 'if (a ^ a > 1) return', `5:5: a > 1 ${comparedFirst}; parentheses tell`],
    ['a comparison in a row', 'if (1 < a < 10) return', `5:5: 1 < a ${comparedFirst}; compare twice`],
    ['equality in a row', 'if (a == a == b) return', `5:5: a == a ${comparedFirst}; compare twice`],
    ['one of two values', 'if (a == 1 || 2) return', '5:15: 2 is always the same as a condition'],
    ['both of two values', 'require(a == 1 && 2, "no")', '5:19: 2 is always the same as a condition'],
    [
      'an assignment for a comparison',
      'if (b = true) return',
      '5:5: b = true is an assignment; a comparison has two =',
    ],
    ['one in a loop', 'while (b = false) return', '5:8: b = false is an assignment'],
    ['one in another loop', 'for (; b = false; ) return', '5:8: b = false is an assignment'],
    ['one behind a loop', 'do {} while (b = false)', '5:14: b = false is an assignment'],
    ['one that is required', 'require(b = true, "no")', '5:9: b = true is an assignment'],
    ['one that is asserted', 'assert(b = true)', '5:8: b = true is an assignment'],
    ['a condition with no more than a ;', 'if (b); { return }', '5:7: this ; is all that the condition decides about'],
    ['an else with no more than a ;', 'if (b) return; else; { return }', '5:20: this ; is all'],
    ['a loop with no more than a ;', 'while (b); { return }', '5:10: this ; is all'],
    ['another such loop', 'for (; b; ); { return }', '5:12: this ; is all'],
    [
      'a number without a sign from zero on',
      'require(this.total.get() - a >= 0, "no")',
      '5:9: this.total.get() - a >= 0 always holds: a u64 is not below zero',
    ],
    ['one below zero', 'if (a < 0) return', '5:5: a < 0 never holds: a u64 is not below zero'],
    ['one above which zero is', 'if (0 > a) return', '5:5: 0 > a never holds'],
    ['one that zero does not exceed', 'if (0 <= a) return', '5:5: 0 <= a always holds'],
    ['a loop down to zero', 'for (let j: u32 = 3; j >= 0; j--) return', '5:22: j >= 0 always holds: a u32 is not'],
    ['a length below zero', 'if (big.length < 0 || list[0] < 0) return', '5:23: list[0] < 0 never holds'],
    [
      'an order by a difference',
      'list.sort((x, y) => x - y)',
      '5:21: a difference that is too large has the wrong sign',
    ],
    [
      'an order by a comparison',
      'big.sort((x, y) => { return x > y })',
      '5:29: true and false are no order; a comparator gives',
    ],
  ])('%s is refused where it stands', async (_, body, message) => {
    const error = await compileText(withBody(body)).catch((thrown: unknown) => thrown)
    expect(error).toBeInstanceOf(CompileError)
    expect((error as Error).message).toContain(`contract.ts:${message}`)
  })

  it('leaves what is clear', async () => {
    const { wasm } = await compileText(`${head}
      f(a: u64, i: i32): u64[] {
        let b = false
        let n: u64 = 0
        if ((a & 2) == 2 && a > 1) n++
        if (a == 3 & i < 0) n++
        if ((b = a > 1)) n++
        if (b == (a > 1)) n++
        if (i >= 0 || 0 > i) n++
        while (n < 2) {}
        const list: u64[] = [3, 18446744073709551615, 0xffff_ffff_ffff_ffff, 1]
        list.sort((x, y) => x < y ? -1 : x > y ? 1 : 0)
        list.sort()
        list.sort((x, y) => i32(x > y) - i32(x < y))
        list.push(n)
        return list
      }
    }`)
    const all = 2n ** 64n - 1n
    expect(Running.deploy(wasm).ask('f(uint64,int32)(uint64[])', 3n, -1n)).toEqual([[1n, 3n, all, all, 5n]])
  })
})
