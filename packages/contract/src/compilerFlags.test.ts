import * as compiler from 'assemblyscript'
import { expect, it } from 'vitest'
import * as ours from './compilerFlags.ts'

/** What the compiler's types leave out. */
type Constants = Readonly<Record<string, Readonly<Record<string, number>>>>
const { AssertionKind, CommonFlags, DecoratorKind, DiagnosticCategory, ReportMode, SourceKind, Token } =
  compiler as unknown as Constants

it('are the constants of the compiler', () => {
  const names = 'export const static readonly abstract private protected get set generic constructor'.split(' ')
  const ofCompiler = names.map((name) => [name, CommonFlags![`${name[0]!.toUpperCase()}${name.slice(1)}`]])
  expect(ours.flags).toEqual(Object.fromEntries(ofCompiler))
  expect(ours.sourceKinds).toEqual({ user: SourceKind!.User })
  expect(ours.diagnosticCategories).toEqual({ error: DiagnosticCategory!.Error })
  expect(ours.assertionKinds).toEqual({ as: AssertionKind!.As })
  expect(ours.reportModes).toEqual({ report: ReportMode!.Report, swallow: ReportMode!.Swallow })
  expect(ours.customDecorator).toBe(DecoratorKind!.Custom)
  expect(ours.tokens).toEqual({
    firstComparison: Token!.LessThan,
    less: Token!.LessThan,
    greater: Token!.GreaterThan,
    atMost: Token!.LessThan_Equals,
    atLeast: Token!.GreaterThan_Equals,
    equal: Token!.Equals_Equals,
    identical: Token!.Equals_Equals_Equals,
    lastComparison: Token!.Exclamation_Equals_Equals,
    plus: Token!.Plus,
    minus: Token!.Minus,
    power: Token!.Asterisk_Asterisk,
    times: Token!.Asterisk,
    divided: Token!.Slash,
    remainder: Token!.Percent,
    plusPlus: Token!.Plus_Plus,
    minusMinus: Token!.Minus_Minus,
    shiftLeft: Token!.LessThan_LessThan,
    shiftRight: Token!.GreaterThan_GreaterThan,
    shiftRightUnsigned: Token!.GreaterThan_GreaterThan_GreaterThan,
    ampersand: Token!.Ampersand,
    bar: Token!.Bar,
    caret: Token!.Caret,
    not: Token!.Exclamation,
    tilde: Token!.Tilde,
    and: Token!.Ampersand_Ampersand,
    or: Token!.Bar_Bar,
    firstAssignment: Token!.Equals,
    plusAssign: Token!.Plus_Equals,
    minusAssign: Token!.Minus_Equals,
    timesAssign: Token!.Asterisk_Equals,
    remainderAssign: Token!.Percent_Equals,
    shiftLeftAssign: Token!.LessThan_LessThan_Equals,
    shiftRightUnsignedAssign: Token!.GreaterThan_GreaterThan_GreaterThan_Equals,
    ampersandAssign: Token!.Ampersand_Equals,
    lastAssignment: Token!.Caret_Equals,
  })
})
