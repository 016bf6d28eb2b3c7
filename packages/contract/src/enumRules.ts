import {
  AssertionExpression,
  BinaryExpression,
  CallExpression,
  Class,
  ClassDeclaration,
  ClassPrototype,
  type Element,
  Enum,
  EnumDeclaration,
  EnumValue,
  type EnumValueDeclaration,
  type Expression,
  type Flow,
  FunctionDeclaration,
  type Function as FunctionInstance,
  FunctionPrototype,
  Local,
  NamedTypeNode,
  type Node,
  type Program,
  Property,
  PropertyAccessExpression,
  PropertyPrototype,
  type Source,
  TernaryExpression,
  Type,
  type TypeNode,
  UnaryPrefixExpression,
  VariableLikeElement,
  type VariableStatement,
} from 'assemblyscript'
import { flags, reportModes, tokens } from './compilerFlags.ts'
import type { Refuse } from './elements.ts'
import { withoutParentheses } from './integers.ts'
import { isAuthors, isComparisonOperator, nodesOf, parseExpression, textOf, typeName } from './syntax.ts'

// For the compiler, a value of an enum is an i32 like any other. Which enum it is of stands where it is declared.

/**
 * Writes out what the members of a `const enum` are that follow one below zero, such as `Low = -1, Mid`. The compiler would
 * crash there.
 */
export function countFromBelowZero(sources: readonly Source[]): void {
  for (const source of sources) {
    for (const node of nodesOf(source)) {
      if (!(node instanceof EnumDeclaration && node.is(flags.const))) continue
      let before: EnumValueDeclaration | undefined
      for (const member of node.values) {
        const { initializer } = member
        if (initializer !== null) before = [...nodesOf(initializer)].some(isMinus) ? member : undefined
        else if (before !== undefined) {
          member.initializer = parseExpression(`${before.name.text} + 1`, source.normalizedPath)
          before = member
        }
      }
    }
  }
}

function isMinus(node: Node): boolean {
  const isOperator = node instanceof UnaryPrefixExpression || node instanceof BinaryExpression
  return isOperator && node.operator === tokens.minus
}

/** Requires that the sides of a comparison or of an assignment are not of two enums. */
export function requireOneEnum({ operator, left, right }: BinaryExpression, flow: Flow, refuse: Refuse): void {
  const isOfBoth = isComparisonOperator(operator) || operator === tokens.firstAssignment
  if (isOfBoth) requireEnum(enumOf(left, flow), right, flow, refuse)
}

/** Requires that a value is not of another enum than is asked for. */
export function requireEnum(asked: Enum | undefined, value: Expression, flow: Flow, refuse: Refuse): void {
  if (asked === undefined) return
  const given = enumOf(value, flow)
  if (given === undefined || given === asked) return
  refuse(
    value.range,
    `${textOf(value)} is of the enum ${given.name}, and ${asked.name} is another one; where their numbers are meant, write i32(…) of both`,
  )
}

/** Requires that what a function is called with is not of other enums than it declares. */
export function requireEnumArguments(
  { prototype }: FunctionInstance,
  { args, expression }: CallExpression,
  flow: Flow,
  refuse: Refuse,
): void {
  if (!(prototype.declaration instanceof FunctionDeclaration)) return
  const { parameters } = prototype.declaration.signature
  args.forEach((arg, index) => {
    const type = parameters[index]?.type
    if (type !== undefined) requireEnum(enumOfType(type, prototype, flow, expression), arg, flow, refuse)
  })
}

/** What variables in functions are of. */
const enumsOfLocals = new WeakMap<Local, Enum | undefined>()

/** Requires the same of variables, and notes what they are of; once they are compiled. */
export function requireEnumOfVariables({ declarations }: VariableStatement, flow: Flow, refuse: Refuse): void {
  for (const { name, type, initializer } of declarations) {
    const asked = type === null ? undefined : enumOfType(type, flow.sourceFunction, flow)
    if (initializer !== null) requireEnum(asked, initializer, flow, refuse)
    const local = flow.lookupLocal(name.text)
    const inferred = type === null && initializer !== null ? enumOf(initializer, flow) : undefined
    if (local !== null) enumsOfLocals.set(local, asked ?? inferred)
  }
}

