import { NamedTypeNode, NewExpression, type Node, type Source, type TypeNode } from 'assemblyscript'
import type { AbiTypes } from './abiTypes.ts'
import { libraryTypes } from './sourceTypes.ts'
import { ContractSourceError, nodesOf, textOf, typeName } from './syntax.ts'

/**
 * Requires that no `Map` or `Set` in memory has keys of the library's types. The compiler's library compares such keys by
 * where they lie, so that two equal addresses would be two keys, and nobody would notice.
 */
export function requireComparableKeys(sources: readonly Source[], types: AbiTypes): void {
  for (const source of sources) {
    for (const node of nodesOf(source)) {
      const key = keyOf(node)
      if (key === undefined) continue
      const name = typeName(types.follow(key, new Set()))
      if (!Object.hasOwn(libraryTypes, name) || types.isDeclared(name)) continue
      throw new ContractSourceError(
        key.range,
        `${textOf(key)} cannot be the key of a Map or Set, which would compare objects; make it a text`,
      )
    }
  }
}

/** Of the keys, where a node names a `Map` or a `Set`. */
function keyOf(node: Node): TypeNode | undefined {
  if (!(node instanceof NamedTypeNode || node instanceof NewExpression)) return undefined
  const { identifier } = node instanceof NamedTypeNode ? node.name : node.typeName
  return identifier.text === 'Map' || identifier.text === 'Set' ? node.typeArguments?.[0] : undefined
}
