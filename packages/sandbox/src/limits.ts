import { maxJsonDepth } from '@bletchley/state'

/**
 * The bounds that the sandbox sets, beyond the rules of WebAssembly and of the reference: one table, from which
 * `docs/limits.md` is made. Whoever is refused by one is told its text, which names the limit and the number.
 *
 * What a module is made of is bounded so that checking, metering and compiling it takes no more than half a second
 * and some hundred megabytes, also in the background, where the engine compiles hot functions once more and nothing can
 * stop it. Instructions are paid for by gas; what host functions do besides is bounded by the limits of a run.
 *
 * Largest seen in contracts: 1.6 MB of code, 8.1 MB with debug information, 0.5 million locals × blocks.
 */

export interface Limit {
  /** What is limited; for the page. */
  name: string
  value: number
  unit: string
  /** Why there is a limit, and why this one. */
  reason: string
  /** What follows `Error in execution of <step>: ` in the failed task. */
  text: string
}

/** Largest value that the reference's stack limiter lets its counter reach. */
export const maxStackHeight = 65_536

/** A function activation at this depth (thunks count) is the reference interpreter's call-stack overflow. */
export const callDepthLimit = 65_536

/** Values (params, locals, operands) that the reference interpreter's value stack holds. */
export const maxValueSlots = 65_536

/**
 * So many bytes of a function's code count as one more value on the stack, per activation. What optimised code keeps
 * on the engine's stack without the contract having asked for it then stays below 35 MB of `threadStackMb`.
 */
export const codeBytesPerSlot = 512

/** Locals that a call may have besides its params, and those for each gas of its first block, before it counts them. */
export const freeLocals = 64
export const localsPerGas = 8

/** Stack of the thread that runs contracts, in MB: the limits above end every run before it does, whatever its shape. */
export const threadStackMb = 64

type LimitRow = Omit<Limit, 'text'> & { refusal: (value: number) => string }

function defineLimit({ refusal, ...row }: LimitRow): Limit {
  return { ...row, text: refusal(row.value) }
}

