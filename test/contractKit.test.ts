import { execFile } from 'node:child_process'
import { cp, mkdir, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { clientSource } from '@bletchley/contract'
import { TestNetwork } from '@bletchley/contract/testing'
import { CommandProcess, type ProcessEnd, runCommand, temporaryFolder } from '@bletchley/testkit'
import { AbiFunction } from 'ox'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import wabtPromise from 'wabt'
import { run as runHere } from '../packages/cli/test/run.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
// Nothing here is waited for without letting others have their turn: the runner, and the output of processes.
const run = promisify(execFile)
const contract = (...args: string[]): Promise<ProcessEnd> => runCommand(['contract', ...args], { env: { CI: '' } })
/** For what compiles nothing and starts nothing: a process of its own would take twenty times as long. */
const contractHere = (...args: string[]) => runHere(['contract', ...args])

/** What `bletchley contract new` makes, outside of the repository. */
describe('a project', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let project: string
  const file = (name: string) => join(project, name)

  beforeAll(async () => {
    folder = await temporaryFolder()
    project = join(folder.path, 'my-token')
    const { code, stderr } = await contract('new', project)
    expect(code, stderr).toBe(0)
  })
  afterAll(() => folder[Symbol.asyncDispose]())

  /** Changes the contract for the time of a test; afterwards its build is the old one again. */
  async function changed(from: string, to: string, perform: () => Promise<void>): Promise<void> {
    const [source, kept] = [file('token.ts'), join(folder.path, 'build of before')]
    const text = await readFile(source, 'utf8')
    expect(text).toContain(from)
    await cp(file('build'), kept, { recursive: true })
    await writeFile(source, text.replace(from, to))
    try {
      await perform()
    } finally {
      await writeFile(source, text)
      await cp(kept, file('build'), { recursive: true })
    }
  }

  it('is only made where nothing is', async () => {
    const again = await contract('new', project)
    expect([again.code, again.stderr]).toEqual([1, `error: ${project} is not empty\n`])
  })

  it('builds, tests and remembers its gas at once', async () => {
    const { code, stdout, stderr } = await contract('test', project)
    expect(code, stdout + stderr).toBe(0)
    expect(stdout).toMatch(/pass 3\b/)
    expect(stdout).toMatch(/^token\.transfer +1 +\d{5} +\d{5} +\d{5}$/m)
    expect(await readdir(file('build'))).toEqual(['token.abi.json', 'token.manifest.json', 'token.wasm'])
    expect(JSON.parse(await readFile(file('gas.snapshot.json'), 'utf8'))).toMatchObject({
      token: { transfer: { calls: 1, min: expect.any(Number), median: expect.any(Number), max: expect.any(Number) } },
    })
  })

  it('builds to the same bytes in every folder', async () => {
    const copy = join(folder.path, 'elsewhere', 'copy')
    await mkdir(copy, { recursive: true })
    await cp(file('token.ts'), join(copy, 'token.ts'))
    expect((await contract('build', join(copy, 'token.ts'))).code).toBe(0)
    for (const name of await readdir(file('build'))) {
      const same = (await readFile(join(copy, 'build', name))).equals(await readFile(join(file('build'), name)))
      expect(same, name).toBe(true)
    }
  })

  it('is told what it was built of', async () => {
    const manifest = JSON.parse(await readFile(file('build/token.manifest.json'), 'utf8')) as {
      sources: Record<string, string>
    }
    expect(manifest).toMatchObject({
      contract: 'Token',
      source: 'token.ts',
      library: '@bletchley/contract 0.1.0',
      compiler: expect.stringMatching(/^assemblyscript \d/),
      preCode: { size: (await readFile(file('build/token.wasm'))).length },
      abi: JSON.parse(await readFile(file('build/token.abi.json'), 'utf8')),
    })
    expect(Object.keys(manifest.sources)).toContain('@bletchley/contract/assembly/state.ts')
    expect(Object.keys(manifest.sources).at(-1)).toBe('token.ts')
    const { code, stdout } = await contract('inspect', file('build/token.wasm'), '--json')
    const inspected = JSON.parse(stdout) as { codeHash: string; codeGas: number }
    expect([code, inspected]).toMatchObject([
      0,
      {
        deploy: expect.stringMatching(/^accepted/),
        compute: 'accepted',
        exports: ['function deploy', 'function call'],
      },
    ])
    expect(manifest).toMatchObject({ exeCode: { size: inspected.codeGas, hash: inspected.codeHash } })
  })

  it('is shown by the names of its functions', async () => {
    const { stdout, code } = await contract('inspect', file('token.ts'), '--json')
    const names = (JSON.parse(stdout) as { largest: { name: string }[] }).largest.map(({ name }) => name)
    expect([code, names]).toEqual([0, expect.arrayContaining([expect.stringMatching(/^token~entry\/call/)])])
  })

  it('whose committed build is old is found out', async () => {
    await changed('is too low', 'is low', async () => {
      const { code, stdout, stderr } = await contract('build', '--check', project)
      expect([code, stderr]).toEqual([1, expect.stringContaining('the build is not what the sources give')])
      expect(stdout).toContain('token.wasm')
    })
  })

  it('is the same with the line ends and the byte order mark of other systems', async () => {
    const source = await readFile(file('token.ts'), 'utf8')
    await writeFile(file('token.ts'), `\uFEFF${source.replaceAll('\n', '\r\n')}`)
    const { code, stdout } = await contract('build', '--check', project, '--json')
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { differs: [] }])
    await writeFile(file('token.ts'), source)
    expect(await readFile(file('.gitattributes'), 'utf8')).toContain('eol=lf')
  })

  it('that does not compile is told by file, line and column', async () => {
    await changed('balance - amount', 'balance - amounts', async () => {
      for (const args of [
        ['test', project],
        ['inspect', file('token.ts')],
      ]) {
        const { code, stderr } = await contract(...args)
        expect([code, stderr], args[0]).toEqual([
          1,
          expect.stringMatching(/^\S+\/my-token\/token\.ts:17:\d+: .*amounts/m),
        ])
      }
    })
  })

  it('that is broken fails its tests', async () => {
    await changed('balance >= amount', 'true', async () => {
      const { code, stdout, stderr } = await contract('test', project)
      expect([code, stderr], stdout).toEqual([1, expect.stringContaining('error: tests failed')])
    })
  })

  it('that uses more gas fails with both numbers, until that is accepted', async () => {
    const snapshot = await readFile(file('gas.snapshot.json'), 'utf8')
    const before = (JSON.parse(snapshot) as { token: { transfer: { max: number } } }).token.transfer.max
    await changed('const balance =', 'this.supply.get()\n    const balance =', async () => {
      const { code, stdout, stderr } = await contract('test', project)
      const [, from, to, more] = /token\.transfer: max (\d+) -> (\d+) \(\+(\d+)\)/.exec(stderr) ?? []
      expect([code, Number(from), Number(to)], stdout + stderr).toEqual([1, before, before + Number(more)])
      expect((await contract('gas', '--update', project)).code).toBe(0)
      expect((await contract('gas', '--check', project)).code).toBe(0)
    })
    // Less is no failure, but said.
    const { code, stderr } = await contract('gas', '--check', project)
    expect([code, stderr]).toEqual([0, expect.stringMatching(/token\.transfer: max \d+ -> \d+ \(-/)])
    await writeFile(file('gas.snapshot.json'), snapshot)
  })

  it('runs the examples of the documentation, with each test runner', async () => {
    const text = await readFile(join(root, 'docs/contracts/testing.md'), 'utf8')
    const [node, vitest] = [...text.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code!)
    await mkdir(file('examples'))
    const inExamples = (code: string) => code.replace('./token.ts', '../token.ts')
    await writeFile(file('examples/node.example.js'), inExamples(node!))
    await writeFile(file('examples/vitest.example.test.js'), inExamples(vitest!))
    await symlink(join(root, 'node_modules/vitest'), file('node_modules/vitest'), 'junction')
    // The limit of vitest itself, 5 s, is for tests on a machine that does nothing else.
    const withVitest = 'node node_modules/vitest/vitest.mjs run vitest.example --test-timeout 300000'
    const commands = ['node --test examples/node.example.js', withVitest]
    const runs = await Promise.all(commands.map((run) => contract('gas', project, '--run', run, '--json')))
    for (const [index, { code, stdout, stderr }] of runs.entries()) {
      expect(code, stdout + stderr).toBe(0)
      expect(JSON.parse(stdout), commands[index]).toMatchObject({ token: { balanceOf: { calls: 1 } } })
    }
    await rm(file('examples'), { recursive: true })
  })

  it('needs its snapshot where nobody would commit a new one', async () => {
    const snapshot = await readFile(file('gas.snapshot.json'), 'utf8')
    await rm(file('gas.snapshot.json'))
    const { code, stderr } = await runCommand(['contract', 'test', project], { env: { CI: 'true' } })
    expect([code, stderr]).toEqual([1, expect.stringContaining('there is no gas.snapshot.json')])
    await writeFile(file('gas.snapshot.json'), snapshot)
  })

  it('is clean for an editor', async () => {
    // What the compiler finds in the library, an editor does not show.
    const inContract = async () => (await typeScript(project, '--noEmit')).filter((line) => line.startsWith('token.ts'))
    expect(await inContract()).toEqual([])
    await changed('balance - amount', 'balance - amounts', async () => {
      expect(await inContract()).toEqual([expect.stringMatching(/^token\.ts\(17,.*amounts/)])
    })
  })

  it('gets a client that typechecks, deploys and computes over a real socket', async () => {
    expect((await contract('abi', project)).code).toBe(0)
    const dapp = file('dapp')
    await mkdir(dapp)
    await writeFile(
      join(dapp, 'tsconfig.json'),
      JSON.stringify({
        extends: join(root, 'tsconfig.base.json'),
        compilerOptions: { typeRoots: [join(root, 'node_modules/@types')], declaration: false, sourceMap: false },
        include: ['*.ts', '../build/*.ts'],
      }),
    )
    await writeFile(join(dapp, 'dapp.ts'), dappSource)
    await writeFile(join(dapp, 'wide.client.ts'), clientSource('Wide', wideAbi))
    expect(await typeScript(dapp)).toEqual([])
    await using network = new CommandProcess(['dev', '--bind', 'tcp://127.0.0.1:0', '--data', file('data')])
    const endpoint = (await network.readLine()).replace('ready ', '')
    const { stdout, stderr } = await run(process.execPath, [join(dapp, 'dapp.js'), endpoint])
    expect(stderr).toBe('')
    expect(JSON.parse(stdout)).toEqual({
      supply: '1000',
      bob: '300',
      deltas: [null, 1],
      failure: ['TaskFailed', 'Error in execution of WASM code: unreachable: balance is too low', true],
      kit: '1000',
      gasOfKit: true,
      deltaOfKit: true,
    })
  })
})

