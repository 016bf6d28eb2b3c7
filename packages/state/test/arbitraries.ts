import fc from 'fast-check'
import { JsonFloat, type JsonObject, type JsonValue } from '../src/json.ts'

/** Names that trip naive code: pointer syntax, prototypes, and both sides of the UTF-16 and UTF-8 orders. */
const awkwardKeys = [
  '',
  '/',
  '~',
  '~1',
  'a/b',
  'm~n',
  '__proto__',
  'constructor',
  '0',
  '-',
  '\uffff',
  '\u{10000}',
  '\ufeff',
  'é',
  '"\\\n',
]

export const jsonKey = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('a', 'b', 'c', 'd', ...awkwardKeys) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 4 }) },
)

export const jsonFloat = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => new JsonFloat(value))

const jsonInteger: fc.Arbitrary<JsonValue> = fc
  .oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.constantFrom(
      2n ** 53n,
      2n ** 53n - 1n,
      -(2n ** 53n),
      2n ** 64n - 1n,
      -(2n ** 63n),
      0n,
      255n,
      256n,
      -128n,
      -129n,
    ),
  )
  .map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value))

export const { json: jsonValue, object: jsonObject } = fc.letrec<{
  json: JsonValue
  array: JsonValue[]
  object: JsonObject
}>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.constantFrom<JsonValue>(null, true, false, 0, 1, new JsonFloat(1), '', 'x'),
    jsonInteger,
    jsonFloat,
    fc.string({ unit: 'binary', maxLength: 8 }),
    tie('array'),
    tie('object'),
  ),
  array: fc.array(tie('json'), { maxLength: 6 }),
  object: fc.array(fc.tuple(jsonKey, tie('json')), { maxLength: 6 }).map((entries) => new Map(entries)),
}))
