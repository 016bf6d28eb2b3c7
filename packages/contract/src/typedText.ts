import {
  BinaryExpression,
  Class,
  type Expression,
  type Flow,
  type Function as FunctionInstance,
  Global,
  IdentifierExpression,
  IntegerLiteralExpression,
  Node,
  ParenthesizedExpression,
  PropertyAccessExpression,
  StringLiteralExpression,
} from 'assemblyscript'
import { flags, reportModes, tokens } from './compilerFlags.ts'
import { nameInLibrary, type Refuse } from './elements.ts'
import { textOf } from './syntax.ts'

/**
 * Requires that a type of typed data is one that wallets make: the hash of any other text fits no signature. A text that is
 * known only when the contract runs is looked at then.
 *
 * @param args of the constructor
 * @returns what the constructor is given
 */
export function checkedText(
  { parent }: FunctionInstance,
  args: Expression[],
  flow: Flow,
  refuse: Refuse,
): Expression[] {
  const [text, count, ...others] = args
  if (!(parent instanceof Class) || nameInLibrary(parent.prototype) !== 'typedData/TypedData') return args
  if (text === undefined || count === undefined) return args
  const constant = constantText(text, flow)
  if (constant === undefined) {
    const { range } = text
    const check = Node.createIdentifierExpression('__checkedType', range)
    return [Node.createCallExpression(check, null, [text], range), count, ...others]
  }
  const structs = structsOf(constant)
  const reason = structs === undefined ? malformed : whyNone(structs)
  if (reason !== undefined) {
    refuse(text.range, reason)
    return args
  }
  const { length } = structs![0]!.members
  if (count instanceof IntegerLiteralExpression && Number(textOf(count)) !== length) {
    refuse(count.range, `of members, the text has ${length}`)
  }
  return args
}

/** A text that is written out, is a constant, or is put together of such; undefined if it is not known. */
function constantText(expression: Expression, flow: Flow | undefined): string | undefined {
  if (expression instanceof StringLiteralExpression) return expression.value
  if (expression instanceof ParenthesizedExpression) return constantText(expression.expression, flow)
  if (expression instanceof BinaryExpression && expression.operator === tokens.plus) {
    const left = constantText(expression.left, flow)
    const right = constantText(expression.right, flow)
    return left === undefined || right === undefined ? undefined : left + right
  }
  if (!(expression instanceof IdentifierExpression || expression instanceof PropertyAccessExpression)) return undefined
  const element = flow?.program.resolver.lookupExpression(expression, flow, undefined, reportModes.swallow)
  if (!(element instanceof Global)) return undefined
  const isConstant = element.isAny(flags.const | flags.readonly) && element.initializerNode !== null
  // Names in there are those of its own place.
  return isConstant ? constantText(element.initializerNode, undefined) : undefined
}

const malformed = 'the text of a type is Name(type name,type name), without other spaces; structs within stand behind'

interface Struct {
  name: string
  members: readonly { type: string; name: string }[]
}

/** What is wrong with structs, of which the first one is the type. `assembly/typedData.ts` asks the same. */
function whyNone(structs: readonly Struct[]): string | undefined {
  const names = structs.map(({ name }) => name)
  const types = structs.flatMap(({ members }) => members.map(({ type }) => type))
  const unknown = types.find((type) => !isElementary(type) && !names.includes(type))
  if (unknown !== undefined) {
    return `${unknown} is no type of typed data, which are written as uint256, and no struct defined behind`
  }
  const [first, ...within] = names
  if (within.some((name, index) => name === first || (index > 0 && name <= within[index - 1]!))) {
    return 'structs within stand behind in the order of their names, each once'
  }
  const used = new Set(names.slice(0, 1))
  // What is added while it is gone through is gone through too.
  for (const name of used) {
    for (const { type } of structs[names.indexOf(name)]?.members ?? []) used.add(type)
  }
  const useless = names.find((name) => isElementary(name) || !used.has(name))
  if (useless !== undefined) return `${useless} is no struct that the type is made of`
  const repeated = structs.find(({ members }) => new Set(members.map(({ name }) => name)).size < members.length)
  return repeated && `two members of ${repeated.name} have one name`
}

/** The structs of a text, with the types of their members; undefined if it is none. */
function structsOf(text: string): Struct[] | undefined {
  const name = '[A-Za-z_$][\\w$]*'
  const member = `${name}(?:\\[\\d*\\])* ${name}`
  const struct = `(${name})\\(((?:${member}(?:,${member})*)?)\\)`
  if (!new RegExp(`^(?:${struct})+$`).test(text)) return undefined
  return [...text.matchAll(new RegExp(struct, 'g'))].map(([, name = '', members = '']) => ({
    name,
    members: (members === '' ? [] : members.split(',')).map((each) => {
      const [type = '', name = ''] = each.split(' ')
      return { type: type.replace(/\[.*/, ''), name }
    }),
  }))
}

function isElementary(type: string): boolean {
  const [, kind, digits] = /^(uint|int|bytes)([1-9]\d*)$/.exec(type) ?? []
  const size = Number(digits)
  if (kind === 'bytes') return size <= 32
  return kind === undefined ? /^(bool|address|string|bytes)$/.test(type) : size % 8 === 0 && size <= 256
}
