import type { ContractClass, ContractFunction } from './contractClass.ts'

/**
 * The AssemblyScript of a contract's `deploy` and `call`: reads the name and the arguments, runs the method, hands back
 * what it returns.
 */
export function entryPoints({ declaration, source, constructorFunction, functions }: ContractClass): string {
  return [
    `import { ${declaration.name.text} as Contract } from ${JSON.stringify(`./${source.simplePath}`)}`,
    "import * as entry from '@bletchley/contract/assembly/entry'",
    "import * as library from '@bletchley/contract/assembly'",
    "import '@bletchley/contract/assembly/equality'",
    '',
    'export function deploy(): void {',
    ...(constructorFunction === undefined ? [] : run(constructorFunction)),
    '}',
    '',
    'export function call(): void {',
    '  entry.readFunctionName()',
    ...functions.map(({ name }, index) => `  if (${isName(name)}) return call${index}() // ${name}`),
    "  entry.revert('there is no such function')",
    '}',
    '',
    ...functions.flatMap((each, index) => [`function call${index}(): void {`, ...run(each), '}', '']),
  ].join('\n')
}

/** Compares the name of the called function with a constant, eight bytes at a time. */
function isName(name: string): string {
  const bytes = new TextEncoder().encode(name)
  const padded = new DataView(new ArrayBuffer(bytes.length + 8))
  bytes.forEach((byte, index) => {
    padded.setUint8(index, byte)
  })
  const words: string[] = []
  for (let offset = 0; offset < bytes.length; offset += 8) {
    words.push(`entry.nameHas(${offset}, 0x${padded.getBigUint64(offset, true).toString(16)})`)
  }
  return [`entry.nameHasLength(${bytes.length})`, ...words].join(' && ')
}

function run({ name, inputs, outputs }: ContractFunction): string[] {
  const values = inputs.map((_, index) => `a${index}`)
  const invocation = `new Contract().${name}(${values.join(', ')})`
  return [
    `  const args = entry.readArguments(${inputs.length})`,
    ...inputs.map(({ type }, index) => `  const ${values[index]} = args.read<${type.source}>()`),
    '  args.finish()',
    ...(outputs.length === 0
      ? [`  ${invocation}`]
      : [
          `  const result = ${invocation}`,
          `  const tuple = new entry.TupleWriter(${outputs.length})`,
          ...outputs.map(({ name: member, type }) => `  tuple.write<${type.source}>(result${member && `.${member}`})`),
          '  entry.finish(tuple)',
        ]),
  ]
}
