import { type Class, type Node, OperatorKind } from 'assemblyscript'
import { isText, type Refuse, writtenType } from './elements.ts'

const maps = new Set(['~lib/map/Map', '~lib/set/Set'])

/**
 * Requires that the keys of a `Map` or `Set` in memory are not such that `==` compares their values. The compiler's library
 * finds keys, other than texts, by where they lie, so that two equal addresses would be two keys, and nobody would notice.
 */
export function requireComparableKeys(
  { prototype, typeArguments }: Class,
  places: readonly Node[],
  refuse: Refuse,
): void {
  const [key] = typeArguments ?? []
  if (key === undefined || !maps.has(prototype.internalName)) return
  const keyClass = key.getClass()
  if (keyClass === null || isText(key)) return
  if (keyClass.lookupOverload(OperatorKind.Eq) === null) return
  const { written, note } = writtenType(places[0]!, key)
  refuse(
    places[0]!.range,
    `${written} cannot be the key of a Map or Set, which would compare objects; make it a text${note}`,
  )
}
