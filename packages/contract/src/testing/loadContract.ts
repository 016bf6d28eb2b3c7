import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type ContractAbi, parseJsonAbi } from '../abi.ts'
import { buildContract, type ContractBuild, isCurrent, readBuild } from '../build.ts'

/** A contract that can be deployed. */
export interface LoadedContract {
  /** Of its file, without extension. */
  name: string
  preCode: Uint8Array
  abi: ContractAbi
}

/** Builds of this process, by path of the source. */
const builds = new Map<string, ContractBuild>()

/**
 * Loads a contract: its source, compiled unless the build beside it is current, or its code.
 *
 * @param file a `.ts` file, or a `.wasm` file with its `.abi.json` beside it
 * @throws CompileError
 */
export async function loadContract(file: string | URL): Promise<LoadedContract> {
  const path = file instanceof URL ? fileURLToPath(file) : resolve(file)
  const [, stem, name, extension] = /^((?:.*[/\\])?([^/\\]*))\.(ts|wasm)$/.exec(path) ?? []
  if (stem === undefined) throw new TypeError(`A contract is a .ts or a .wasm file: ${path}`)
  if (extension === 'wasm') {
    return { name: name!, preCode: await readFile(path), abi: parse(await readFile(`${stem}.abi.json`, 'utf8')) }
  }
  const { wasm, manifest } = await currentBuild(path)
  return { name: name!, preCode: wasm, abi: parseJsonAbi(manifest.abi) }
}

async function currentBuild(path: string): Promise<ContractBuild> {
  const known = builds.get(path)
  if (known !== undefined && (await isCurrent(path, known))) return known
  const build = (await readBuild(path)) ?? (await buildContract(path))
  builds.set(path, build)
  return build
}

function parse(text: string): ContractAbi {
  return parseJsonAbi(JSON.parse(text))
}
