import { type AbiFunction, type AbiParameter, type ContractAbi, constructorMethod, signatureOf } from './abi.ts'
import { reservedWords } from './typeScriptNames.ts'

/**
 * The TypeScript of a client: a class with a method for each function of a contract, and their types for the test kit. It
 * needs `@bletchley/client`.
 *
 * @param contract name of the class; the client's has the same
 * @throws TypeError if the ABI has a type that contracts do not have
 */
export function clientSource(contract: string, { constructorInputs, functions }: ContractAbi): string {
  const names = namesBeside(contract)
  const { own, imported, outer } = names
  const construct = `${contract}Constructor`
  const types = [
    `export type ${construct} = ${argumentTuple(constructorInputs, names)}`,
    '',
    '/** Arguments and results of the functions; `TestNetwork.deploy` of the test kit takes them as its type. */',
    `export type ${contract}Functions = {`,
    ...functions.map(
      ({ name, inputs, outputs }) =>
        `  ${name}: { args: ${argumentTuple(inputs, names)}; result: ${resultType(outputs, names)} }`,
    ),
    '}',
  ]
  const [client, address, preCode, args, options] = ['client', 'address', 'preCode', 'args', 'options'].map(own)
  const body = [
    `export class ${contract} {`,
    `  readonly contract: ${own('SecretContract')}`,
    '',
    `  constructor(contract: ${own('SecretContract')}) {`,
    '    this.contract = contract',
    '  }',
    '',
    '  /** The contract that is deployed at an address of 32 bytes. */',
    `  static at(${client}: ${own('CoreClient')}, ${address}: ${outer('Uint8Array')}, ${options}?: ${own('ContractOptions')}): ${contract} {`,
    `    return new ${contract}(new ${own('SecretContract')}(${client}, ${address}, ${options}))`,
    '  }',
    '',
    `  static async deploy(${client}: ${own('CoreClient')}, ${preCode}: ${outer('Uint8Array')}, ${args}: ${construct}, ${options}?: ${own('DeployOptions')}): ${outer('Promise')}<${contract}> {`,
    `    const ${own('construct')} = '${signatureOf(constructorMethod, constructorInputs)}'`,
    `    return new ${contract}(await ${own('SecretContract')}.deploy(${client}, ${preCode}, ${own('construct')}, ${args}, ${options}))`,
    '  }',
    ...functions.flatMap((each) => ['', ...method(each, functions, names)]),
    '}',
  ]
  const text = [...types, ...body].join('\n')
  const uses = (name: string) => new RegExp(`\\b${name}\\b`).test(text)
  const [bytes, hex, integer] = ['Bytes', 'Hex', 'Integer'].map(own) as [string, string, string]
  return [
    `// The client of ${contract}, written by \`bletchley contract abi\`. The functions throw TaskFailed if their task fails.`,
    `import { type ${imported('Computed')}, type ${imported('ContractOptions')}, type ${imported('CoreClient')}, type ${imported('DeployOptions')}, ${imported('SecretContract')} } from '@bletchley/client'`,
    '',
    ...(uses(bytes)
      ? ['/** Hexadecimal digits behind 0x, or the bytes. */', `type ${bytes} = ${hex} | ${outer('Uint8Array')}`, '']
      : []),
    ...(uses(bytes) || uses(hex) ? [`type ${hex} = \`0x\${string}\``, ''] : []),
    ...(uses(integer) ? [`type ${integer} = bigint | number`, ''] : []),
    ...types,
    '',
    ...body,
    '',
  ].join('\n')
}

/** What the names of the client's source are beside those that the author gave. */
interface Names {
  /** What the source declares. */
  own: (name: string) => string
  /** What it imports, as the import says it. */
  imported: (name: string) => string
  /** What TypeScript has for all. */
  outer: (name: string) => string
}

function namesBeside(contract: string): Names {
  const own = (name: string) => (name === contract ? `${name}_` : name)
  return {
    own,
    imported: (name) => (name === contract ? `${name} as ${own(name)}` : name),
    outer: (name) => (name === contract ? `globalThis.${name}` : name),
  }
}

function method({ name, inputs, outputs }: AbiFunction, functions: readonly AbiFunction[], types: Names): string[] {
  const names = parameterNames(inputs)
  const parameters = inputs.map(({ type }, index) => `${names[index]}: ${argumentType(type, types)}`)
  const results = outputs.map((output) => `{ name: '${output.name}', type: '${output.type}' }`)
  const result = `${types.outer('Promise')}<${types.own('Computed')}<${resultType(outputs, types)}>>`
  return [
    `  ${methodName(name, functions)}(${parameters.join(', ')}): ${result} {`,
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

function argumentTuple(inputs: readonly AbiParameter[], types: Names): string {
  const names = parameterNames(inputs)
  return `[${inputs.map(({ type }, index) => `${names[index]}: ${argumentType(type, types)}`).join(', ')}]`
}

/** Their names, or their positions where these cannot be names of parameters. */
function parameterNames(inputs: readonly AbiParameter[]): string[] {
  const usable = inputs.every(({ name }, index) => {
    const isFirst = inputs.findIndex((other) => other.name === name) === index
    return name !== '' && isFirst && !reservedWords.has(name)
  })
  return inputs.map(({ name }, index) => (usable ? name : `arg${index}`))
}

function resultType(outputs: readonly AbiParameter[], names: Names): string {
  const types = outputs.map(({ type }) =>
    typeScriptType(type, { integer: 'bigint', bytes: names.own('Hex'), array: (element) => `${element}[]` }),
  )
  if (types.length <= 1) return types[0] ?? 'undefined'
  if (outputs.some(({ name }) => name === '')) return `[${types.join(', ')}]`
  return `{ ${outputs.map(({ name }, index) => `${name}: ${types[index]}`).join('; ')} }`
}

function argumentType(type: string, { own, outer }: Names): string {
  const array = (element: string) => `${outer('ReadonlyArray')}<${element}>`
  return typeScriptType(type, { integer: own('Integer'), bytes: own('Bytes'), array })
}

interface TypeNames {
  integer: string
  bytes: string
  array: (element: string) => string
}

function typeScriptType(type: string, names: TypeNames): string {
  const [, element] = /^(.+)\[\d*\]$/.exec(type) ?? []
  if (element !== undefined) return names.array(typeScriptType(element, names))
  if (type === 'bool') return 'boolean'
  if (type === 'string') return 'string'
  if (/^u?int\d*$/.test(type)) return names.integer
  if (/^(address|bytes\d*)$/.test(type)) return names.bytes
  throw new TypeError(`A contract has no type ${type}`)
}
