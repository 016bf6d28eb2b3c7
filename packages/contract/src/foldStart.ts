import type binaryen from 'assemblyscript/binaryen'

/** The name under which the compiler exports what has to run before anything else. */
export const startExport = '__start'

/**
 * Workers refuse modules with a start function. What the compiler puts into one (where free memory begins, first values
 * of variables) runs at the beginning of the entry points instead; each run has an instance of its own, and enters it once.
 */
export function foldStart(module: binaryen.Module, compiler: typeof binaryen): void {
  const start = functionBehind(module, compiler, startExport)
  if (start === undefined) return
  module.removeExport(startExport)
  for (const entry of ['deploy', 'call']) {
    const name = functionBehind(module, compiler, entry)
    if (name === undefined) continue
    module.removeExport(entry)
    const body = module.block(null, [module.call(start, [], compiler.none), module.call(name, [], compiler.none)])
    module.addFunction(`~${entry}`, compiler.none, compiler.none, [], body)
    module.addFunctionExport(`~${entry}`, entry)
  }
}

function functionBehind(module: binaryen.Module, compiler: typeof binaryen, exported: string): string | undefined {
  const reference = module.getExport(exported)
  return reference === 0 ? undefined : compiler.getExportInfo(reference).value
}
