/** Sets of strings as lists without duplicates, in order of first mention. Spec: resources.md §1.3. */

export type ItemList = readonly string[]

export function unionSets(left: ItemList, right: ItemList): ItemList {
  if (right.length === 0) return left
  return [...new Set([...left, ...right])]
}

export function subtractSets(left: ItemList, right: ItemList): ItemList {
  const removed = new Set(right)
  return left.filter((item) => !removed.has(item))
}

export function containsSet(outer: ItemList, inner: ItemList): boolean {
  const items = new Set(outer)
  return inner.every((item) => items.has(item))
}

/** Order does not matter. */
export function equalSets(left: ItemList, right: ItemList): boolean {
  return left.length === right.length && containsSet(left, right)
}

/** `{a, b}` */
export function formatSet(items: ItemList): string {
  return `{${items.join(', ')}}`
}
