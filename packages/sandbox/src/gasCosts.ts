/** What a task pays, in gas. @see spec/runtime.md 2 */

/** Entering a metered block, besides the instructions in it. */
export const gasPerBlock = 1

/** Asking for one page of memory, granted or not. */
export const gasPerGrownPage = 8192

/** `write_state` of a value that is not shorter than the one it replaces, besides the growth. */
export const gasPerWrite = 10

/** One byte by which a stored value grows (charged) or shrinks (refunded). */
export const gasPerStateByte = 1

/** One computation, charged after the run. */
export const gasPerCompute = 10_000n

/** One deployment, charged before the run: the reference wraps the constructor in a function that costs this. */
export const gasPerDeploy = 5n

/** One byte of the deployed exeCode, charged after the run. */
export const gasPerCodeByte = 1n

/** Cost of each opcode; `end` and `else` are free. */
export const opcodeGas = new Uint8Array(256).fill(1)

const free = [0x0b, 0x05]
const multiplications = [0x6c, 0x7e]
const divisions = [0x6d, 0x6e, 0x6f, 0x70, 0x7f, 0x80, 0x81, 0x82]

for (const opcode of free) opcodeGas[opcode] = 0
opcodeGas.fill(2, 0x28, 0x3f) // loads and stores
for (const opcode of multiplications) opcodeGas[opcode] = 4
for (const opcode of divisions) opcodeGas[opcode] = 16
