import { createTask, createUserKeys, isAbiName, parseCallable } from '@bletchley/client/user'
import { util } from 'assemblyscript'
import { transform } from 'esbuild'
import { beforeAll, describe, expect, it } from 'vitest'
import { type CompiledContract, clientSource, parseJsonAbi, signatureOf, toJsonAbi } from '../src/index.ts'
import { compileText, encodeValues, Running } from './support/contracts.ts'

/** Names of functions, of their parameters and of members of results. */
const names = [
  ...['$pay', 'pay$2', '_pay', '$', '_', '$$', 'größe', 'Ω', '名前', 'naïve'],
  ...['delete', 'class', 'if', 'new', 'null', 'import', 'export', 'enum', 'interface', 'type', 'await', 'async'],
  ...['then', 'then_', 'contract', 'contract_', 'at', 'deploy', 'client', 'call', 'compute', 'run', 'address', 'state'],
  ...['toString', 'valueOf', 'toJSON', 'hasOwnProperty', 'prototype', '__proto__', 'arguments', 'length', 'name'],
  ...['u32', 'string', 'Map', 'Contract', 'entry', 'library', 'main', 'memory'],
]
/** What is a keyword even there, of those. */
const parameters = names.filter(
  (name) => !/^(delete|class|if|new|null|import|export|enum|interface|type|await|async)$/.test(name),
)

const source = `import { U256 } from '@bletchley/contract/assembly'
@tuple class All { constructor(${parameters.map((name) => `public ${name}: u64`).join(', ')}) {} }
@contract export class Names {
${names.map((name, index) => `  ${name}(a: u64): u64 { return a + ${index} }`).join('\n')}
  takesAll(${parameters.map((name) => `${name}: u64`).join(', ')}): All { return new All(${parameters.join(', ')}) }
}`

describe('a name that the compiler takes', () => {
  let contract: CompiledContract
  let running: Running

  beforeAll(async () => {
    contract = await compileText(source)
    running = Running.deploy(contract.wasm)
  })

  it('is called by users', () => {
    const expected = names.map((name, index) => `${name}: ${7 + index}`)
    const answers = names.map((name) => {
      const { name: called, types } = parseCallable(`${name}(uint64)`)
      const outcome = running.call(called, encodeValues(types, [7n]))
      return `${name}: ${outcome.kind === 'success' ? Number(`0x${Buffer.from(outcome.output).toString('hex')}`) : outcome.message}`
    })
    expect(answers).toEqual(expected)
  })

  it('stays what it is in the JSON ABI', () => {
    expect(parseJsonAbi(JSON.parse(JSON.stringify(toJsonAbi(contract.abi))))).toEqual(contract.abi)
  })

  it('is a method of the client that calls it', async () => {
    const client = clientSource('Names', contract.abi)
    const { code, warnings } = await transform(client, { loader: 'ts', charset: 'utf8' })
    expect(warnings.map(({ text }) => text)).toEqual([])
    for (const { name, inputs } of contract.abi.functions)
      expect(code).toContain(`compute("${signatureOf(name, inputs)}"`)
  })
})

describe('names', () => {
  it('are the same for the compiler and for users, letter by letter', () => {
    const differing: string[] = []
    for (let code = 0; code <= 0x10ffff; code++) {
      const letter = String.fromCodePoint(code)
      if (util.isIdentifierStart(code) && !isAbiName(letter)) differing.push(`start ${code.toString(16)}`)
      if (util.isIdentifierPart(code) && !isAbiName(`a${letter}`)) differing.push(`part ${code.toString(16)}`)
    }
    expect(differing).toEqual([])
  })

  it.each(['', ' a', 'a ', 'a b', 'a-b', 'a(', '1a', 'a.b', 'a\n', '\u{1f600}'])('%j is none', (name) => {
    expect(isAbiName(name)).toBe(false)
    expect(() => parseCallable(`f${name}`)).toThrow('A call has the form')
    expect(() => parseJsonAbi([{ type: 'function', name }])).toThrow('A JSON ABI has no function')
  })

  it.each(['constructor(): void {} constructor', '#a', "'a'", '[1]', 'construct', 'a-b', '1a', '\u{1f600}'])(
    '%s is refused where it stands',
    async (name) => {
      await expect(compileText(`@contract export class C {\n  ${name}(): void {}\n}`)).rejects.toThrow(
        /^contract\.ts:\d+:\d+: /,
      )
    },
  )

  it('reach the contract as they are, whatever is around the call', async () => {
    const { publicKey } = createUserKeys()
    const spaced = createTask({ workerEncryptionKey: publicKey, callable: ' f()\n', userKeys: createUserKeys() })
    const plain = createTask({ workerEncryptionKey: publicKey, callable: 'f()', userKeys: createUserKeys() })
    expect(spaced.encryptedFn).toHaveLength(plain.encryptedFn.length)
  })
})
