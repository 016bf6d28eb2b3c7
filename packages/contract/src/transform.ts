import type { CallExpression, Expression, Parser, Program, Source } from 'assemblyscript'
import type binaryen from 'assemblyscript/binaryen'
import type { ContractAbi } from './abi.ts'
import { removeAllocator } from './allocator.ts'
import { checkHoles } from './arrayHoles.ts'
import { sourceKinds } from './compilerFlags.ts'
import { abiOf, type ContractClass, findContract, rewriteClass } from './contractClass.ts'
import { entryPoints } from './entryPoints.ts'
import { countFromBelowZero } from './enumRules.ts'
import { foldStart } from './foldStart.ts'
import { noteCounts } from './integers.ts'
import { requireReadable } from './misreadings.ts'
import { requireTypesAsNamed } from './resolvedContract.ts'
import { watchTypes } from './resolvedRules.ts'
import { changedResults, droppedValues, requireEffects } from './statements.ts'
import { isAuthors } from './syntax.ts'
import { keepThrownMessages } from './thrownErrors.ts'
import { addTupleMethods } from './tupleMethods.ts'

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
  #class: ContractClass | undefined
  #program: Program | undefined
  #changed: ReadonlySet<CallExpression> = new Set()
  #dropped: ReadonlySet<Expression> = new Set()
  /** The author's files. */
  sources: readonly Source[] = []

  afterParse(parser: Parser): void {
    this.sources = parser.sources.filter(isAuthors)
    const contract = findContract(this.sources)
    this.#class = contract
    requireReadable(this.sources)
    requireEffects(this.sources)
    countFromBelowZero(this.sources)
    noteCounts(this.sources)
    this.#changed = changedResults(this.sources)
    this.#dropped = droppedValues(this.sources)
    this.contract = { name: contract.declaration.name.text, abi: abiOf(contract) }
    rewriteClass(contract)
    keepThrownMessages(this.sources)
    addTupleMethods(this.sources)
    removeAllocator(parser.sources)
    checkHoles(parser.sources)
    // Only the entry points are exports of the module.
    for (const source of this.sources) source.sourceKind = sourceKinds.user
    parser.parseFile(entryPoints(contract), contract.source.normalizedPath.replace(/\.ts$/, entryFile), true)
  }

  afterInitialize(program: Program): void {
    this.#program = program
    watchTypes(program, this.#changed, this.#dropped)
  }

  afterCompile(module: binaryen.Module): void {
    this.requireTypes()
    foldStart(module, this.binaryen)
  }

  /** Once the program is compiled, whether or not it has errors. @throws ContractSourceError */
  requireTypes(): void {
    if (this.#program !== undefined && this.#class !== undefined) requireTypesAsNamed(this.#program, this.#class)
  }
}
