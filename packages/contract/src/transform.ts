import type { Parser, Source } from 'assemblyscript'
import type binaryen from 'assemblyscript/binaryen'
import type { ContractAbi } from './abi.ts'
import { removeAllocator } from './allocator.ts'
import { sourceKinds } from './compilerFlags.ts'
import { abiOf, findContract, rewriteClass } from './contractClass.ts'
import { entryPoints } from './entryPoints.ts'
import { foldStart } from './foldStart.ts'
import { addJsonMethods } from './storedTuples.ts'
import { isAuthors } from './syntax.ts'

/** What the name of the file of the entry points ends with; the rest is that of the contract. */
export const entryFile = '~entry.ts'

/**
 * The compiler transform: makes a secret contract of the class that is decorated with `@contract`. It needs the options
 * that `compileContract` sets.
 */
export default class ContractTransform {
  /** The compiler puts it here. */
  declare readonly binaryen: typeof binaryen
  /** The class's name, and what it can be asked; once its source is parsed. */
  contract: { name: string; abi: ContractAbi } | undefined
  /** The author's files. */
  sources: readonly Source[] = []

  afterParse(parser: Parser): void {
    this.sources = parser.sources.filter(isAuthors)
    const contract = findContract(this.sources)
    this.contract = { name: contract.declaration.name.text, abi: abiOf(contract) }
    rewriteClass(contract)
    addJsonMethods(this.sources)
    removeAllocator(parser.sources)
    // Only the entry points are exports of the module.
    for (const source of this.sources) source.sourceKind = sourceKinds.user
    parser.parseFile(entryPoints(contract), contract.source.normalizedPath.replace(/\.ts$/, entryFile), true)
  }

  afterCompile(module: binaryen.Module): void {
    foldStart(module, this.binaryen)
  }
}
