import fc from 'fast-check'
import { expect, it } from 'vitest'
import { binary } from '../../test/support/modules.ts'
import { compute } from '../../test/support/runs.ts'

/**
 * A second, slow implementation of the block rule: random programs as trees are walked here, adding the cost of each
 * block as it is entered, and run in the sandbox. The walk knows control flow from the tree, not from bytes.
 */
type Node =
  | { kind: 'plain'; bytes: number[]; cost: number }
  | { kind: 'block'; body: Node[] }
  | { kind: 'loop'; rounds: number; body: Node[] }
  | { kind: 'if'; condition: boolean; whenTrue: Node[]; otherwise: Node[] | undefined }
  /** `br`, `br_if` or `br_table` to the construct `outwards` levels out; the walk clamps it to the function. */
  | { kind: 'branch'; form: 'br' | 'br_if' | 'br_table'; taken: boolean; outwards: number }
  | { kind: 'return' }
  | { kind: 'call'; indirect: boolean }
  | { kind: 'grow'; pages: number }

const plain = fc.constantFrom<Node[]>(
  { kind: 'plain', bytes: [0x01], cost: 1 }, // nop
  { kind: 'plain', bytes: [0x41, 0x07, 0x1a], cost: 2 }, // i32.const drop
  { kind: 'plain', bytes: [0x41, 0x02, 0x41, 0x03, 0x6c, 0x1a], cost: 7 }, // i32.mul
  { kind: 'plain', bytes: [0x42, 0x09, 0x42, 0x03, 0x80, 0x1a], cost: 19 }, // i64.div_u
  { kind: 'plain', bytes: [0x41, 0x09, 0x41, 0x03, 0x6f, 0x1a], cost: 19 }, // i32.rem_s
  { kind: 'plain', bytes: [0x41, 0x00, 0x29, 0x03, 0x08, 0x1a], cost: 4 }, // i64.load
  { kind: 'plain', bytes: [0x41, 0x00, 0x41, 0x01, 0x3a, 0x00, 0x00], cost: 4 }, // i32.store8
  { kind: 'plain', bytes: [0x43, 0, 0, 0x80, 0x3f, 0x91, 0x1a], cost: 3 }, // f32.sqrt
  { kind: 'plain', bytes: [0x41, 1, 0x41, 2, 0x41, 0, 0x1b, 0x1a], cost: 5 }, // select
  { kind: 'plain', bytes: [0x23, 0x00, 0x24, 0x00], cost: 2 }, // global.get, global.set
)

const { body: program } = fc.letrec<{ body: Node[]; node: Node }>((tie) => ({
  body: fc.array(tie('node'), { maxLength: 5, depthIdentifier: 'tree' }),
  node: fc.oneof(
    { depthSize: 'small', depthIdentifier: 'tree', maxDepth: 5 },
    { arbitrary: plain as fc.Arbitrary<Node>, weight: 4 },
    { arbitrary: fc.record({ kind: fc.constant('block' as const), body: tie('body') }), weight: 2 },
    {
      arbitrary: fc.record({
        kind: fc.constant('loop' as const),
        rounds: fc.integer({ min: 1, max: 3 }),
        body: tie('body'),
      }),
      weight: 2,
    },
    {
      arbitrary: fc.record({
        kind: fc.constant('if' as const),
        condition: fc.boolean(),
        whenTrue: tie('body'),
        otherwise: fc.option(tie('body'), { nil: undefined }),
      }),
      weight: 2,
    },
    {
      arbitrary: fc.record({
        kind: fc.constant('branch' as const),
        form: fc.constantFrom('br' as const, 'br_if' as const, 'br_table' as const),
        taken: fc.boolean(),
        outwards: fc.integer({ min: 0, max: 4 }),
      }),
      weight: 2,
    },
    { arbitrary: fc.record({ kind: fc.constant('call' as const), indirect: fc.boolean() }), weight: 1 },
    {
      arbitrary: fc.record({ kind: fc.constant('grow' as const), pages: fc.constantFrom(0, 1, 2, 9) }),
      weight: 1,
    },
    { arbitrary: fc.constant<Node>({ kind: 'return' }), weight: 1 },
  ),
}))

/** What encloses a node: its constructs, innermost last. A branch to a loop would repeat it, so loops are skipped. */
type Scope = ('block' | 'loop')[]

/** Levels from the innermost construct to the branch's target, or past all of them for the function itself. */
function targetOf(outwards: number, scope: Scope): number {
  let level = Math.min(outwards, scope.length)
  while (level < scope.length && scope[scope.length - 1 - level] === 'loop') level++
  return level
}

function encode(nodes: readonly Node[], scope: Scope): number[] {
  return nodes.flatMap((node) => encodeNode(node, scope))
}

/** Each loop counts its rounds in the local of its depth. */
function encodeNode(node: Node, scope: Scope): number[] {
  switch (node.kind) {
    case 'plain':
      return node.bytes
    case 'block':
      return [0x02, 0x40, ...encode(node.body, [...scope, 'block']), 0x0b]
    case 'loop': {
      const local = scope.length
      const again = [0x20, local, 0x41, 1, 0x6b, 0x22, local, 0x0d, 0]
      return [0x41, node.rounds, 0x21, local, 0x03, 0x40, ...encode(node.body, [...scope, 'loop']), ...again, 0x0b]
    }
    case 'if': {
      const inner: Scope = [...scope, 'block']
      const otherwise = node.otherwise === undefined ? [] : [0x05, ...encode(node.otherwise, inner)]
      return [0x41, node.condition ? 1 : 0, 0x04, 0x40, ...encode(node.whenTrue, inner), ...otherwise, 0x0b]
    }
    case 'branch': {
      const target = targetOf(node.outwards, scope)
      if (node.form === 'br') return [0x0c, target]
      if (node.form === 'br_if') return [0x41, node.taken ? 1 : 0, 0x0d, target]
      return [0x41, 3, 0x0e, 2, target, target, target]
    }
    case 'return':
      return [0x0f]
    case 'call':
      return node.indirect ? [0x41, 0, 0x11, 0, 0] : [0x10, 0]
    case 'grow':
      return [0x41, node.pages, 0x40, 0, 0x1a]
  }
}

