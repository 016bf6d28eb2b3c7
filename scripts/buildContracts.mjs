// Compiles the secret contracts of contracts/<name>/ to their build/ folders, and prints their sizes. The examples are built
// as `bletchley contract` builds them; the ledger is older than the toolkit and uses the files of contracts/lib.
// With --check it writes nothing and fails if a committed file is not what the sources and the installed compiler give.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import {
  buildContract,
  buildFiles,
  clientSource,
  ethereumBinding,
  findContracts,
  parseJsonAbi,
} from '@bletchley/contract'
import asc from 'assemblyscript/asc'

process.chdir(fileURLToPath(new URL('../contracts', import.meta.url)))
const check = process.argv.includes('--check')

/** What the compiler is told for the ledger; its library does without the toolkit's transform. */
const ledgerOptions = [
  ...['--optimizeLevel', '3', '--shrinkLevel', '2', '--noExportMemory'],
  ...['--runtime', 'stub', '--use', 'abort=lib/host/abort'],
  ...['--disable', 'sign-extension,bulk-memory,mutable-globals,nontrapping-f2i'],
]

async function compileLedger(source) {
  let wasm
  const { error, stderr } = await asc.main([source, '--outFile', 'out.wasm', ...ledgerOptions], {
    readFile: (path) => (existsSync(path) ? readFileSync(path, 'utf8') : null),
    writeFile: (_path, contents) => {
      wasm = contents
    },
    listFiles: () => [],
  })
  if (error) throw new Error(`${source}: ${error.message}\n${stderr.toString()}`)
  return wasm
}

/** Writes what differs, or says so. */
function settle(path, contents) {
  const bytes = Buffer.from(contents)
  if (existsSync(path) && readFileSync(path).equals(bytes)) return
  process.stdout.write(`contracts/${path}: ${check ? 'the committed file differs' : 'written'}\n`)
  if (check) process.exitCode = 1
  else {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, bytes)
  }
}

for (const { name: folder } of readdirSync('.', { withFileTypes: true }).filter((entry) => entry.isDirectory())) {
  // Contracts on Ethereum that are called: x.abi.json becomes the class X in x.ts.
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.abi.json'))) {
    const name = basename(file, '.abi.json')
    const className = name[0].toUpperCase() + name.slice(1)
    settle(join(folder, `${name}.ts`), ethereumBinding(readFileSync(join(folder, file), 'utf8'), className))
  }
  for (const source of await findContracts(folder)) {
    const build = await buildContract(source)
    const { contract, preCode, exeCode, abi } = build.manifest
    process.stdout.write(`contracts/${source}: ${preCode.size} bytes, ${exeCode.size} of them exeCode\n`)
    for (const [path, bytes] of buildFiles(source, build)) settle(path, bytes)
    const client = clientSource(contract, parseJsonAbi(abi))
    settle(join(folder, 'build', `${basename(source, '.ts')}.client.ts`), client)
  }
}

const ledger = await compileLedger('ledger/ledger.ts')
process.stdout.write(`contracts/ledger/ledger.ts: ${ledger.length} bytes\n`)
settle('ledger/build/ledger.wasm', ledger)
