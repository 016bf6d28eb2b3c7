import {
  type ClassDeclaration,
  type DeclarationStatement,
  FieldDeclaration,
  NamedTypeNode,
  type Source,
  TypeDeclaration,
  type TypeNode,
} from 'assemblyscript'
import { flags } from './compilerFlags.ts'
import { libraryTypes, numbers } from './sourceTypes.ts'
import { ContractSourceError, classesOf, hasDecorator, textOf, typeName } from './syntax.ts'

/** A type that users can pass or get. */
export interface AbiType {
  /** As Solidity calls it. */
  solidity: string
  /** In AssemblyScript, with the library's types as members of `library`. */
  source: string
}

const advice =
  'the ABI has u32, u64, i32, i64, U256, bool, Address, Bytes, Bytes1 to Bytes32, string, and Array of these'

/** Tells what the types of parameters and results are in the ABI, following what the author's files declare. */
export class AbiTypes {
  readonly #declared = new Map<string, DeclarationStatement[]>()

  constructor(authors: readonly Source[]) {
    for (const source of authors) {
      const aliases = source.statements.filter((statement) => statement instanceof TypeDeclaration)
      for (const declaration of [...classesOf(source), ...aliases]) {
        const name = declaration.name.text
        this.#declared.set(name, [...(this.#declared.get(name) ?? []), declaration])
      }
    }
  }

  /** @throws ContractSourceError at the type, if the ABI does not have it */
  require(type: TypeNode): AbiType {
    return this.#find(type, type)
  }

  /** The outputs that a function has by its result: none, one without a name, or the members of a tuple. */
  requireResult(type: TypeNode): { name: string; type: AbiType }[] {
    const name = typeName(type)
    if (name === 'void') return []
    const tuple = this.#declared.get(name)?.[0]
    if (!isTuple(tuple)) return [{ name: '', type: this.require(type) }]
    this.#requireOne(name, type)
    return this.#membersOf(tuple)
  }

  #membersOf(declaration: ClassDeclaration): { name: string; type: AbiType }[] {
    const { name, extendsType, isGeneric } = declaration
    if (isGeneric) throw new ContractSourceError(name.range, 'a tuple takes no type parameters')
    if (extendsType !== null) throw new ContractSourceError(extendsType.range, 'a tuple extends no other class')
    const fields = fieldsOf(declaration)
    if (fields.length === 0) throw new ContractSourceError(name.range, 'a tuple has at least one field')
    return fields.map((field) => {
      if (field.isAny(flags.private | flags.protected)) {
        throw new ContractSourceError(field.name.range, 'the fields of a tuple are public')
      }
      return { name: field.name.text, type: this.require(field.type!) }
    })
  }

  /**
   * What a type is, behind the aliases that the author declared for it.
   *
   * @param seen the aliases that led to the type; whoever goes on to its elements passes them on, so that no type of
   *             itself is followed for ever
   */
  #follow(type: TypeNode, seen: Set<TypeDeclaration>): TypeNode {
    for (let followed = type; ; ) {
      const name = typeName(followed)
      const [declaration] = this.#declared.get(name) ?? []
      if (!(declaration instanceof TypeDeclaration) || declaration.typeParameters !== null || seen.has(declaration)) {
        return followed
      }
      this.#requireOne(name, type)
      seen.add(declaration)
      followed = declaration.type
    }
  }

  /** Whether a name is one that the author gave to a class or a type. */
  isDeclared(name: string): boolean {
    return this.#declared.has(name)
  }

  /** @param place where the author named the type, for messages */
  #find(type: TypeNode, place: TypeNode, seen = new Set<TypeDeclaration>()): AbiType {
    const followed = this.#follow(type, seen)
    const name = typeName(followed)
    if (!this.isDeclared(name)) {
      if (Object.hasOwn(numbers, name)) return { solidity: numbers[name]!, source: name }
      if (Object.hasOwn(libraryTypes, name)) return { solidity: libraryTypes[name]!, source: `library.${name}` }
      const element = elementOf(followed)
      if (element !== undefined) {
        const { solidity, source } = this.#find(element, place, seen)
        return { solidity: `${solidity}[]`, source: `Array<${source}>` }
      }
    }
    const written = textOf(place)
    if (written === '') throw new ContractSourceError(place.range, `a type is missing; ${advice}`)
    if (isTuple(this.#declared.get(name)?.[0])) {
      throw new ContractSourceError(place.range, `${written} is a tuple: only a result can be one`)
    }
    throw new ContractSourceError(place.range, `${written} is not a type of the ABI; ${advice}`)
  }

  #requireOne(name: string, place: TypeNode): void {
    if (this.#declared.get(name)!.length > 1) {
      throw new ContractSourceError(place.range, `${name} is declared in more than one file`)
    }
  }
}

/** Those that each object of a class has. */
export function fieldsOf({ members }: ClassDeclaration): FieldDeclaration[] {
  return members
    .filter((member): member is FieldDeclaration => member instanceof FieldDeclaration)
    .filter((field) => !field.is(flags.static))
}

/** Of the elements of an array. */
function elementOf(type: TypeNode): TypeNode | undefined {
  return type instanceof NamedTypeNode && typeName(type) === 'Array' ? type.typeArguments?.[0] : undefined
}

function isTuple(declaration: DeclarationStatement | undefined): declaration is ClassDeclaration {
  return declaration !== undefined && 'members' in declaration && hasDecorator(declaration as ClassDeclaration, 'tuple')
}
