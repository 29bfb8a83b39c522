/**
 * Arithmetic on the value of a resource, whatever its type. Both sides have the same identity (or at
 * least the same name and type); results keep the identity of the left side.
 */
import type { Resource } from '../../protocol/v1/resources.ts'
import {
  containsRanges,
  countRanges,
  equalRanges,
  type RangeList,
  subtractRanges,
  unionRanges,
} from './ranges.ts'
import { addScalars, equalScalars, fromMillis, toMillis } from './scalar.ts'
import { containsSet, equalSets, type ItemList, subtractSets, unionSets } from './sets.ts'

/** The scalar of a resource, 0 when it has none. */
export function scalarOf(resource: Resource): number {
  return resource.scalar?.value ?? 0
}

export function rangesOf(resource: Resource): RangeList {
  return resource.ranges?.range ?? []
}

export function itemsOf(resource: Resource): ItemList {
  return resource.set?.item ?? []
}

export function isEmptyValue(resource: Resource): boolean {
  switch (resource.type) {
    case 'SCALAR':
      return toMillis(scalarOf(resource)) === 0
    case 'RANGES':
      return rangesOf(resource).length === 0
    default:
      return itemsOf(resource).length === 0
  }
}

export function addValues(left: Resource, right: Resource): Resource {
  switch (left.type) {
    case 'SCALAR':
      return withScalar(left, addScalars(scalarOf(left), scalarOf(right)))
    case 'RANGES':
      return withRanges(left, unionRanges(rangesOf(left), rangesOf(right)))
    default:
      return withItems(left, unionSets(itemsOf(left), itemsOf(right)))
  }
}

/** The sum of so many equal ones: of ranges and sets, which have no item twice, the same. */
export function multiplyValue(resource: Resource, count: number): Resource {
  if (resource.type !== 'SCALAR') return resource
  return withScalar(resource, fromMillis(toMillis(scalarOf(resource)) * count))
}

/** What is left of `left`, or nothing when that is empty or would be negative. */
export function subtractValues(left: Resource, right: Resource): Resource | undefined {
  switch (left.type) {
    case 'SCALAR': {
      const millis = toMillis(scalarOf(left)) - toMillis(scalarOf(right))
      return millis > 0 ? withScalar(left, fromMillis(millis)) : undefined
    }
    case 'RANGES': {
      const rest = subtractRanges(rangesOf(left), rangesOf(right))
      return rest.length > 0 ? withRanges(left, rest) : undefined
    }
    default: {
      const rest = subtractSets(itemsOf(left), itemsOf(right))
      return rest.length > 0 ? withItems(left, rest) : undefined
    }
  }
}

export function containsValue(outer: Resource, inner: Resource): boolean {
  switch (outer.type) {
    case 'SCALAR':
      return toMillis(scalarOf(inner)) <= toMillis(scalarOf(outer))
    case 'RANGES':
      return containsRanges(rangesOf(outer), rangesOf(inner))
    default:
      return containsSet(itemsOf(outer), itemsOf(inner))
  }
}

export function equalValues(left: Resource, right: Resource): boolean {
  switch (left.type) {
    case 'SCALAR':
      return equalScalars(scalarOf(left), scalarOf(right))
    case 'RANGES':
      return equalRanges(rangesOf(left), rangesOf(right))
    default:
      return equalSets(itemsOf(left), itemsOf(right))
  }
}

/** Thousandths of the scalar, or a thousand for each integer of the ranges or item of the set. */
export function quantityMillis(resource: Resource): number {
  switch (resource.type) {
    case 'SCALAR':
      return toMillis(scalarOf(resource))
    case 'RANGES':
      return countRanges(rangesOf(resource)) * 1000
    default:
      return itemsOf(resource).length * 1000
  }
}

export function withScalar(resource: Resource, value: number): Resource {
  return { ...resource, scalar: { value } }
}

function withRanges(resource: Resource, range: RangeList): Resource {
  // Wire types are mutable lists, ours are not changed after they were made: sharing is safe.
  return {
    ...resource,
    ranges: { range: range as NonNullable<typeof resource.ranges>['range'] & {} },
  }
}

function withItems(resource: Resource, item: ItemList): Resource {
  return { ...resource, set: { item: item as string[] } }
}