/** A function with every type of the ABI, to be typechecked. */
const everyType = [
  'uint32',
  'int64',
  'uint256',
  'bool',
  'address',
  'bytes',
  'bytes32',
  'string',
  'uint64[][]',
  'string[]',
]
const everyValue = everyType.map((type, index) => ({ name: `value${index}`, type }))
const wideAbi = {
  constructorInputs: [],
  functions: [
    { name: 'everything', inputs: everyValue, outputs: everyValue },
    { name: 'contract', inputs: [{ name: 'new', type: 'bool' }], outputs: [] },
  ],
}

/** Uses a client as a dapp does; every line with an expected error must be one. */
const dappSource = `import { readFileSync } from 'node:fs'
import { CoreClient, TaskFailed } from '@bletchley/client'
import { TestNetwork } from '@bletchley/contract/testing'
import { Token, type TokenFunctions } from '../build/token.client.ts'

const [alice, bob] = ['0x${'11'.repeat(20)}', new Uint8Array(20).fill(2)] as const
const code = new URL('../build/token.wasm', import.meta.url)
using client = new CoreClient(process.argv[2]!)
const deployed = await Token.deploy(client, readFileSync(code), [alice, 1000])
const token = Token.at(client, deployed.contract.address)
const supply = await token.totalSupply()
const exact: bigint = supply.value
const { delta, value: nothing } = await token.transfer(alice, bob, 300n)
const none: undefined = nothing
const failure = await token.transfer(alice, bob, 5000n).catch((error: unknown) => error)
// @ts-expect-error a number is no address
const wrong = () => token.balanceOf(1n)
// @ts-expect-error an argument is missing
const short = () => token.transfer(alice, bob)

const kit = await new TestNetwork().deploy<TokenFunctions>(code, [alice, 1000n])
const { value: total, gas }: { value: bigint; gas: number } = kit.call('totalSupply')
const first = await client.methods.getDelta({ address: deployed.contract.address, key: 0 })
// @ts-expect-error there is no such function
const unknown = () => kit.call('burn')
// @ts-expect-error the arguments are missing
const missing = () => kit.call('balanceOf')

void [none, wrong, short, unknown, missing]
process.stdout.write(
  JSON.stringify({
    supply: String(exact),
    bob: String((await token.balanceOf(bob)).value),
    deltas: [supply.delta ?? null, delta],
    failure: failure instanceof TaskFailed && [failure.name, failure.message, failure.usedGas > 0n],
    kit: String(total),
    gasOfKit: BigInt(gas) === supply.usedGas,
    deltaOfKit: first.data.length === kit.deployment.delta?.size,
  }),
)
`

