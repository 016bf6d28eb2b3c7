import { FunctionDeclaration, type Source } from 'assemblyscript'

/** Functions of the compiler's stub runtime that the library has in its place (`assembly/memory.ts`). */
const replaced = new Set(['__new', '__renew', '__alloc', '__realloc', '__free'])

/** Takes the compiler's own allocator out of the program; it costs some three times the gas. */
export function removeAllocator(sources: readonly Source[]): void {
  const runtime = sources.find(({ internalPath }) => internalPath === '~lib/rt/stub')
  if (runtime === undefined) throw new Error('the compiler has another runtime than the library fits')
  runtime.statements = runtime.statements.filter(
    (statement) => !(statement instanceof FunctionDeclaration && replaced.has(statement.name.text)),
  )
}