/** Of a module, whether it is pre-code or exeCode. Failed tasks that pass one of these use no gas. */
export const moduleLimits = {
  moduleBytes: defineLimit({
    name: 'size of a module',
    value: 10 * 1024 * 1024,
    unit: 'bytes',
    reason: 'work of decoding, metering and compiling; as a byte array in JSON it fits one request',
    refusal: (value) => `module is larger than ${value} bytes`,
  }),
  nameBytes: defineLimit({
    name: 'name of an import or export',
    value: 1024,
    unit: 'bytes',
    reason: 'error texts repeat them',
    refusal: (value) => `name is longer than ${value} bytes`,
  }),
  types: defineLimit({
    name: 'types',
    value: 10_000,
    unit: 'entries',
    reason: 'a type is 3 bytes in the module and some hundred in memory',
    refusal: (value) => `module has more than ${value} types`,
  }),
  imports: defineLimit({
    name: 'imports',
    value: 1000,
    unit: 'entries',
    reason: 'resolved at each run; there are 16 to import',
    refusal: (value) => `module has more than ${value} imports`,
  }),
  functions: defineLimit({
    name: 'functions of its own',
    value: 10_000,
    unit: 'entries',
    reason: 'a million empty ones take 4 MB, 6.5 s and a gigabyte',
    refusal: (value) => `module has more than ${value} functions`,
  }),
  tableEntries: defineLimit({
    name: 'table',
    value: 10_000,
    unit: 'entries',
    reason: 'allocated in full at each run, free of gas',
    refusal: (value) => `table has more than ${value} entries`,
  }),
  globals: defineLimit({
    name: 'globals',
    value: 10_000,
    unit: 'entries',
    reason: 'initialised at each run, free of gas',
    refusal: (value) => `module has more than ${value} globals`,
  }),
  exports: defineLimit({
    name: 'exports',
    value: 10_000,
    unit: 'entries',
    reason: 'only `deploy` and `call` are used',
    refusal: (value) => `module has more than ${value} exports`,
  }),
  elementSegments: defineLimit({
    name: 'element segments',
    value: 10_000,
    unit: 'entries',
    reason: 'written at each run, free of gas',
    refusal: (value) => `module has more than ${value} element segments`,
  }),
  elements: defineLimit({
    name: 'functions listed in element segments',
    value: 100_000,
    unit: 'entries',
    reason: 'written to the table at each run, free of gas; ten million take 0.3 s',
    refusal: (value) => `element segments list more than ${value} functions`,
  }),
  dataSegments: defineLimit({
    name: 'data segments',
    value: 10_000,
    unit: 'entries',
    reason: 'copied at each run, free of gas',
    refusal: (value) => `module has more than ${value} data segments`,
  }),
  dataBytes: defineLimit({
    name: 'data',
    value: 8 * 1024 * 1024,
    unit: 'bytes',
    reason: 'copied at each run, free of gas; as much as the memory holds',
    refusal: (value) => `data segments have more than ${value} bytes`,
  }),
  functionBytes: defineLimit({
    name: 'code of one function',
    value: 128 * 1024,
    unit: 'bytes',
    reason: 'the optimising compiler takes a function as a whole, and cannot be stopped in it',
    refusal: (value) => `more than ${value} bytes of code`,
  }),
  locals: defineLimit({
    name: 'params and locals of one function',
    value: 49_996,
    unit: 'values',
    reason: 'the 50 000 of engines, less the four that metering and canonical NaNs may add',
    refusal: (value) => `more than ${value} locals`,
  }),
  nesting: defineLimit({
    name: 'blocks, loops and ifs inside each other',
    value: 2000,
    unit: 'levels',
    reason: 'the optimising compiler’s work grows with the square of it',
    refusal: (value) => `blocks are nested more than ${value} deep`,
  }),
  branchTargets: defineLimit({
    name: 'targets of one `br_table`, besides the default one',
    value: 10_000,
    unit: 'labels',
    reason: 'each is a branch for 1 byte of code',
    refusal: (value) => `br_table has more than ${value} targets`,
  }),
  blocks: defineLimit({
    name: 'blocks, loops and ifs of one function',
    value: 10_000,
    unit: 'constructs',
    reason: 'the optimising compiler’s work grows with the square of it: 36 000 loops take 17 s',
    refusal: (value) => `more than ${value} blocks`,
  }),
  transfers: defineLimit({
    name: 'branches and calls of one function, each target of a `br_table` and each `memory.grow` counted',
    value: 20_000,
    unit: 'instructions',
    reason: 'metering makes many instructions of each; 128 000 take the optimising compiler half a gigabyte',
    refusal: (value) => `more than ${value} branches and calls`,
  }),
  codeBytes: defineLimit({
    name: 'code of all functions',
    value: 2.5 * 1024 * 1024,
    unit: 'bytes',
    reason: 'checked, metered and compiled at each deployment, twice, free of gas: up to 0.3 µs a byte',
    refusal: (value) => `module has more than ${value} bytes of code`,
  }),
  moduleBlocks: defineLimit({
    name: 'blocks, loops and ifs of a module',
    value: 150_000,
    unit: 'constructs',
    reason: 'metering and compiling take some microseconds for each',
    refusal: (value) => `module has more than ${value} blocks`,
  }),
  moduleTransfers: defineLimit({
    name: 'branches and calls of a module',
    value: 300_000,
    unit: 'instructions',
    reason: 'likewise',
    refusal: (value) => `module has more than ${value} branches and calls`,
  }),
  moduleSlowInstructions: defineLimit({
    name: 'arithmetic of floating-point numbers and truncations of them to 64 bits, of a module',
    value: 250_000,
    unit: 'instructions',
    reason: 'a canonical NaN is made behind the one, a call into the engine of the other: up to a microsecond for each',
    refusal: (value) => `module has more than ${value} instructions of floating point`,
  }),
  moduleLocals: defineLimit({
    name: 'params and locals of all functions',
    value: 1_000_000,
    unit: 'values',
    reason: 'a group of them takes 3 bytes of the module, and compilers make each one by one: some 10 ns',
    refusal: (value) => `module has more than ${value} locals`,
  }),
  localsTimesBlocks: defineLimit({
    name: 'locals × blocks of one function',
    value: 5_000_000,
    unit: 'pairs',
    reason:
      'an optimising compiler keeps one picture of all locals per control construct; else 50 KB of code can ask for gigabytes',
    refusal: (value) => `more than ${value} locals times blocks`,
  }),
  moduleLocalsTimesBlocks: defineLimit({
    name: 'the sum of these products over a module',
    value: 8_000_000,
    unit: 'pairs',
    reason: 'likewise; and a baseline compiler takes some 30 ns for each',
    refusal: (value) => `module has more than ${value} locals times blocks`,
  }),
  moduleLocalsTimesTransfers: defineLimit({
    name: 'the sum over a module of locals × branches and calls',
    value: 100_000_000,
    unit: 'pairs',
    reason:
      'a baseline compiler writes all locals back at each of them, when the function is first called and where nothing can stop it: about a nanosecond for each',
    refusal: (value) => `module has more than ${value} locals times branches and calls`,
  }),
  memoryPages: defineLimit({
    name: 'linear memory, at first and at most',
    value: 128,
    unit: 'pages of 64 KiB',
    reason: 'as in the reference',
    refusal: () => 'Module requested too much memory',
  }),
} as const