/** Of the function that is compiled. */
export function enumOfResult(flow: Flow): Enum | undefined {
  const { prototype } = flow.sourceFunction
  return prototype.declaration instanceof FunctionDeclaration
    ? enumOfType(prototype.declaration.signature.returnType, prototype, flow)
    : undefined
}

/** The enum that a value is of; undefined of numbers, and where nothing tells. */
export function enumOf(expression: Expression, flow: Flow): Enum | undefined {
  if (!hasEnums(flow.program)) return undefined
  const plain = withoutParentheses(expression)
  if (plain instanceof AssertionExpression) {
    return plain.toType === null ? undefined : enumOfType(plain.toType, flow.sourceFunction, flow)
  }
  if (plain instanceof TernaryExpression) {
    const [a, b] = [enumOf(plain.ifThen, flow), enumOf(plain.ifElse, flow)]
    return a === b ? a : undefined
  }
  if (plain instanceof CallExpression) {
    const called = elementOf(plain.expression, flow)
    if (!(called instanceof FunctionPrototype && called.declaration instanceof FunctionDeclaration)) return undefined
    return enumOfType(called.declaration.signature.returnType, called, flow, plain.expression)
  }
  const element = elementOf(plain, flow)
  if (element instanceof EnumValue) return element.parent instanceof Enum ? element.parent : undefined
  if (element instanceof Local) return enumOfLocal(element, flow)
  const type = element === null ? null : declaredType(element)
  return type === null ? undefined : enumOfType(type, element!, flow)
}

const programs = new WeakMap<Program, boolean>()

/** Whether an author has any. Where there are none, nothing is looked up. */
function hasEnums(program: Program): boolean {
  const known = programs.get(program)
  if (known !== undefined) return known
  const has = [...program.elementsByName.values()].some(
    (element) => element instanceof Enum && isAuthors(element.declaration.range.source),
  )
  programs.set(program, has)
  return has
}

function enumOfLocal(local: Local, flow: Flow): Enum | undefined {
  if (enumsOfLocals.has(local)) return enumsOfLocals.get(local)
  const { prototype } = flow.sourceFunction
  if (!(prototype.declaration instanceof FunctionDeclaration)) return undefined
  const parameter = prototype.declaration.signature.parameters.find(({ name }) => name.text === local.name)
  return parameter && enumOfType(parameter.type, prototype, flow)
}

function elementOf(expression: Expression, flow: Flow): Element | null {
  return flow.program.resolver.lookupExpression(expression, flow, Type.auto, reportModes.swallow)
}

/** Of a variable or a field. */
function declaredType(element: Element): TypeNode | null {
  const prototype = element instanceof Property ? element.prototype : element
  if (prototype instanceof PropertyPrototype) return prototype.fieldDeclaration?.type ?? null
  return prototype instanceof VariableLikeElement ? prototype.typeNode : null
}

/**
 * The enum that a type is.
 *
 * @param place where it is written
 * @param member of whose class it may be a type parameter, such as `this.color.get` of a `StateValue<Color>`
 */
function enumOfType(type: TypeNode, place: Element, flow: Flow, member?: Expression): Enum | undefined {
  if (!hasEnums(flow.program) || typeName(type) === '' || !(type instanceof NamedTypeNode)) return undefined
  const { resolver } = flow.program
  const element = resolver.resolveTypeName(type.name, null, place, reportModes.swallow)
  if (element instanceof Enum) return element
  if (!(member instanceof PropertyAccessExpression) || !(place instanceof FunctionPrototype)) return undefined
  const holder = elementOf(member.expression, flow)
  const declared = holder === null ? null : declaredType(holder)
  const { parent } = place
  const generic = parent instanceof ClassPrototype || parent instanceof Class ? parent.declaration : undefined
  if (!(declared instanceof NamedTypeNode && generic instanceof ClassDeclaration)) return undefined
  const index = generic.typeParameters?.findIndex(({ name }) => name.text === typeName(type)) ?? -1
  const argument = declared.typeArguments?.[index]
  return argument === undefined ? undefined : enumOfType(argument, holder!, flow)
}
