import { isAbiName } from '@bletchley/client/user'

/** A parameter in the JSON ABI of Solidity. */
export interface AbiParameter {
  /** Empty for a result without a name. */
  name: string
  type: string
}

export interface AbiFunction {
  name: string
  inputs: readonly AbiParameter[]
  outputs: readonly AbiParameter[]
}

/** What a contract can be asked. */
export interface ContractAbi {
  /** Of the constructor, in order. */
  constructorInputs: readonly AbiParameter[]
  functions: readonly AbiFunction[]
}

/** What the constructor is called in the class that is compiled; users may call it so at deployment. */
export const constructorMethod = 'construct'

/** The JSON ABI of Solidity, as its tools read it. */
export function toJsonAbi({ constructorInputs, functions }: ContractAbi): object[] {
  return [
    { type: 'constructor', inputs: constructorInputs, stateMutability: 'nonpayable' },
    ...functions.map(({ name, inputs, outputs }) => ({
      type: 'function',
      name,
      inputs,
      outputs,
      stateMutability: 'nonpayable',
    })),
  ]
}

/** `name(type,…)`: how a user names a function. */
export function signatureOf(name: string, inputs: readonly AbiParameter[]): string {
  return `${name}(${inputs.map(({ type }) => type).join(',')})`
}

/**
 * Reads the JSON ABI of Solidity: functions and the constructor, events and errors left out.
 *
 * @throws TypeError if it is none, or names something that no contract can
 */
export function parseJsonAbi(json: unknown): ContractAbi {
  if (!Array.isArray(json)) throw new TypeError('A JSON ABI is a list')
  const entries = json.map(readEntry)
  return {
    constructorInputs: entries.find(({ type }) => type === 'constructor')?.inputs ?? [],
    functions: entries
      .filter(({ type }) => type === 'function')
      .map(({ name, inputs, outputs }) => {
        if (typeof name !== 'string' || !isAbiName(name))
          throw new TypeError(`A JSON ABI has no function ${JSON.stringify(name)}`)
        return { name, inputs, outputs }
      }),
  }
}

interface JsonAbiEntry {
  type: unknown
  name: unknown
  inputs: AbiParameter[]
  outputs: AbiParameter[]
}

function readEntry(entry: unknown): JsonAbiEntry {
  if (typeof entry !== 'object' || entry === null) throw new TypeError('An entry of a JSON ABI is an object')
  const { type, name, inputs, outputs } = entry as Record<string, unknown>
  return { type, name, inputs: readParameters(inputs), outputs: readParameters(outputs) }
}

function readParameters(list: unknown = []): AbiParameter[] {
  if (!Array.isArray(list)) throw new TypeError('The parameters of a JSON ABI are a list')
  return list.map((each: unknown) => {
    const { name = '', type } = (each ?? {}) as Record<string, unknown>
    if (typeof type !== 'string' || typeof name !== 'string' || !(name === '' || isAbiName(name))) {
      throw new TypeError('A parameter of a JSON ABI has a name and a type')
    }
    return { name, type }
  })
}