/** Cost of the instructions directly in a block, and 1. */
function blockCost(nodes: readonly Node[], more = 0): number {
  return nodes.reduce((sum, node) => sum + directCost(node), 1 + more)
}

function directCost(node: Node): number {
  switch (node.kind) {
    case 'plain':
      return node.cost
    case 'block':
      return 1
    case 'loop':
      return 3 // const, local.set, loop
    case 'if':
      return 2 // const, if
    case 'branch':
      return node.form === 'br' ? 1 : 2
    case 'return':
      return 1
    case 'call':
      return node.indirect ? 2 : 1
    case 'grow':
      return 3 // const, memory.grow, drop
  }
}

/** The called function: one block of `nop`, 2 gas. */
const calleeGas = 2
/** Of a loop's own instructions, at its end: get, const, sub, tee, br_if. */
const againGas = 5

class Walk {
  gas = 0

  function(nodes: readonly Node[]): number {
    this.gas += blockCost(nodes)
    this.#body(nodes, [])
    return this.gas
  }

  /** Levels that a branch still has to leave, or undefined if the body ran through. */
  #body(nodes: readonly Node[], scope: Scope): number | undefined {
    for (const node of nodes) {
      const leaving = this.#node(node, scope)
      if (leaving !== undefined) return leaving
    }
    return undefined
  }

  #node(node: Node, scope: Scope): number | undefined {
    switch (node.kind) {
      case 'block':
        this.gas += blockCost(node.body)
        return this.#leave(this.#body(node.body, [...scope, 'block']))
      case 'if': {
        const arm = node.condition ? node.whenTrue : node.otherwise
        if (arm === undefined) return undefined
        this.gas += blockCost(arm)
        return this.#leave(this.#body(arm, [...scope, 'block']))
      }
      case 'loop':
        for (let round = 0; round < node.rounds; round++) {
          this.gas += blockCost(node.body, againGas)
          const leaving = this.#body(node.body, [...scope, 'loop'])
          if (leaving !== undefined) return this.#leave(leaving)
        }
        return undefined
      case 'branch': {
        const goes = node.form === 'br_if' ? node.taken : true
        return goes ? targetOf(node.outwards, scope) : undefined
      }
      case 'return':
        return scope.length
      case 'call':
        this.gas += calleeGas
        return undefined
      case 'grow':
        this.gas += node.pages * 8192
        return undefined
      case 'plain':
        return undefined
    }
  }

  /** One construct is left; 0 means that the branch ends here. */
  #leave(levels: number | undefined): number | undefined {
    return levels === undefined || levels === 0 ? undefined : levels - 1
  }
}

function u32(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...u32(value >>> 7)]
}

function sized(id: number, payload: number[]): number[] {
  return [id, ...u32(payload.length), ...payload]
}

/** Function 0 is the callee, function 1 is `call`; memory 1 to 128 pages; a table with the callee; a global. */
function moduleOf(nodes: readonly Node[]): Uint8Array {
  const body = [1, 40, 0x7f, ...encode(nodes, []), 0x0b]
  const callee = [0, 0x01, 0x0b]
  return binary(
    sized(1, [1, 0x60, 0, 0]),
    sized(2, [1, 3, 0x65, 0x6e, 0x76, 6, 0x6d, 0x65, 0x6d, 0x6f, 0x72, 0x79, 2, 1, 1, 0x80, 1]),
    sized(3, [2, 0, 0]),
    sized(4, [1, 0x70, 0, 1]),
    sized(6, [1, 0x7f, 1, 0x41, 0, 0x0b]),
    sized(7, [1, 4, 0x63, 0x61, 0x6c, 0x6c, 0, 1]),
    sized(9, [1, 0, 0x41, 0, 0x0b, 1, 0]),
    sized(10, [2, ...u32(callee.length), ...callee, ...u32(body.length), ...body]),
  )
}

it('charges random programs what the block rule says', () => {
  fc.assert(
    fc.property(program, (nodes) => {
      const expected = BigInt(new Walk().function(nodes)) + 10_000n
      expect(compute(moduleOf(nodes), { gasLimit: 2n ** 40n })).toMatchObject({ kind: 'success', usedGas: expected })
    }),
    { numRuns: 1000 },
  )
})

it('ends random programs for want of gas exactly where the sum passes the limit', () => {
  fc.assert(
    fc.property(program, (nodes) => {
      const total = BigInt(new Walk().function(nodes)) + 10_000n
      const module = moduleOf(nodes)
      expect(compute(module, { gasLimit: total })).toMatchObject({ kind: 'success', usedGas: total })
      expect(compute(module, { gasLimit: total - 1n })).toEqual({
        kind: 'failure',
        message: 'Invocation resulted in gas limit violated',
        usedGas: total - 1n,
      })
    }),
    { numRuns: 200 },
  )
})
