import {
  type Func,
  type FunctionType,
  f32,
  f64,
  type Instruction,
  i32,
  i64,
  type Module,
  type ValueType,
  valueTypes,
} from './ast.ts'
import { blockGas, checkStack } from './interpret.ts'
import { Trap } from './operators.ts'
import { Random } from './random.ts'
import { frameUse } from './stackModel.ts'

/** One of several functions that call each other round and round, for ever. */
export interface Link {
  params: ValueType[]
  result: ValueType | undefined
  locals: { count: number; type: ValueType }[]
  /** Operands that lie below the arguments, one list per construct around the call, outermost first. */
  operands: ValueType[][]
  /** Opcode of the construct in which each of these lists but the first stands: block, loop or if. */
  constructs: number[]
  /** The next function is called through the table. */
  indirect: boolean
  /** A host function is called before the next function. */
  host: boolean
  /** `if`s with two arms before the call, which the reference's limiter counts in its own way. */
  arms: number
  /** Pure expressions that are computed both before and after the call. */
  repeated: number
  /** Float operations on locals before and after the call. */
  floats: number
}

/** The cycle; `call` enters it at its first link. */
export type Shape = Link[]

const simple: Link = {
  params: [],
  result: undefined,
  locals: [],
  operands: [[]],
  constructs: [],
  indirect: false,
  host: false,
  arms: 0,
  repeated: 0,
  floats: 0,
}

function filled<T>(length: number, value: T): T[] {
  return new Array<T>(length).fill(value)
}

function link(changes: Partial<Link>): Link {
  return { ...simple, ...changes }
}

/** So that no engine can do without them. */
const many = 20_000

export const notableShapes: [name: string, shape: Shape][] = [
  ['direct', [link({})]],
  ['direct, with a host call at every depth', [link({ host: true })]],
  ['two in turn', [link({}), link({ params: [i64], result: f64 })]],
  ['seven in turn', filled(7, link({ params: [i32], result: i32 }))],
  ['indirect', [link({ indirect: true })]],
  ['indirect and direct, with a host call', [link({ indirect: true, host: true }), link({ params: [f32] })]],
  ['many params', [link({ params: filled(900, i64) })]],
  ['many float params', [link({ params: filled(500, f64), result: f64, indirect: true })]],
  ...valueTypes.map((type): [string, Shape] => [
    `many locals, type ${type}`,
    [link({ locals: [{ count: many, type }] })],
  ]),
  ['locals up to the limit', [link({ locals: [{ count: 49_990, type: f64 }] }), link({})]],
  ['a few locals', [link({ locals: [{ count: 3, type: i64 }], result: i64 })]],
  [
    'many groups of locals',
    [link({ locals: filled(300, [{ count: 1, type: i32 } as const, { count: 1, type: f64 } as const]).flat() })],
  ],
  ['many operands', [link({ operands: [filled(900, i64)] })]],
  ['many float operands', [link({ operands: [filled(700, f32)], floats: 20 })]],
  ['one operand', [link({ operands: [[i32]], result: i32 })]],
  ['deep nesting', [link({ operands: filled(300, [i32]), constructs: filled(299, 0x02) })]],
  ['deep nesting of loops', [link({ operands: filled(200, [f64]), constructs: filled(199, 0x03) })]],
  [
    'deep nesting of ifs, with a host call',
    [link({ operands: filled(100, []), constructs: filled(99, 0x04), host: true })],
  ],
  ['choices before the call', [link({ arms: 5, result: i32 })]],
  ['float arithmetic', [link({ params: [f64, f32], result: f64, floats: 50 })]],
  // What an optimising compiler computes once is kept on its stack during the call.
  ['some common expressions', [link({ params: [i64], repeated: 80 })]],
  ['many common expressions', [link({ params: [i64], repeated: 2000 })]],
  [
    'common expressions of two functions',
    [link({ params: [i64], repeated: 25 }), link({ params: [i64], repeated: 5000 })],
  ],
]

export function randomShape(seed: number): Shape {
  const random = new Random(seed)
  const types = (most: number) => Array.from({ length: random.below(most + 1) }, () => random.pick(valueTypes))
  return Array.from({ length: random.pick([1, 1, 2, 3, 5]) }, () => {
    const depth = random.pick([0, 0, 1, 3, 20])
    return {
      params: types(random.pick([0, 1, 3, 12])),
      result: random.chance(0.5) ? random.pick(valueTypes) : undefined,
      locals: types(random.pick([0, 2, 6])).map((type) => ({ count: random.pick([0, 1, 1, 2, 50]), type })),
      operands: Array.from({ length: depth + 1 }, () => types(random.pick([0, 0, 1, 4, 40]))),
      constructs: Array.from({ length: depth }, () => random.pick([0x02, 0x03, 0x04])),
      indirect: random.chance(0.3),
      host: random.chance(0.3),
      arms: random.pick([0, 0, 0, 1, 4]),
      repeated: random.pick([0, 0, 0, 10, 100]),
      floats: random.pick([0, 0, 5, 30]),
    }
  })
}

/** Function indices: the host function is 0, `call` is 1, the links follow. */
const host = 0
const firstLink = 2
const sum = 0

