import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bytesToHex, utf8ToBytes } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { temporaryFolder } from '@bletchley/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import { type BuildManifest, buildContract, buildFiles, type ContractBuild, findContracts, readBuild } from './index.ts'

const source = `import { number } from './lib/number'
@contract export class Sample { f(): u32 { return number } }
`
const hashOf = (bytes: Uint8Array | string) =>
  bytesToHex(keccak256(typeof bytes === 'string' ? utf8ToBytes(bytes) : bytes))
const assembly = new URL('../assembly/', import.meta.url)
const libraryFile = '@bletchley/contract/assembly/entry.ts'

let folder: Awaited<ReturnType<typeof temporaryFolder>>
let path: string
let build: ContractBuild

/** Lays a contract with its build into a new folder. */
async function laid(): Promise<AsyncDisposable & { path: string; build: string }> {
  const place = await temporaryFolder()
  await cp(folder.path, place.path, { recursive: true })
  return {
    path: join(place.path, 'sample.ts'),
    build: join(place.path, 'build/sample'),
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  }
}

beforeAll(async () => {
  folder = await temporaryFolder()
  path = join(folder.path, 'sample.ts')
  await mkdir(join(folder.path, 'lib'))
  await writeFile(join(folder.path, 'lib/number.ts'), 'export const number: u32 = 7\n')
  await writeFile(path, source)
  build = await buildContract(path)
  for (const [name, bytes] of buildFiles(path, build)) {
    await mkdir(dirname(name), { recursive: true })
    await writeFile(name, bytes)
  }
  return () => folder[Symbol.asyncDispose]()
})

describe('a build', () => {
  it('tells what it was made of, and what came out', async () => {
    const { wasm, manifest } = build
    const names = Object.keys(manifest.sources)
    expect(names).toEqual([...names].sort())
    expect(names.filter((name) => !name.startsWith('@'))).toEqual(['lib/number.ts', 'sample.ts'])
    expect(manifest.sources['sample.ts']).toBe(hashOf(source))
    const entry = await readFile(new URL('entry.ts', assembly), 'utf8')
    expect(manifest.sources[libraryFile]).toBe(hashOf(entry))
    expect(manifest).toMatchObject({
      contract: 'Sample',
      source: 'sample.ts',
      sourceHash: hashOf(JSON.stringify(manifest.sources)),
      library: '@bletchley/contract 0.1.0',
      compiler: expect.stringMatching(/^assemblyscript \d+\.\d+\.\d+$/),
      preCode: { size: wasm.length, hash: hashOf(wasm) },
      exeCode: { size: expect.any(Number), hash: expect.stringMatching(/^[0-9a-f]{64}$/) },
    })
    expect(manifest.exeCode.size).toBeLessThanOrEqual(wasm.length)
    expect(manifest.abi.map((entry) => (entry as { type: string }).type)).toEqual(['constructor', 'function'])
  })

  // What is written into the code for a contract, byte by byte: a change of it is a decision, and `npm run contracts` writes it.
  it.each(['dice', 'auction'])('is that of the example %s, which is committed', async (name) => {
    const example = fileURLToPath(new URL(`../../../contracts/${name}/${name}.ts`, import.meta.url))
    const committed = await readFile(join(dirname(example), `build/${name}.wasm`))
    expect(hashOf((await buildContract(example)).wasm)).toBe(hashOf(committed))
  })

  it('lies beside its source, in files that people can compare', () => {
    const files = buildFiles(path, build)
    const stem = join(folder.path, 'build/sample')
    expect([...files.keys()]).toEqual([`${stem}.wasm`, `${stem}.abi.json`, `${stem}.manifest.json`])
    const text = (name: string) => new TextDecoder().decode(files.get(name))
    expect(files.get(`${stem}.wasm`)).toBe(build.wasm)
    expect(text(`${stem}.abi.json`)).toBe(`${JSON.stringify(build.manifest.abi, undefined, 2)}\n`)
    expect(text(`${stem}.manifest.json`)).toBe(`${JSON.stringify(build.manifest, undefined, 2)}\n`)
  })

  it('is read where its sources are as they were', async () => {
    await using place = await laid()
    const read = await readBuild(place.path)
    expect(read?.manifest).toEqual(build.manifest)
    expect(hashOf(read!.wasm)).toBe(hashOf(build.wasm))
    // Neither do the ends of lines make another source.
    await writeFile(place.path, `\uFEFF${source.replaceAll('\n', '\r\n')}`)
    expect(await readBuild(place.path)).toBeDefined()
  })

  const changed = (change: (manifest: BuildManifest) => void) => async (stem: string) => {
    const manifest = structuredClone(build.manifest)
    change(manifest)
    await writeFile(`${stem}.manifest.json`, JSON.stringify(manifest))
  }
  it.each<[string, (stem: string, path: string) => Promise<void>]>([
    ['another library', changed((manifest) => (manifest.library += '-next'))],
    ['another compiler', changed((manifest) => (manifest.compiler += '-next'))],
    ['other options', changed((manifest) => (manifest.options = [...manifest.options, '--debug']))],
    ['other code', changed((manifest) => (manifest.preCode.hash = hashOf('other')))],
    ['another source', changed((manifest) => (manifest.sources['sample.ts'] = hashOf('other')))],
    ['another file of the library', changed((manifest) => (manifest.sources[libraryFile] = hashOf('other')))],
    ['a file of the library that is gone', changed((manifest) => (manifest.sources[`${libraryFile}x`] = hashOf('')))],
    ['code that was changed', async (stem) => writeFile(`${stem}.wasm`, build.wasm.subarray(1))],
    ['no code', async (stem) => rm(`${stem}.wasm`)],
    ['no manifest', async (stem) => rm(`${stem}.manifest.json`)],
    ['a manifest that is cut off', async (stem) => writeFile(`${stem}.manifest.json`, '{')],
    ['a source that was changed', async (_, path) => writeFile(path, `${source}\n`)],
    ['a source that is gone', async (_, path) => rm(join(dirname(path), 'lib/number.ts'))],
  ])('is not read where it has %s', async (_, change) => {
    await using place = await laid()
    await change(place.build, place.path)
    expect(await readBuild(place.path)).toBeUndefined()
  })
})

it('contracts of a folder are its files with a class, sorted, and neither tests, declarations nor those of other folders', async () => {
  await using place = await temporaryFolder()
  const contract = '@contract export class A {}'
  const files: Record<string, string> = {
    'b.ts': `\n  ${contract}`,
    'a.ts': `// A contract.\n@contract\nexport class A {}`,
    'a.test.ts': contract,
    'a.d.ts': contract,
    'a.js': contract,
    'comment.ts': `// ${contract}`,
    'contracts.ts': '@contracts class A {}',
    'lib/c.ts': contract,
  }
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(place.path, name)), { recursive: true })
    await writeFile(join(place.path, name), text)
  }
  expect(await findContracts(place.path)).toEqual(['a.ts', 'b.ts'].map((name) => join(place.path, name)))
})
