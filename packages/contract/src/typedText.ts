import {
  Class,
  type Expression,
  type Function as FunctionInstance,
  IntegerLiteralExpression,
  StringLiteralExpression,
} from 'assemblyscript'
import { nameInLibrary, type Refuse } from './elements.ts'
import { textOf } from './syntax.ts'

/**
 * Requires that a type of typed data that is written out is one that wallets make: the hash of any other text fits no
 * signature.
 *
 * @param args of the constructor
 */
export function requireTypedText(
  { parent }: FunctionInstance,
  [text, count]: readonly Expression[],
  refuse: Refuse,
): void {
  if (!(parent instanceof Class) || nameInLibrary(parent.prototype) !== 'typedData/TypedData') return
  if (!(text instanceof StringLiteralExpression)) return
  const structs = structsOf(text.value)
  if (structs === undefined) {
    refuse(
      text.range,
      'the text of a type is Name(type name,type name), without other spaces; structs within stand behind',
    )
    return
  }
  const names = structs.map(({ name }) => name)
  const types = structs.flatMap(({ members }) => members).map((type) => type.replace(/\[.*/, ''))
  const unknown = types.find((type) => !isElementary(type) && !names.includes(type))
  if (unknown !== undefined) {
    refuse(
      text.range,
      `${unknown} is no type of typed data, which are written as uint256, and no struct defined behind`,
    )
    return
  }
  const within = names.slice(1)
  if (within.some((name, index) => index > 0 && name <= within[index - 1]!)) {
    refuse(text.range, 'structs within stand behind in the order of their names, each once')
    return
  }
  const { length } = structs[0]!.members
  if (count instanceof IntegerLiteralExpression && Number(textOf(count)) !== length) {
    refuse(count.range, `of members, the text has ${length}`)
  }
}

/** The structs of a text, with the types of their members; undefined if it is none. */
function structsOf(text: string): { name: string; members: string[] }[] | undefined {
  const name = '[A-Za-z_$][\\w$]*'
  const member = `${name}(?:\\[\\d*\\])* ${name}`
  const struct = `(${name})\\(((?:${member}(?:,${member})*)?)\\)`
  if (!new RegExp(`^(?:${struct})+$`).test(text)) return undefined
  return [...text.matchAll(new RegExp(struct, 'g'))].map(([, name = '', members = '']) => ({
    name,
    members: members === '' ? [] : members.split(',').map((each) => each.split(' ')[0]!),
  }))
}

function isElementary(type: string): boolean {
  const [, kind, digits] = /^(uint|int|bytes)([1-9]\d*)$/.exec(type) ?? []
  const size = Number(digits)
  if (kind === 'bytes') return size <= 32
  return kind === undefined ? /^(bool|address|string|bytes)$/.test(type) : size % 8 === 0 && size <= 256
}