/** What the TypeScript compiler says of a folder. */
async function typeScript(folder: string, ...args: string[]): Promise<string[]> {
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const compiling = run(process.execPath, [compiler, '-p', folder, '--pretty', 'false', ...args], { cwd: folder })
  // It fails where it finds something.
  const { stdout } = await compiling.catch((error: { stdout: string }) => error)
  return stdout.split('\n').filter(Boolean)
}

describe('bletchley contract', () => {
  it('explains itself', async () => {
    const { code, stdout } = await contract('--help')
    expect(code).toBe(0)
    for (const command of ['new', 'build', 'test', 'gas', 'inspect', 'abi', 'bind']) {
      expect(stdout, command).toMatch(new RegExp(`^  ${command} `, 'm'))
      const help = await contractHere(command, '--help')
      const usage = expect.stringContaining(`Usage: bletchley contract ${command} `)
      expect([help.code, help.stdout], command).toEqual([0, usage])
    }
  })

  it('tells scripts what went wrong by the exit code', async () => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'module.ts'), 'export const nothing = 1')
    await writeFile(join(folder.path, 'module.wasm'), '')
    const wrong: [args: string[], code: number, text: string][] = [
      [['new'], 2, 'missing required argument'],
      [['burn'], 2, 'unknown command'],
      [['build', '--fast'], 2, 'unknown option'],
      [['gas', '--check', '--update'], 2, 'cannot be used with'],
      [['build', join(folder.path, 'none.ts')], 2, 'there is no'],
      [['build', join(folder.path, 'module.wasm')], 2, 'neither a folder nor the source'],
      [['build', folder.path], 1, 'has a class with @contract'],
      [['build', join(folder.path, 'module.ts')], 1, '@contract'],
      [['test', folder.path], 1, 'has a class with @contract'],
      [['gas', folder.path], 1, 'there are no tests'],
      [['inspect', join(folder.path, 'none.wasm')], 1, 'it is not there (ENOENT)'],
    ]
    for (const [args, code, text] of wrong) {
      const { code: actual, stderr } = await contractHere(...args)
      expect([actual, stderr], args.join(' ')).toEqual([code, expect.stringContaining(text)])
    }
    expect((await contract('new')).code).toBe(2)
    expect((await contract('gas', folder.path)).code).toBe(1)
  })
})