/** Of a run. The failed task uses the gas that the run had used. */
export const runLimits = {
  argumentBytes: defineLimit({
    name: 'what one pointer and length of a host call name',
    value: 4 * 1024 * 1024,
    unit: 'bytes',
    reason: 'what a host function copies, encrypts or parses at once, where no clock can stop it in between',
    refusal: (value) => `argument of a host function is longer than ${value} bytes`,
  }),
  stateKeyBytes: defineLimit({
    name: 'key of a state value',
    value: 4096,
    unit: 'bytes',
    reason: 'no gas is paid for it, and each operation of a delta repeats it',
    refusal: (value) => `state key is longer than ${value} bytes`,
  }),
  hostBytes: defineLimit({
    name: 'what host functions handle in a run: bytes read, written, parsed and serialised, and some for each call',
    value: 16 * 1024 * 1024,
    unit: 'bytes',
    reason:
      'a call is 1 gas whatever it handles; the slowest JSON takes some 0.1 µs a byte and most a tenth of that, so it is 2 s at the worst',
    refusal: (value) => `host functions have handled more than ${value} bytes`,
  }),
  stateBytes: defineLimit({
    name: 'state of a contract: names and values as compact JSON, 2 more for each member, 16 for each array and object',
    value: 16 * 1024 * 1024,
    unit: 'bytes',
    reason: 'it is held in memory decrypted, where it takes up to twenty times as much',
    refusal: (value) => `state is larger than ${value} bytes`,
  }),
  deltaBytes: defineLimit({
    name: 'delta',
    value: 16_000_000,
    unit: 'bytes',
    reason:
      'a delta must fit a request to other workers, where a byte takes up to 4; one that changes many elements of arrays can be many times as large as the values',
    refusal: (value) => `state changes take more than ${value} bytes`,
  }),
  jsonDepth: defineLimit({
    name: 'arrays and objects inside each other in a state value',
    value: maxJsonDepth,
    unit: 'levels',
    reason: 'as in the reference',
    refusal: (value) => `invalid state value: nested more than ${value} deep`,
  }),
  idleLocals: defineLimit({
    name: `locals of all calls, without params, the first ${freeLocals} of a call, and ${localsPerGas} for each gas that it is sure to pay`,
    value: 2 ** 30,
    unit: 'values',
    reason: 'they are set to zero at each call, free of gas: ten thousand in a microsecond',
    refusal: (value) => `calls have set up more than ${value} locals`,
  }),
  stackHeight: defineLimit({
    name: 'stack height, as the reference’s limiter counts it',
    value: maxStackHeight,
    unit: 'units',
    reason: 'as in the reference, and below what V8’s stack of a compute thread holds',
    refusal: () => 'unreachable',
  }),
  callDepth: defineLimit({
    name: 'calls inside each other',
    value: callDepthLimit,
    unit: 'activations',
    reason: 'likewise',
    refusal: () => 'stack overflow',
  }),
  valueSlots: defineLimit({
    name: `params, locals and operands of all calls, and one more for each ${codeBytesPerSlot} bytes of a function’s code`,
    value: maxValueSlots,
    unit: 'values',
    reason: 'likewise',
    refusal: () => 'stack overflow',
  }),
} as const

/** Bytes that each call of a host function counts as, whatever it handles: about its fixed cost. */
export const hostCallBytes = 32

/** What `encrypt` and `decrypt` count besides: setting up a cipher takes some microseconds. */
export const cipherCallBytes = 512

/** The memory that deployment gives every contract, whatever its pre-code declared. */
export const deployedMemory = { initial: 120, maximum: moduleLimits.memoryPages.value } as const

/** Bytes of UTF-8 of what a contract says before it gives up that go into the text of the failed task. */
export const maxReasonBytes = 1024
