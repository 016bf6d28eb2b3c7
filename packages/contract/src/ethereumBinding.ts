import { bytesToHex, utf8ToBytes } from '@bletchley/bytes'
import { keccak256 } from '@bletchley/crypto'
import { type AbiParameter, signatureOf } from './abi.ts'
import { libraryTypes, numbers, sourceTypeOf } from './sourceTypes.ts'

/**
 * The AssemblyScript of a class for a contract on Ethereum, with a method for each of its functions.
 *
 * A method asks for a call when the task is settled on the chain; calls return nothing, and the last one of a task counts.
 *
 * @param abiJson   the JSON ABI of the contract, as Solidity's compiler writes it
 * @param className of the class that is made
 * @throws TypeError if that is no ABI; RangeError if it has a type, or a name, that a method cannot have
 */
export function ethereumBinding(abiJson: string, className: string): string {
  if (!identifier.test(className) || reserved.has(className) || takenClasses.has(className))
    throw new RangeError(`${className} cannot be the name of a class`)
  const functions = parseFunctions(abiJson)
  const names = functions.map(({ name }) => name)
  for (const { name, inputs } of functions) {
    if (names.indexOf(name) !== names.lastIndexOf(name)) {
      throw new RangeError(`${name} is there more than once, and AssemblyScript has one method of a name: leave one`)
    }
    if (!identifier.test(name) || inherited.has(name)) throw new RangeError(`${name} cannot be the name of a method`)
    for (const { type } of inputs) {
      if (sourceTypeOf(type) === undefined)
        throw new RangeError(`${signatureOf(name, inputs)}: ${type} is not supported`)
    }
  }
  const types = functions.flatMap(({ inputs }) => inputs.map(({ type }) => sourceTypeOf(type)!))
  const imported = new Set(types.flatMap((type) => type.match(/\b[A-Z]\w*/g) ?? []))
  imported.delete('Array')
  return [
    `// Made by ethereumBinding from the JSON ABI of ${className}. Make it again instead of changing it.`,
    `import { ${['EthereumContract', ...[...imported].sort()].join(', ')} } from '@bletchley/contract/assembly'`,
    '',
    `export class ${className} extends EthereumContract {`,
    functions.map(methodOf).join('\n\n'),
    '}',
    '',
  ].join('\n')
}

interface EthereumFunction {
  name: string
  inputs: readonly AbiParameter[]
}

const identifier = /^[A-Za-z_$][\w$]*$/

/** What the class's source uses by name. */
const takenClasses = new Set(['Array', 'EthereumContract', ...Object.keys({ ...numbers, ...libraryTypes })])

/** Members that each of these classes has. */
const inherited = new Set(['constructor', 'address', 'beginCall', 'headsEnd', 'sendCall'])

/** What a parameter cannot be called. */
const reserved = new Set(
  `args break case catch class const continue default delete do else enum export extends false finally for function if
  import in instanceof let new null return static super switch this throw true try typeof var void while with yield`.split(
    /\s+/,
  ),
)

function methodOf({ name, inputs }: EthereumFunction): string {
  const signature = signatureOf(name, inputs)
  const selector = bytesToHex(keccak256(utf8ToBytes(signature)).subarray(0, 4))
  const given = inputs.map((input) => input.name)
  // Parameters of an ABI need no names, and their names need not be ones of AssemblyScript.
  const usable =
    given.every((each) => identifier.test(each) && !reserved.has(each)) && new Set(given).size === given.length
  const parameters = inputs.map((input, index) => ({
    name: usable ? input.name : `argument${index + 1}`,
    type: sourceTypeOf(input.type)!,
  }))
  return [
    `  /** \`${signature}\` */`,
    `  ${name}(${parameters.map((each) => `${each.name}: ${each.type}`).join(', ')}): void {`,
    `    const args = this.beginCall(${inputs.length})`,
    ...parameters.map((each) => `    args.write<${each.type}>(${each.name})`),
    `    this.sendCall(0x${selector}, args)`,
    '  }',
  ].join('\n')
}

function parseFunctions(abiJson: string): EthereumFunction[] {
  let entries: unknown
  try {
    entries = JSON.parse(abiJson)
  } catch (error) {
    throw new TypeError('the ABI is not JSON', { cause: error })
  }
  if (!Array.isArray(entries)) throw new TypeError('the ABI is not a list')
  return entries.filter((entry) => isRecord(entry) && entry.type === 'function').map(parseFunction)
}

function parseFunction({ name, inputs }: Record<string, unknown>): EthereumFunction {
  if (typeof name !== 'string' || !Array.isArray(inputs)) {
    throw new TypeError(`a function of the ABI has no name or no inputs: ${JSON.stringify(name)}`)
  }
  return {
    name,
    inputs: inputs.map((input: unknown) => {
      if (!isRecord(input) || typeof input.type !== 'string') {
        throw new TypeError(`${name}: an input of the ABI has no type`)
      }
      return { name: typeof input.name === 'string' ? input.name : '', type: input.type }
    }),
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
