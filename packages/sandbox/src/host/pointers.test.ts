import { describe, expect, it } from 'vitest'
import { wat } from '../../test/support/modules.ts'
import { compute } from '../../test/support/runs.ts'

// Every pointer and length at every edge. What is in bounds may fail for other reasons; what is not never gets through.

type Region = [pointer: number, length: number | { bytes: number }]

/** Parameters, whether there is a result, and which parameters name a region (or a length that is fixed). */
const functions: [name: string, parameters: number, result: boolean, regions: Region[]][] = [
  ['fetch_function_name', 1, false, [[0, { bytes: 4 }]]],
  ['fetch_args', 1, false, [[0, { bytes: 3 }]]],
  ['ret', 2, false, [[0, 1]]],
  [
    'write_state',
    4,
    false,
    [
      [0, 1],
      [2, 3],
    ],
  ],
  ['read_state_len', 2, true, [[0, 1]]],
  [
    'read_state',
    3,
    false,
    [
      [0, 1],
      [2, { bytes: 4 }],
    ],
  ],
  ['remove_from_state', 2, false, [[0, 1]]],
  [
    'write_eth_bridge',
    3,
    false,
    [
      [0, 1],
      [2, { bytes: 20 }],
    ],
  ],
  ['rand', 2, false, [[0, 1]]],
  [
    'encrypt',
    4,
    false,
    [
      [0, 1],
      [2, { bytes: 32 }],
      [3, { bytes: 28 }],
    ],
  ],
  [
    'decrypt',
    4,
    false,
    [
      [0, 1],
      [2, { bytes: 32 }],
    ],
  ],
  ['eprint', 2, false, [[0, 1]]],
]

const page = 65_536
const memories: [name: string, imported: string, first: string, size: number][] = [
  ['with memory', '(import "env" "memory" (memory 1 2))', '', page],
  ['after memory.grow', '(import "env" "memory" (memory 1 2))', '(drop (memory.grow (i32.const 1)))', 2 * page],
  ['without memory', '', '', 0],
]

describe.each(memories)('%s', (_, imported, first, size) => {
  const pointers = [0, size - 1, size, size + 1, 2 ** 31, 2 ** 32 - 1].filter((pointer) => pointer >= 0)
  const lengths = [0, 1, size, 2 ** 31, 2 ** 32 - 1]

  it.each(functions)('%s', (name, parameters, result, regions) => {
    for (const [pointerAt, lengthAt] of regions) {
      const fixed = typeof lengthAt === 'object' ? [lengthAt.bytes] : lengths
      for (const pointer of pointers) {
        for (const length of fixed) {
          const args = new Array<number>(parameters).fill(0)
          args[pointerAt] = pointer
          if (typeof lengthAt === 'number') args[lengthAt] = length
          const call = `(call $f ${args.map((arg) => `(i32.const ${arg | 0})`).join(' ')})`
          const outcome = compute(
            wat(`(module (import "env" "${name}" (func $f (param ${'i32 '.repeat(parameters)}) ${result ? '(result i32)' : ''}))
              ${imported} (func (export "call") ${first} ${result ? `(drop ${call})` : call}))`),
            { functionName: 'name', args: Uint8Array.of(1, 2, 3), gasLimit: 2n ** 63n },
          )
          const here = `${name} parameter ${pointerAt}: ${length} bytes at ${pointer}`
          const region = `trying to access region [${pointer}..${pointer + length}] in memory [0..${size}]`
          const refused = outcome.kind === 'failure' && outcome.message.includes(region)
          // Without memory the fixed regions of the same call fail before; whichever does, the run ends.
          if (pointer + length > size && size > 0) expect(refused, here).toBe(true)
          else if (pointer + length > size) expect(outcome.kind, here).toBe('failure')
          else expect(refused, here).toBe(false)
        }
      }
    }
  })
})
