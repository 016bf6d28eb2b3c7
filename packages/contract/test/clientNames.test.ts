import { spawnSync } from 'node:child_process'
import { symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '@bletchley/testkit'
import { expect, it } from 'vitest'
import { clientSource } from '../src/index.ts'
import { compileText } from './support/contracts.ts'

const require = createRequire(import.meta.url)

/** What TypeScript has to say about sources, each of which is a file of its own. */
async function complaints(sources: readonly string[]): Promise<string> {
  await using folder = await temporaryFolder()
  // Clients import `@bletchley/client`.
  await symlink(fileURLToPath(new URL('../../../node_modules', import.meta.url)), join(folder.path, 'node_modules'))
  const files = sources.map((_, index) => join(folder.path, `client${index}.ts`))
  await Promise.all(files.map((file, index) => writeFile(file, sources[index]!)))
  const compiler = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc')
  const options = '--noEmit --strict --skipLibCheck --target es2022 --module nodenext'.split(' ')
  return spawnSync(process.execPath, [compiler, ...options, ...files], { encoding: 'utf8', cwd: folder.path }).stdout
}

it('is a client of a class, whatever the class is called', async () => {
  // Names that the client's source, TypeScript or JavaScript have themselves.
  const names = `Bytes CoreClient Computed ContractOptions DeployOptions Hex Integer SecretContract TaskFailed
    Array Error Function Map Promise ReadonlyArray Uint8Array globalThis address args client construct contract options
    preCode require Größe $ Contract entry library`.split(/\s+/)
  const { abi } = await compileText(`import { Address } from '@bletchley/contract/assembly'
    @contract export class Sample {
      constructor(a: u32, b: u64[]) {}
      other(a: u32, b: Address[]): Address { return b[a] }
    }`)
  expect(await complaints(names.map((name) => clientSource(name, abi)))).toBe('')
})

it.each(['Object', 'any', 'bigint', 'keyof', 'number', 'readonly', 'string', 'undefined', 'unknown', 'void'])(
  'is none of a class called %s, which is refused where it stands',
  async (name) => {
    await expect(compileText(`@contract\nexport class ${name} { f(): void {} }`)).rejects.toThrow(
      `contract.ts:2:14: ${name} cannot be a contract`,
    )
  },
)

it('is a client of functions, parameters and results, whatever they are called', async () => {
  const names = `at contract contract_ deploy compute then then_ prototype toString hasOwnProperty name length
    Array Bytes Computed CoreClient Error Hex Integer Map Object Promise ReadonlyArray SecretContract Uint8Array
    any arguments bigint boolean eval get globalThis never require set string symbol
    type undefined unknown args client options preCode result tuple größer __proto__`.split(/\s+/)
  const { abi } = await compileText(`import { Address } from '@bletchley/contract/assembly'
    @tuple export class All { constructor(${names.map((name) => `public ${name}: u32`).join(', ')}) {} }
    @contract export class Sample {
      ${names.map((name) => `${name}(a: u32[], b: Address): Address { return b }`).join('\n')}
      ${names.map((name, at) => `other${at}(${name}: u32, b: Address): u32 { return ${name} }`).join('\n')}
      all(): All { return new All(${names.map(() => '1').join(', ')}) }
    }`)
  const client = clientSource('Sample', abi)
  expect(await complaints([client])).toBe('')
  for (const name of names) expect(client).toContain(`  ${name}: { args:`)
})