/** A module in which the shape recurs; global 0 is an i64 that keeps what is computed alive. */
export function recursion(shape: Shape): Module {
  const none: FunctionType = { params: [], result: undefined }
  const types: FunctionType[] = [none, { params: [i32, i32], result: undefined }, ...shape]
  const functions = shape.map((link, at): Func => {
    const next = (at + 1) % shape.length
    return { type: 2 + at, locals: link.locals, body: bodyOf(link, shape[next]!, next) }
  })
  const entry: Func = { type: 0, locals: [], body: callOf(shape[0]!, { op: 0x10, index: firstLink }) }
  return {
    types: types.map(({ params, result }) => ({ params, result })),
    imports: [{ kind: 'function', field: 'eprint', type: 1 }],
    functions: [entry, ...functions],
    table: { initial: shape.length, maximum: shape.length },
    memory: undefined,
    globals: [{ type: i64, mutable: true, init: { op: 0x42, value: 0n } }],
    exports: [{ name: 'call', kind: 'function', index: 1 }],
    elements: [{ offset: 0, members: shape.map((_, at) => firstLink + at) }],
    data: [],
  }
}

function constant(type: ValueType, value = 3): Instruction {
  if (type === i32 || type === f32) return { op: type === i32 ? 0x41 : 0x43, value }
  return { op: type === i64 ? 0x42 : 0x44, value: BigInt(value) }
}

/** Arguments, the call, and nothing left of it. */
function callOf({ params, result }: Link, ...call: Instruction[]): Instruction[] {
  return [...params.map((type) => constant(type)), ...call, ...(result === undefined ? [] : [{ op: 0x1a }])]
}

function bodyOf(self: Link, next: Link, nextAt: number): Instruction[] {
  const call = self.indirect
    ? callOf(next, { op: 0x41, value: nextAt }, { op: 0x11, index: 2 + nextAt })
    : callOf(next, { op: 0x10, index: firstLink + nextAt })
  const hostCall = self.host ? [constant(i32, 0), constant(i32, 0), { op: 0x10, index: host }] : []
  const before = [...commonExpressions(self), ...floatArithmetic(self)]
  let body: Instruction[] = [...hostCall, ...before, ...twoArms(self), ...call, ...before]
  for (let depth = self.constructs.length; depth >= 0; depth--) {
    const operands = self.operands[depth]!
    body = [...operands.map((type) => constant(type)), ...body, ...operands.map(() => ({ op: 0x1a }))]
    if (depth === 0) break
    const op = self.constructs[depth - 1]!
    const construct = { op, result: undefined, body, ...(op === 0x04 ? { otherwise: undefined } : {}) }
    body = op === 0x04 ? [constant(i32, 1), construct] : [construct]
  }
  return [...body, ...(self.result === undefined ? [] : [constant(self.result)])]
}

function twoArms({ arms }: Link): Instruction[] {
  const arm = [constant(f64)]
  return Array.from({ length: arms }, (): Instruction[] => [
    constant(i32, 0),
    { op: 0x04, result: f64, body: arm, otherwise: arm },
    { op: 0x1a },
  ]).flat()
}

function commonExpressions({ params, repeated }: Link): Instruction[] {
  const from: Instruction[] = params.includes(i64)
    ? [{ op: 0x20, index: params.indexOf(i64) }]
    : [{ op: 0x42, value: 5n }]
  return Array.from({ length: repeated }, (_, at): Instruction[] => [
    { op: 0x23, index: sum },
    ...from,
    { op: 0x42, value: BigInt(7919 * at + 12_345) },
    { op: 0x7e },
    { op: 0x85 },
    { op: 0x24, index: sum },
  ]).flat()
}

function floatArithmetic({ params, floats }: Link): Instruction[] {
  const at = params.indexOf(f64)
  const from: Instruction = at < 0 ? { op: 0x44, value: 0x3ff8000000000000n } : { op: 0x20, index: at }
  return Array.from({ length: floats }, (_, at): Instruction[] => [
    { op: 0x23, index: sum },
    from,
    { op: 0x44, value: 0x4000000000000000n + BigInt(at) },
    { op: at % 2 === 0 ? 0xa2 : 0xa0 },
    { op: 0xbd },
    { op: 0x85 },
    { op: 0x24, index: sum },
  ]).flat()
}

/** Where the limits end it, by the rules: every activation pays for the blocks that it enters until its call. */
export function expectedEnd(module: Module, shape: Shape): { message: string; usedGas: bigint } {
  const [entry, ...links] = module.functions
  const steps = links.map((func, at) => {
    const { params, indirect } = shape[at]!
    return {
      use: frameUse(module, func),
      gas: gasToCall(func.body),
      below: shape[at]!.operands.flat().length,
      params: params.length,
      indirect,
    }
  })
  const first = frameUse(module, entry!)
  let stack = { slots: first.fixed, height: first.height, depth: 2 }
  let usedGas = blockGas(entry!.body)
  let thunk = false
  try {
    for (let at = 0; ; at = (at + 1) % steps.length) {
      const { use, gas, below, params, indirect } = steps[at]!
      stack = {
        slots: stack.slots + (thunk ? params : 0),
        height: stack.height + use.height,
        depth: stack.depth + (thunk ? 2 : 1),
      }
      checkStack(stack, use.slots)
      usedGas += gas
      stack.slots += use.fixed + below
      thunk = indirect
    }
  } catch (error) {
    if (!(error instanceof Trap)) throw error
    return { message: `Error in execution of WASM code: ${error.message}`, usedGas: BigInt(usedGas) }
  }
}

/** The block itself, one arm of each `if` with two, and the construct that leads to the call. */
function gasToCall(body: readonly Instruction[]): number {
  return body.reduce((sum, { body: inner }) => sum + (inner === undefined ? 0 : gasToCall(inner)), blockGas(body))
}
