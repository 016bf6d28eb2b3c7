import { basename, dirname, isAbsolute, join, relative, resolve } from 'node:path'
import { describeModule } from '@bletchley/sandbox'
import { IdentifierExpression, type Source, StringLiteralExpression } from 'assemblyscript'
import asc from 'assemblyscript/asc'
import type { ContractAbi } from './abi.ts'
import { CompileError } from './compileError.ts'
import { diagnosticCategories } from './compilerFlags.ts'
import { readSource } from './sourceText.ts'
import { ContractSourceError, nodesOf, placeOf } from './syntax.ts'
import { compilerOptions, libraryFolder, libraryName } from './toolchain.ts'
import ContractTransform, { entryFile } from './transform.ts'

export interface CompiledContract {
  /** Of the class. */
  name: string
  wasm: Uint8Array
  /** What a worker stores of it. */
  exeCode: Uint8Array
  abi: ContractAbi
  /** Text of each file that went in; those of the library are named `@bletchley/contract/assembly/…`. */
  sources: ReadonlyMap<string, string>
}

export interface CompileOptions {
  /** Leaves the names of functions in the code, for people. */
  names?: boolean
}

/**
 * Compiles a secret contract. The same sources give the same bytes on every machine and in every folder.
 *
 * @param path of the file with the contract's class
 * @throws CompileError
 */
export async function compileContract(path: string, { names = false }: CompileOptions = {}): Promise<CompiledContract> {
  const folder = resolve(dirname(path))
  let wasm: Uint8Array | undefined
  let transform: ContractTransform | undefined
  class Compilation extends ContractTransform {
    constructor() {
      super()
      transform = this
    }
  }
  const diagnostics: Diagnostic[] = []
  const texts = new Map<string, string>()
  const options = ['--outFile', 'out.wasm', '--baseDir', folder, ...compilerOptions, ...(names ? ['--debug'] : [])]
  const { error } = await asc.main([basename(path), ...options], {
    transforms: [Compilation],
    readFile: async (name: string, base: string) => {
      // Options of the author's would make the same sources compile to something else.
      if (basename(name) === 'asconfig.json') return null
      const file = locate(name, base)
      const text = await readSource(file.path).catch(() => null)
      if (text !== null) texts.set(file.name, text)
      return text
    },
    writeFile: (_name: string, contents: Uint8Array | string) => {
      if (typeof contents !== 'string') wasm = contents
    },
    listFiles: () => [],
    reportDiagnostic: (diagnostic: Diagnostic) => diagnostics.push(diagnostic),
  } as unknown as Parameters<typeof asc.main>[1])
  const { sources = [], contract } = transform ?? {}
  if (error !== null || wasm === undefined || contract === undefined) {
    throw new CompileError(errorText(diagnostics, error, texts, transform), { cause: error })
  }
  return { ...contract, wasm, exeCode: exeCodeOf(wasm, sources), sources: texts }
}

/** What the compiler reports. */
interface Diagnostic {
  message: string
  category: number
  range: { start: number; source: { normalizedPath: string } } | null
}

function errorText(
  diagnostics: readonly Diagnostic[],
  error: Error | null,
  texts: ReadonlyMap<string, string>,
  transform: ContractTransform | undefined,
): string {
  if (error instanceof ContractSourceError) return error.message
  const lines: string[] = []
  const errors = diagnostics.filter(({ category }) => category === diagnosticCategories.error)
  if (errors.every(isInEntryPoints)) {
    // They were written for other types than the contract has.
    try {
      transform?.requireTypes()
    } catch (reason) {
      if (reason instanceof ContractSourceError) return reason.message
      throw reason
    }
  }
  for (const { message: whole, range } of causesOf(errors)) {
    // How the compiler begins what is not its own: the messages of our rules, and of ERROR.
    const message = whole.replace(/^User-defined: /, '')
    if (range === null) lines.push(message)
    else {
      const path = range.source.normalizedPath
      const before = textOfSource(path, texts).slice(0, range.start)
      const column = range.start - before.lastIndexOf('\n')
      lines.push(`${path}:${before.split('\n').length}:${column}: ${message}`)
    }
  }
  return lines.join('\n') || (error?.message ?? 'nothing was compiled')
}

/**
 * What is wrong in the author's files has consequences in the library, and in the entry points, neither of which he wrote.
 */
function causesOf(errors: readonly Diagnostic[]): readonly Diagnostic[] {
  const written = errors.filter((each) => !isInEntryPoints(each))
  const own = written.filter(({ range }) => range !== null && !range.source.normalizedPath.startsWith('~lib/'))
  return [own, written, errors].find((list) => list.length > 0) ?? []
}

function isInEntryPoints({ range }: Diagnostic): boolean {
  return range?.source.normalizedPath.endsWith(entryFile) ?? false
}

/** The text of a file that the compiler names: of the author's, of the library, or of its own. */
function textOfSource(path: string, texts: ReadonlyMap<string, string>): string {
  const name = path.replace(/^~lib\//, '')
  return texts.get(name) ?? asc.libraryFiles[name.replace(/\.ts$/, '')] ?? ''
}

/** Where a file of that name lies, and what it is called in the list of sources. */
function locate(name: string, base: string): { path: string; name: string } {
  const [, inLibrary] = /(?:^|\/)node_modules\/@bletchley\/contract\/assembly(\/.*|\.ts)$/.exec(name) ?? []
  if (inLibrary !== undefined) return { path: join(libraryFolder, inLibrary), name: `${libraryName}${inLibrary}` }
  const path = isAbsolute(name) ? name : join(base, name)
  return { path, name: relative(base, path).replaceAll('\\', '/') }
}

/** What workers store of the module. @throws CompileError if they do not take it */
function exeCodeOf(wasm: Uint8Array, sources: readonly Source[]): Uint8Array {
  const module = describeModule(wasm)
  if ('undecodable' in module) throw new CompileError(module.undecodable)
  const { deploy } = module
  if (!deploy.accepted) throw refused(deploy.reason, sources)
  if (!deploy.compute.accepted) throw refused(deploy.compute.reason, sources)
  return deploy.exeCode
}

/** @param reason in the words of a worker */
function refused(reason: string, sources: readonly Source[]): CompileError {
  const [, missing] = /(?:Export|Module) (\S+) not found$/.exec(reason) ?? []
  if (missing === undefined) return new CompileError(reason)
  const [name = ''] = missing.split('.')
  const place = placeOfName(sources, name === 'seed' ? 'random' : name)
  const remedy = withoutHost[name] ?? 'workers have the functions of docs/contracts.md and no others'
  return new CompileError(`${place}: there is no ${missing} in a worker; ${remedy}`)
}

/** Parts of AssemblyScript that need what a worker does not have, by what their imports are called. */
const withoutHost: Readonly<Record<string, string>> = {
  console: 'log prints for whoever simulates the contract',
  trace: 'log prints for whoever simulates the contract',
  Date: 'a contract has no clock',
  performance: 'a contract has no clock',
  seed: 'Math.random needs it; use randomBytes, randomNumber or randomBelow',
  crypto: 'use randomBytes',
}

/** Where the author's files first use a name, or the first file. */
function placeOfName(sources: readonly Source[], name: string): string {
  for (const source of sources) {
    for (const node of nodesOf(source)) {
      if (node instanceof IdentifierExpression && node.text === name) return placeOf(node.range)
      if (node instanceof StringLiteralExpression && node.value === name) return placeOf(node.range)
    }
  }
  return sources[0]!.normalizedPath
}
