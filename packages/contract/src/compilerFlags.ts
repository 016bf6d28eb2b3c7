/** `CommonFlags` of the compiler, which its types declare as constants that a single file cannot see. */
export const flags = {
  export: 1 << 1,
  const: 1 << 3,
  static: 1 << 5,
  readonly: 1 << 6,
  abstract: 1 << 7,
  private: 1 << 9,
  protected: 1 << 10,
  get: 1 << 11,
  set: 1 << 12,
  generic: 1 << 16,
  constructor: 1 << 19,
} as const

/** `SourceKind`. */
export const sourceKinds = { user: 0 } as const

/** `DiagnosticCategory`. */
export const diagnosticCategories = { error: 3 } as const

/** `AssertionKind`. */
export const assertionKinds = { as: 1 } as const

/** `ReportMode`. */
export const reportModes = { report: 0, swallow: 1 } as const

/** `Token`. Those of comparisons, those of calculations with two sides and those of assignments follow each other. */
export const tokens = {
  firstComparison: 72,
  less: 72,
  greater: 73,
  atMost: 74,
  atLeast: 75,
  equal: 76,
  identical: 78,
  lastComparison: 79,
  plus: 81,
  minus: 82,
  power: 83,
  times: 84,
  divided: 85,
  remainder: 86,
  plusPlus: 87,
  minusMinus: 88,
  shiftLeft: 89,
  shiftRight: 90,
  shiftRightUnsigned: 91,
  ampersand: 92,
  bar: 93,
  caret: 94,
  not: 95,
  tilde: 96,
  and: 97,
  or: 98,
  firstAssignment: 101,
  plusAssign: 102,
  minusAssign: 103,
  timesAssign: 104,
  remainderAssign: 107,
  shiftLeftAssign: 108,
  shiftRightUnsignedAssign: 110,
  ampersandAssign: 111,
  lastAssignment: 113,
} as const

/** `DecoratorKind`: a decorator that the compiler does not know. */
export const customDecorator = 0

/** `Constraints`: that a value is cast to the type that is asked for. */
export const explicitConversion = 1 << 1

/** `ConstantValueKind`: a whole number. */
export const integerConstant = 1
