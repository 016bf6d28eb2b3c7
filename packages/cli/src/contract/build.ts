import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { dirname, relative } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import {
  buildContract,
  buildFiles,
  CompileError,
  type ContractBuild,
  findContracts,
  readBuild,
} from '@bletchley/contract'
import { CommandError, usageError } from '../exitCodes.ts'

/** A contract's source, and what it compiles to. */
export interface BuiltContract {
  source: string
  build: ContractBuild
}

/**
 * Compiles contracts.
 *
 * @param paths of sources, and of folders whose contracts are all meant
 * @param reuse takes builds that are there already and are of the same sources and compiler
 * @throws CommandError with a line for each error in a source
 */
export async function buildAll(
  paths: readonly string[],
  { reuse = false }: { reuse?: boolean } = {},
): Promise<BuiltContract[]> {
  const built: BuiltContract[] = []
  for (const source of await findSources(paths)) {
    const present = reuse ? await readBuild(source) : undefined
    built.push({ source, build: present ?? (await compiling(source, buildContract)) })
  }
  return built
}

/**
 * Runs the compiler. What does not compile becomes a message with a line for each error: file (from here), line, column.
 *
 * @throws CommandError
 */
export async function compiling<T>(source: string, compile: (source: string) => Promise<T>): Promise<T> {
  preferQuickCompilation()
  try {
    return await compile(source)
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    const folder = relative('', dirname(source))
    const lines = error.message.replace(/^(?!~lib\/)(?=\S+\.ts:\d+:\d+: )/gm, () => (folder === '' ? '' : `${folder}/`))
    throw new CommandError(`${source} does not compile\n${lines}`)
  }
}

/**
 * Makes this process compile WebAssembly quickly, not well. The optimiser of contracts is WebAssembly, and in a process
 * that runs it once, making it fast takes longer (2.0 s a contract, and all processors) than running it as it is (1.0 s).
 */
function preferQuickCompilation(): void {
  setFlagsFromString('--liftoff-only')
}

async function findSources(paths: readonly string[]): Promise<string[]> {
  const sources: string[] = []
  for (const path of paths) {
    const isFolder = await stat(path).then(
      (found) => found.isDirectory(),
      () => {
        throw usageError(`there is no ${path}`)
      },
    )
    if (!isFolder && !path.endsWith('.ts')) {
      throw usageError(`${path} is neither a folder nor the source of a contract (.ts)`)
    }
    const found = isFolder ? await findContracts(path) : [path]
    if (found.length === 0) throw new CommandError(`no file in ${path} has a class with @contract`)
    sources.push(...found)
  }
  return sources
}

/** Writes the files of builds that are not there yet as they should be. @returns their paths */
export async function writeBuilds(contracts: readonly BuiltContract[]): Promise<string[]> {
  const changed = await changedFiles(contracts)
  for (const [path, bytes] of changed) {
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, bytes)
  }
  return [...changed.keys()]
}

/** Files of builds that are missing or differ, and what they should hold. */
export async function changedFiles(contracts: readonly BuiltContract[]): Promise<Map<string, Uint8Array>> {
  const changed = new Map<string, Uint8Array>()
  for (const { source, build } of contracts) {
    for (const [path, bytes] of buildFiles(source, build)) {
      const present = await readFile(path).catch(() => undefined)
      if (present === undefined || !present.equals(bytes)) changed.set(path, bytes)
    }
  }
  return changed
}
