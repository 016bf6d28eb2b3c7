import { type AbiFunction, type AbiParameter, type ContractAbi, constructorMethod, signatureOf } from './abi.ts'

/**
 * The TypeScript of a client: a class with a method for each function of a contract, and their types for the test kit. It
 * needs `@bletchley/client`.
 *
 * @param contract name of the class; the client's has the same
 * @throws TypeError if the ABI has a type that contracts do not have
 */
export function clientSource(contract: string, { constructorInputs, functions }: ContractAbi): string {
  const construct = `${contract}Constructor`
  const types = [
    `export type ${construct} = ${argumentTuple(constructorInputs)}`,
    '',
    '/** Arguments and results of the functions; `TestNetwork.deploy` of the test kit takes them as its type. */',
    `export type ${contract}Functions = {`,
    ...functions.map(
      ({ name, inputs, outputs }) => `  ${name}: { args: ${argumentTuple(inputs)}; result: ${resultType(outputs)} }`,
    ),
    '}',
  ]
  const body = [
    `export class ${contract} {`,
    '  readonly contract: SecretContract',
    '',
    '  constructor(contract: SecretContract) {',
    '    this.contract = contract',
    '  }',
    '',
    '  /** The contract that is deployed at an address of 32 bytes. */',
    `  static at(client: CoreClient, address: Uint8Array, options?: ContractOptions): ${contract} {`,
    `    return new ${contract}(new SecretContract(client, address, options))`,
    '  }',
    '',
    `  static async deploy(client: CoreClient, preCode: Uint8Array, args: ${construct}, options?: DeployOptions): Promise<${contract}> {`,
    `    const construct = '${signatureOf(constructorMethod, constructorInputs)}'`,
    `    return new ${contract}(await SecretContract.deploy(client, preCode, construct, args, options))`,
    '  }',
    ...functions.flatMap((each) => ['', ...method(each, functions)]),
    '}',
  ]
  const text = [...types, ...body].join('\n')
  return [
    `// The client of ${contract}, written by \`bletchley contract abi\`. The functions throw TaskFailed if their task fails.`,
    "import { type Computed, type ContractOptions, type CoreClient, type DeployOptions, SecretContract } from '@bletchley/client'",
    '',
    ...(/\bBytes\b/.test(text)
      ? ['/** Hexadecimal digits behind 0x, or the bytes. */', 'type Bytes = Hex | Uint8Array', '']
      : []),
    ...(/\b(Hex|Bytes)\b/.test(text) ? [`type Hex = \`0x\${string}\``, ''] : []),
    ...(/\bInteger\b/.test(text) ? ['type Integer = bigint | number', ''] : []),
    ...types,
    '',
    ...body,
    '',
  ].join('\n')
}

function method({ name, inputs, outputs }: AbiFunction, functions: readonly AbiFunction[]): string[] {
  const names = parameterNames(inputs)
  const parameters = inputs.map(({ type }, index) => `${names[index]}: ${argumentType(type)}`)
  const results = outputs.map((output) => `{ name: '${output.name}', type: '${output.type}' }`)
  return [
    `  ${methodName(name, functions)}(${parameters.join(', ')}): Promise<Computed<${resultType(outputs)}>> {`,
    `    return this.contract.compute('${signatureOf(name, inputs)}', [${results.join(', ')}], [${names.join(', ')}])`,
    '  }',
  ]
}

function methodName(name: string, functions: readonly AbiFunction[]): string {
  let free = name
  while (takenNames.has(free) || (free !== name && functions.some((each) => each.name === free))) free += '_'
  return free
}

/** Members of the class that are there already, and what would make it a promise. */
const takenNames = new Set(['constructor', 'contract', 'then'])

function argumentTuple(inputs: readonly AbiParameter[]): string {
  const names = parameterNames(inputs)
  return `[${inputs.map(({ type }, index) => `${names[index]}: ${argumentType(type)}`).join(', ')}]`
}

/** Their names, or their positions where these cannot be names of parameters. */
function parameterNames(inputs: readonly AbiParameter[]): string[] {
  const usable = inputs.every(({ name }, index) => {
    const isFirst = inputs.findIndex((other) => other.name === name) === index
    return name !== '' && isFirst && !reservedWords.has(name)
  })
  return inputs.map(({ name }, index) => (usable ? name : `arg${index}`))
}

function resultType(outputs: readonly AbiParameter[]): string {
  const types = outputs.map(({ type }) => typeScriptType(type, outputTypes))
  if (types.length <= 1) return types[0] ?? 'undefined'
  if (outputs.some(({ name }) => name === '')) return `[${types.join(', ')}]`
  return `{ ${outputs.map(({ name }, index) => `${name}: ${types[index]}`).join('; ')} }`
}

const argumentType = (type: string): string => typeScriptType(type, argumentTypes)

interface TypeNames {
  integer: string
  bytes: string
  array: (element: string) => string
}

const argumentTypes: TypeNames = { integer: 'Integer', bytes: 'Bytes', array: (element) => `ReadonlyArray<${element}>` }
const outputTypes: TypeNames = { integer: 'bigint', bytes: 'Hex', array: (element) => `${element}[]` }

function typeScriptType(type: string, names: TypeNames): string {
  const [, element] = /^(.+)\[\d*\]$/.exec(type) ?? []
  if (element !== undefined) return names.array(typeScriptType(element, names))
  if (type === 'bool') return 'boolean'
  if (type === 'string') return 'string'
  if (/^u?int\d*$/.test(type)) return names.integer
  if (/^(address|bytes\d*)$/.test(type)) return names.bytes
  throw new TypeError(`A contract has no type ${type}`)
}

/** What TypeScript takes for something else, or the methods use. */
const reservedWords = new Set(
  `arguments await break case catch class const continue debugger default delete do else enum eval export extends false
  finally for function if implements import in instanceof interface let new null package private protected public return
  static super switch this throw true try typeof var void while with yield`.split(/\s+/),
)
