// Compiles the secret contracts: contracts/<name>/<name>.ts to contracts/<name>/build/<name>.wasm, and prints their sizes.
// With --check it writes nothing and fails if a committed build is not what the source and the installed compiler give.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import asc from 'assemblyscript/asc'

process.chdir(new URL('../contracts', import.meta.url).pathname)
const check = process.argv.includes('--check')

// A worker runs the first version of WebAssembly, without a start function and without imports but the host's. So each
// later feature is off, failed assertions end in the library's `abort`, and the runtime is the one that starts nothing.
const options = [
  ...['--optimizeLevel', '3', '--shrinkLevel', '2', '--noExportMemory'],
  ...['--runtime', 'stub', '--use', 'abort=lib/host/abort'],
  ...['--disable', 'sign-extension,bulk-memory,mutable-globals,nontrapping-f2i'],
]

async function compile(source) {
  let wasm
  const { error, stderr } = await asc.main([source, '--outFile', 'out.wasm', ...options], {
    readFile: (path) => (existsSync(path) ? readFileSync(path, 'utf8') : null),
    writeFile: (_path, contents) => {
      wasm = contents
    },
    listFiles: () => [],
  })
  if (error) throw new Error(`${source}: ${error.message}\n${stderr.toString()}`)
  return wasm
}

for (const name of readdirSync('.')) {
  const source = `${name}/${name}.ts`
  if (!existsSync(source)) continue
  const wasm = await compile(source)
  const build = `${name}/build/${name}.wasm`
  const same = existsSync(build) && readFileSync(build).equals(wasm)
  const remark = same ? '' : check ? ', but the committed build differs' : ', written'
  process.stdout.write(`contracts/${build}: ${wasm.length} bytes${remark}\n`)
  if (same) continue
  if (check) process.exitCode = 1
  else {
    mkdirSync(dirname(build), { recursive: true })
    writeFileSync(build, wasm)
  }
}
