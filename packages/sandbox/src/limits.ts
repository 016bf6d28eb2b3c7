/** Bounds that the sandbox sets itself, beyond what the rules of the reference ask. */

/** Bytes of a module, pre-code or exeCode. The largest contracts known are 1.6 MB. */
export const maxModuleBytes = 10 * 1024 * 1024

/** Entries of a function table. Tables are allocated in full at every run. */
export const maxTableEntries = 10_000

/**
 * (params + locals) × (blocks, loops and ifs) of one function. An optimising compiler keeps one picture of all locals
 * per control construct, so the product bounds its memory; without the bound 50 KB of code can ask for gigabytes.
 */
export const maxLocalsTimesBlocks = 5_000_000

/** The sum of these products over a module. The largest contracts known reach 0.5 million. */
export const maxModuleLocalsTimesBlocks = 20_000_000

/**
 * The sum over a module of (params + locals) × (branches and calls). A baseline compiler writes all locals back at each
 * of them, when the function is first called and where nothing can stop it: about a nanosecond for each.
 */
export const maxModuleLocalsTimesTransfers = 100_000_000

/** Params and locals of one function: the 50 000 of engines, less the two that canonical NaNs may need. */
export const maxLocals = 49_998

/** Pages (64 KiB) of linear memory that a module may ask for, initially and at most. */
export const maxMemoryPages = 128

/** The memory that deployment gives every contract, whatever its pre-code declared. */
export const deployedMemory = { initial: 120, maximum: 128 } as const

/** Largest value that the reference's stack limiter lets its counter reach. */
export const maxStackHeight = 65_536

/** A function activation at this depth (thunks count) is the reference interpreter's call-stack overflow. */
export const callDepthLimit = 65_536

/** Values (params, locals, operands) that the reference interpreter's value stack holds. */
export const maxValueSlots = 65_536