describe('the tests of a folder', () => {
  const passing = "import { test } from 'node:test'\ntest('is here', () => {})\n"

  it('are all run, though their names could be patterns', async () => {
    await using folder = await temporaryFolder()
    const names = ['unit [fast]/a.test.mjs', '{a,b}/c.test.mjs', '!(x)/d.test.mjs', '$&/**/e.test.mjs', '?.test.mjs']
    for (const name of names) {
      await mkdir(dirname(join(folder.path, name)), { recursive: true })
      await writeFile(join(folder.path, name), passing)
    }
    const { code, stderr } = await contract('gas', folder.path)
    expect([code, stderr]).toEqual([0, expect.stringMatching(/pass 5\b/)])
    await writeFile(join(folder.path, names[0]!), passing.replace('{}', "{ throw new Error('on purpose') }"))
    const failing = await contract('gas', folder.path)
    expect([failing.code, failing.stderr]).toEqual([1, expect.stringContaining('error: tests failed')])
  })

  it('may be yet to be done, and fail meanwhile', async () => {
    await using folder = await temporaryFolder()
    const throws = "{ throw new Error('on purpose') }"
    await writeFile(join(folder.path, 'todo.test.mjs'), passing.replace('test(', 'test.todo(').replace('{}', throws))
    const { code, stderr } = await contract('gas', folder.path)
    expect([code, stderr]).toEqual([0, expect.stringMatching(/todo 1\b/)])
  })

  it('fail with a file that has none and cannot be run', async () => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'broken.test.mjs'), "throw new Error('on purpose')\n")
    const { code, stderr } = await contract('gas', folder.path)
    expect([code, stderr]).toEqual([1, expect.stringContaining('error: tests failed')])
  })

  it('may be calls of a contract that do not say that they are tests', async () => {
    await using folder = await temporaryFolder()
    const entry = JSON.stringify({ contract: 'token', function: 'f', gas: 7 })
    const log = `join(process.env.BLETCHLEY_GAS_LOG, '1.jsonl'), ${JSON.stringify(`${entry}\n`)}`
    await writeFile(
      join(folder.path, 'calls.test.mjs'),
      `import { appendFileSync } from 'node:fs'\nimport { join } from 'node:path'\nappendFileSync(${log})\n`,
    )
    const { code, stdout } = await contract('gas', folder.path, '--json')
    expect([code, JSON.parse(stdout)]).toEqual([0, { token: { f: { calls: 1, min: 7, median: 7, max: 7 } } }])
  })

  it.each([
    ['skipped', "test.skip('a', () => {})"],
    ['skipped in a suite', "describe('s', () => { test.skip('a', () => {}) })"],
    ['skipped with its suite', "describe.skip('s', () => { test('a', () => {}) })"],
    ['an empty suite', "describe('s', () => {})"],
    ['yet to be written', "test.todo('a')"],
  ])('are no success if there is none in the files: %s', async (_, text) => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'empty.test.mjs'), '')
    await writeFile(join(folder.path, 'a.test.mjs'), `import { describe, test } from 'node:test'\n${text}\n`)
    const { code, stderr } = await contract('gas', folder.path)
    expect([code, stderr]).toEqual([1, expect.stringContaining(`no test was run in ${folder.path}`)])
  })

  const never = '() => new Promise((resolve) => setTimeout(resolve, 1e9))'
  it.each([
    ['before it reports any', "test('a', () => { throw new Error() })\nprocess.exit(0)"],
    ['in one', "test('a', () => process.exit(0))"],
    ['after some', `test('a', () => {})\ntest('b', ${never})\nsetTimeout(() => process.exit(0), 100)`],
    ['in a suite', `describe('s', () => { test('a', ${never}) })\nsetTimeout(() => process.exit(0), 100)`],
  ])('do not pass if their process is ended %s', async (_, text) => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'whole.test.mjs'), passing)
    const file = join(folder.path, 'exits.test.mjs')
    await writeFile(file, `import { describe, test } from 'node:test'\n${text}\n`)
    const { code, stderr } = await contract('gas', folder.path)
    expect([code, stderr]).toEqual([
      1,
      expect.stringContaining(`${file} called process.exit: not all of its tests were run\n`),
    ])
  })

  it('may end their process when they are done, and be CommonJS', async () => {
    await using folder = await temporaryFolder()
    const text = "const { after, test } = require('node:test')\ntest('a', () => {})\n"
    // What it leaves open would keep the process.
    const open = 'setInterval(() => {}, 1e9)\nafter(() => setTimeout(() => process.exit(0), 100))\n'
    await writeFile(join(folder.path, 'a.test.cjs'), text + open)
    const { code, stderr } = await contract('gas', folder.path)
    expect([code, stderr]).toEqual([0, expect.stringMatching(/pass 1\b/)])
  })
})

