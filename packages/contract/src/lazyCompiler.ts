import type { CompiledContract, CompileOptions } from './compile.ts'

/** `compileContract`, loaded when it is first called: the compiler takes half a second, and most callers never compile. */
export async function compileContract(path: string, options?: CompileOptions): Promise<CompiledContract> {
  const compiler = await import('./compile.ts')
  return compiler.compileContract(path, options)
}
