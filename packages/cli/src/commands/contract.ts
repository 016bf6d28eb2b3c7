import { mkdir, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import {
  buildFolder,
  clientSource,
  compileContract,
  createProject,
  ethereumBinding,
  type GasSnapshot,
  linkPackages,
  parseJsonAbi,
} from '@bletchley/contract'
import { Command } from 'commander'
import { buildAll, changedFiles, compiling, writeBuilds } from '../contract/build.ts'
import { checkGas, gasTable, readSnapshot, writeSnapshot } from '../contract/gas.ts'
import { runTests } from '../contract/tests.ts'
import { CommandError, exitCodes } from '../exitCodes.ts'
import { readBytes } from '../inputFile.ts'
import { inspectModule } from '../inspectModule.ts'
import { option } from '../options.ts'
import { jsonOption, print } from '../output.ts'

export const createCommand = () =>
  new Command('contract')
    .description('Write, test, measure and ship secret contracts.')
    .addCommand(newCommand())
    .addCommand(buildCommand())
    .addCommand(testCommand())
    .addCommand(gasCommand())
    .addCommand(inspectCommand())
    .addCommand(abiCommand())
    .addCommand(bindCommand())

const pathsArgument = ['[paths...]', 'sources, or folders with contracts (default: this folder)'] as const
const folderArgument = ['[folder]', 'the folder with the contracts and their tests', '.'] as const
const runOption = () => option('--run <command>', 'a shell command that runs the tests instead of Node’s test runner')

const newCommand = () =>
  new Command('new')
    .description('Start a contract: a folder with a token, its tests and what editors need.')
    .argument('<folder>', 'is created')
    .action(async (folder: string) => {
      const files = await createProject(folder)
      say(files.map((name) => join(folder, name)).join('\n'))
      await link(folder)
      say(`\nNow: bletchley contract test ${folder}`)
    })

const buildCommand = () =>
  new Command('build')
    .description(
      'Compile contracts into build/ beside them: code, ABI and manifest. The same sources give the same bytes.',
    )
    .argument(...pathsArgument)
    .addOption(option('--check', 'write nothing; fail if a build is not what its sources give'))
    .addOption(jsonOption())
    .action(async (paths: string[], flags: { check?: true; json?: true }) => {
      const contracts = await buildAll(orHere(paths))
      const changed = flags.check ? [...(await changedFiles(contracts)).keys()] : await writeBuilds(contracts)
      const sizes = contracts.map(({ source, build: { manifest } }) => ({
        source,
        preCode: manifest.preCode.size,
        exeCode: manifest.exeCode.size,
        codeHash: manifest.exeCode.hash,
      }))
      print({ contracts: sizes, [flags.check ? 'differs' : 'written']: changed }, flags)
      if (flags.check && changed.length > 0) {
        throw new CommandError('the build is not what the sources give; `bletchley contract build` makes it so')
      }
    })

const testCommand = () =>
  new Command('test')
    .description('Build the contracts of a folder, run its tests, and compare their gas with gas.snapshot.json.')
    .argument(...folderArgument)
    .addOption(runOption())
    .addHelpText('after', '\nA missing snapshot is written, unless CI is set in the environment.')
    .action(async (folder: string, flags: { run?: string }) => {
      await writeBuilds(await buildAll([folder], { reuse: true }))
      await link(folder)
      const { passed, gas } = await runTests(folder, { ...flags, stdout: 'stdout' })
      if (!passed) throw new CommandError('tests failed')
      say(gasTable(gas))
      const snapshot = await readSnapshot(folder)
      if (snapshot !== undefined) checkGas(snapshot, gas, say)
      else if (process.env.CI) throw noSnapshot(folder)
      else say(`written: ${await writeSnapshot(folder, gas)}`)
    })

const gasCommand = () =>
  new Command('gas')
    .description('Run the tests of a folder, and print the gas of each function over all calls that succeeded.')
    .argument(...folderArgument)
    .addOption(option('--check', 'fail if a figure is above that in gas.snapshot.json').conflicts('update'))
    .addOption(option('--update', 'write gas.snapshot.json'))
    .addOption(runOption())
    .addOption(jsonOption())
    .action(async (folder: string, flags: { check?: true; update?: true; run?: string; json?: true }) => {
      await link(folder)
      const { passed, gas } = await runTests(folder, { ...(flags.run && { run: flags.run }), stdout: 'stderr' })
      if (!passed) throw new CommandError('tests failed')
      if (flags.json) print(gas, flags)
      else say(gasTable(gas))
      if (flags.update) warn(`written: ${await writeSnapshot(folder, gas)}`)
      if (flags.check) checkGas(await requireSnapshot(folder), gas, warn)
    })

const inspectCommand = () =>
  new Command('inspect')
    .description('Show what code is made of, what its deployment costs, and whether a worker takes it and why not.')
    .argument('<file>', 'a .wasm file, or the source of a contract')
    .addOption(jsonOption())
    .addHelpText('after', '\nOf a source, functions are shown by name; in code that is built, the names are gone.')
    .action(async (file: string, flags: { json?: true }) => {
      const isSource = file.endsWith('.ts')
      const bytes = isSource ? await compileWithNames(file) : await readBytes(file)
      const { accepted, shown } = inspectModule(file, bytes)
      print(shown, flags)
      if (!accepted) process.exitCode = exitCodes.failed
    })

const abiCommand = () =>
  new Command('abi')
    .description('Build contracts, and write a typed TypeScript client for each beside its JSON ABI.')
    .argument(...pathsArgument)
    .addOption(option('--out <folder>', 'where the clients go instead'))
    .addOption(jsonOption())
    .action(async (paths: string[], flags: { out?: string; json?: true }) => {
      const contracts = await buildAll(orHere(paths), { reuse: true })
      const written = await writeBuilds(contracts)
      for (const { source, build } of contracts) {
        const folder = flags.out ?? join(dirname(source), buildFolder)
        const client = join(folder, `${basename(source, '.ts')}.client.ts`)
        await mkdir(folder, { recursive: true })
        await writeFile(client, clientSource(build.manifest.contract, parseJsonAbi(build.manifest.abi)))
        written.push(client)
      }
      print({ written }, flags)
    })

const bindCommand = () =>
  new Command('bind')
    .description('Print the AssemblyScript class that a contract calls an Ethereum contract with.')
    .argument('<abi>', 'the JSON ABI of the Ethereum contract')
    .addOption(option('--name <class>', 'what the class is called (default: as the file)'))
    .addHelpText('after', '\nExample: bletchley contract bind erc20.json --name Erc20 > erc20.ts')
    .action(async (path: string, flags: { name?: string }) => {
      const stem = basename(path).replace(/\..*$/, '')
      const name = flags.name ?? `${stem.charAt(0).toUpperCase()}${stem.slice(1)}`
      const text = (await readBytes(path)).toString()
      try {
        process.stdout.write(ethereumBinding(text, name))
      } catch (error) {
        throw new CommandError(`${path}: ${(error as Error).message}`)
      }
    })

async function compileWithNames(source: string): Promise<Uint8Array> {
  const { wasm } = await compiling(source, () => compileContract(source, { names: true }))
  return wasm
}

const orHere = (paths: string[]): string[] => (paths.length === 0 ? ['.'] : paths)

async function requireSnapshot(folder: string): Promise<GasSnapshot> {
  const snapshot = await readSnapshot(folder)
  if (snapshot === undefined) throw noSnapshot(folder)
  return snapshot
}

function noSnapshot(folder: string): CommandError {
  return new CommandError(`there is no gas.snapshot.json in ${folder}; \`bletchley contract gas --update\` writes one`)
}

/** Tests import the toolkit by name. */
async function link(folder: string): Promise<void> {
  const linked = await linkPackages(folder)
  if (linked.length > 0) warn(`linked into ${join(folder, 'node_modules')}: ${linked.join(', ')}`)
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

function warn(line: string): void {
  process.stderr.write(`${line}\n`)
}
