/** Solidity's names of the types that AssemblyScript has itself. */
export const numbers: Readonly<Record<string, string>> = {
  u32: 'uint32',
  u64: 'uint64',
  i32: 'int32',
  i64: 'int64',
  bool: 'bool',
  string: 'string',
}

/** Solidity's names of the library's types. */
export const libraryTypes: Readonly<Record<string, string>> = {
  U256: 'uint256',
  Address: 'address',
  Bytes: 'bytes',
  ...Object.fromEntries(Array.from({ length: 32 }, (_, index) => [`Bytes${index + 1}`, `bytes${index + 1}`])),
}

/** The AssemblyScript type of a Solidity type, or undefined if there is none. */
export function sourceTypeOf(solidity: string): string | undefined {
  if (solidity.endsWith('[]')) {
    const element = sourceTypeOf(solidity.slice(0, -2))
    return element && `Array<${element}>`
  }
  return Object.entries({ ...numbers, ...libraryTypes }).find(([, name]) => name === solidity)?.[0]
}
