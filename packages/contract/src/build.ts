import { readdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { bytesToHex, utf8ToBytes } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { toJsonAbi } from './abi.ts'
import { compileContract } from './lazyCompiler.ts'
import { readSource } from './sourceText.ts'
import { compilerOptions, compilerVersion, libraryFolder, libraryName, libraryVersion } from './toolchain.ts'

/** Size in bytes, and keccak256 in hexadecimal without 0x. */
export interface CodeIdentity {
  size: number
  hash: string
}

/** What a build was made of and what came out: `<name>.manifest.json`. Hashes are keccak256. */
export interface BuildManifest {
  /** Name of the class. */
  contract: string
  /** Name of the file with it. */
  source: string
  /** Of `sources`. */
  sourceHash: string
  /** Hash of each file that went in; names are relative to the source's folder, or begin with the library's name. */
  sources: Record<string, string>
  library: string
  compiler: string
  options: readonly string[]
  /** What is deployed: `<name>.wasm`. */
  preCode: CodeIdentity
  /** What a worker stores of it and runs. */
  exeCode: CodeIdentity
  abi: object[]
}

export interface ContractBuild {
  wasm: Uint8Array
  manifest: BuildManifest
}

/** The folder beside a contract's source that its build goes into. */
export const buildFolder = 'build'

/** The contracts of a folder: its files, not those of folders in it, that have a class with `@contract`. Sorted. */
export async function findContracts(folder: string): Promise<string[]> {
  const files = (await readdir(folder)).filter((name) => /(?<!\.d|\.test)\.ts$/.test(name)).sort()
  const paths = files.map((name) => join(folder, name))
  const texts = await Promise.all(paths.map((path) => readFile(path, 'utf8')))
  return paths.filter((_, index) => /^\s*@contract\b/m.test(texts[index]!))
}

/**
 * Compiles a contract.
 *
 * @throws CompileError
 */
export async function buildContract(path: string): Promise<ContractBuild> {
  const { name, wasm, exeCode, abi, sources } = await compileContract(path)
  const hashes = Object.fromEntries([...sources].map(([file, text]) => [file, hashOf(text)]).sort())
  return {
    wasm,
    manifest: {
      contract: name,
      source: basename(path),
      sourceHash: hashOf(JSON.stringify(hashes)),
      sources: hashes,
      library: libraryVersion,
      compiler: compilerVersion,
      options: compilerOptions,
      preCode: identityOf(wasm),
      exeCode: identityOf(exeCode),
      abi: toJsonAbi(abi),
    },
  }
}

/** The files of a build, by the paths where they belong. */
export function buildFiles(path: string, { wasm, manifest }: ContractBuild): Map<string, Uint8Array> {
  const { code, abi, manifest: manifestPath } = buildPaths(path)
  return new Map([
    [code, wasm],
    [abi, utf8ToBytes(jsonText(manifest.abi))],
    [manifestPath, utf8ToBytes(jsonText(manifest))],
  ])
}

/** The build that lies beside a contract, or undefined if there is none or it is not of these sources. */
export async function readBuild(path: string): Promise<ContractBuild | undefined> {
  const paths = buildPaths(path)
  let build: ContractBuild
  try {
    build = {
      wasm: await readFile(paths.code),
      manifest: JSON.parse(await readFile(paths.manifest, 'utf8')) as BuildManifest,
    }
  } catch {
    return undefined
  }
  return (await isCurrent(path, build)) ? build : undefined
}

/** Whether a build is what its sources, as they are now, would give. It reads them, and does not compile. */
export async function isCurrent(path: string, { wasm, manifest }: ContractBuild): Promise<boolean> {
  const sameTools =
    manifest.library === libraryVersion &&
    manifest.compiler === compilerVersion &&
    manifest.options.join(' ') === compilerOptions.join(' ') &&
    manifest.preCode.hash === identityOf(wasm).hash
  if (!sameTools) return false
  const same = Object.entries(manifest.sources).map(async ([name, hash]) => {
    const file = name.startsWith(libraryName)
      ? join(libraryFolder, name.slice(libraryName.length))
      : join(dirname(path), name)
    const text = await readSource(file).catch(() => undefined)
    return text !== undefined && hashOf(text) === hash
  })
  return (await Promise.all(same)).every(Boolean)
}

function buildPaths(path: string) {
  const stem = join(dirname(path), buildFolder, basename(path, '.ts'))
  return { code: `${stem}.wasm`, abi: `${stem}.abi.json`, manifest: `${stem}.manifest.json` }
}

function identityOf(bytes: Uint8Array): CodeIdentity {
  return { size: bytes.length, hash: bytesToHex(keccak256(bytes)) }
}

function hashOf(text: string): string {
  return bytesToHex(keccak256(utf8ToBytes(text)))
}

function jsonText(value: object): string {
  return `${JSON.stringify(value, undefined, 2)}\n`
}