describe('bletchley contract bind', () => {
  it('prints a class that a contract can use', async () => {
    await using folder = await temporaryFolder()
    const path = (name: string) => join(folder.path, name)
    const notify = { type: 'function', name: 'notify', inputs: [{ name: 'amount', type: 'uint256' }], outputs: [] }
    await writeFile(path('bridge.json'), JSON.stringify([notify]))
    const { code, stdout } = await contract('bind', path('bridge.json'))
    expect([code, stdout]).toEqual([0, expect.stringContaining('export class Bridge extends EthereumContract')])
    await writeFile(path('bridge.ts'), stdout)
    await writeFile(
      path('teller.ts'),
      `import { Address, U256 } from '@bletchley/contract/assembly'
      import { Bridge } from './bridge'
      @contract
      export class Teller {
        tell(to: Address, amount: U256): void { new Bridge(to).notify(amount) }
      }`,
    )
    const to = `0x${'ab'.repeat(20)}`
    expect((await contract('build', folder.path)).code).toBe(0)
    const teller = await new TestNetwork().deploy(path('teller.ts'))
    const payload = `0x${AbiFunction.encodeData(AbiFunction.from('function notify(uint256)'), [7n]).slice(2)}`
    expect(teller.call('tell', [to, 7n]).ethereumCall).toEqual({ address: to, payload })
    expect((await contract('bind', path('bridge.json'), '--name', 'no name')).code).toBe(1)
    expect((await contract('bind', path('bridge.ts'))).stderr).toContain('the ABI is not JSON')
  })
})

