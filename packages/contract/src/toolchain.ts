import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { startExport } from './foldStart.ts'

/** How contracts import the library, and what its files are called in the list of sources. */
export const libraryName = '@bletchley/contract/assembly'

/** Where it lies: `assembly/` beside `src/` and `dist/`. */
export const libraryFolder = fileURLToPath(new URL('../assembly/', import.meta.url))

const { name, version, dependencies } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as { name: string; version: string; dependencies: { assemblyscript: string } }

/** Which library and compiler transform it is. */
export const libraryVersion = `${name} ${version}`

/** Which compiler it is: the dependency is on one version exactly. */
export const compilerVersion = `assemblyscript ${dependencies.assemblyscript}`

/** What the compiler is told. A worker runs the first version of WebAssembly, so each later feature is off. */
export const compilerOptions: readonly string[] = [
  ...['--optimizeLevel', '3', '--shrinkLevel', '1', '--noExportMemory', '--runtime', 'stub'],
  ...['--exportStart', startExport, '--use', `abort=~lib/${libraryName}/revert/abort`],
  ...['--disable', 'sign-extension', '--disable', 'bulk-memory', '--disable', 'mutable-globals'],
  ...['--disable', 'nontrapping-f2i'],
]