describe('bletchley contract inspect', () => {
  const refused: [why: string, source: string | Uint8Array, told: object][] = [
    [
      'no memory',
      '(module (func (export "call")) (func (export "deploy")))',
      { deploy: expect.stringContaining('no memory') },
    ],
    [
      'a start function',
      '(module (memory 1) (func $f) (start $f) (func (export "call")))',
      { deploy: expect.stringContaining('start function is not allowed') },
    ],
    [
      'a foreign import',
      '(module (import "wasi" "exit" (func)) (memory 1) (func (export "call") (call 0)))',
      { compute: expect.stringContaining('Module wasi not found') },
    ],
    [
      'an unknown host function',
      '(module (import "env" "abort" (func)) (memory 1) (func (export "call") (call 0)))',
      { compute: expect.stringContaining('Export abort not found') },
    ],
    [
      'a host function of another type',
      '(module (import "env" "ret" (func)) (memory 1) (func (export "call") (call 0)))',
      { compute: expect.stringContaining('Expected function with type') },
    ],
    [
      'no export call',
      '(module (memory 1) (func (export "deploy")))',
      { compute: expect.stringContaining("doesn't have export call") },
    ],
    [
      'a call with parameters',
      '(module (memory 1) (func (export "call") (param i32)))',
      { compute: expect.stringContaining('unexpected signature') },
    ],
    [
      'a constructor with parameters',
      '(module (memory 1) (func (export "call")) (func (export "deploy") (param i32)))',
      { deploy: expect.stringContaining('export deploy does not have the type') },
    ],
    [
      'a newer opcode',
      '(module (memory 1) (func (export "call") (drop (i32.extend8_s (i32.const 1)))))',
      { error: expect.stringContaining('Unknown opcode 192'), hint: expect.stringContaining('target-cpu=mvp') },
    ],
    [
      'a table number that newer compilers write in five bytes',
      // wabt writes the shorter form: call_indirect with the table 80 80 80 80 00.
      Buffer.from(
        '0061736d01000000010401600000030201000404017000010503010001' +
          '0708010463616c6c00000a0d010b004100110080808080000b',
        'hex',
      ),
      { error: expect.stringContaining('Invalid reserved byte 128'), hint: expect.stringContaining('wasm32v1-none') },
    ],
    [
      'a table that is too large',
      '(module (memory 1) (table 20000 funcref) (func (export "call")))',
      { deploy: expect.stringContaining('table has more than') },
    ],
    [
      'a type error',
      '(module (memory 1) (func (export "call") (i32.add (i64.const 1) (i32.const 1)) drop))',
      { compute: expect.stringMatching(/Validation: module is not valid \(.*i32\.add/) },
    ],
  ]

  it.each(refused)('tells of %s', async (_, source, told) => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'module.wasm')
    const wabt = await wabtPromise()
    const assembled = (text: string) => wabt.parseWat('module.wat', text, { sign_extension: true }).toBinary({}).buffer
    await writeFile(path, typeof source === 'string' ? assembled(source) : source)
    const { code, stdout } = await contractHere('inspect', path, '--json')
    expect([code, JSON.parse(stdout)]).toEqual([1, expect.objectContaining(told)])
  })

  it('takes what workers take', async () => {
    const rust = join(root, 'packages/sandbox/vectors/rust/erc20.wasm')
    const { code, stdout } = await contract('inspect', rust, '--json')
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { compute: 'accepted', codeGas: expect.any(Number) }])
    expect((await runCommand(['inspect', rust, '--json'])).stdout).toBe(stdout)
  })
})
