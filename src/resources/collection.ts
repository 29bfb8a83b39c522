/**
 * Collections of resources. Spec: resources.md §5.
 *
 * A collection is a plain list whose elements are valid, not empty, in the canonical format, and
 * merged as far as they can be; the brand on the type keeps lists from the wire from being taken for
 * one. It is never changed after it was made. The order of its elements means nothing.
 *
 * A shared resource occurs once for each copy of it: adding appends a copy, subtracting takes one
 * away. Quantities and what goes to clients (`toWire`) count it once.
 */
import type { Resource } from '../../protocol/v1/resources.ts'
import { upgrade } from './formats.ts'
import {
  equalResources,
  isAddable,
  isIndivisible,
  isSubtractable,
  sameIdentity,
} from './resource.ts'
import { validateResource } from './validation.ts'
import { addValues, containsValue, isEmptyValue, multiplyValue, subtractValues } from './values.ts'

declare const merged: unique symbol

/** See the head of this file. Serialises as a list of Mesos v1 `Resource` documents. */
export type Resources = readonly Resource[] & { readonly [merged]: true }

/** The empty collection. */
export const none: Resources = asResources([])

/**
 * A collection of what `list` holds, upgraded to the canonical format. Invalid and empty resources
 * are left out in silence: whoever must complain about them calls `validateResources` first.
 */
export function resources(list: readonly Resource[]): Resources {
  const result: Resource[] = []
  for (const resource of list) {
    if (validateResource(resource) === undefined) addTo(result, upgrade(resource))
  }
  return asResources(result)
}

/**
 * A collection from elements that are known to be valid and canonical, such as those of other
 * collections; they are only merged.
 */
export function merge(elements: Iterable<Resource>): Resources {
  const result: Resource[] = []
  for (const resource of elements) addTo(result, resource)
  return asResources(result)
}

export function add(left: Resources, right: Resources): Resources {
  if (right.length === 0) return left
  if (left.length === 0) return right
  const result = [...left]
  for (const resource of right) addTo(result, resource)
  return asResources(result)
}

export function sum(collections: Iterable<Resources>): Resources {
  const result: Resource[] = []
  for (const collection of collections) {
    for (const resource of collection) addTo(result, resource)
  }
  return asResources(result)
}

/** What so many equal collections are together. */
export function multiply(collection: Resources, count: number): Resources {
  if (count === 1) return collection
  const result: Resource[] = []
  for (const resource of collection) {
    if (isAddable(resource, resource)) result.push(multiplyValue(resource, count))
    else for (let copy = 0; copy < count; copy++) result.push(resource)
  }
  return asResources(result)
}

/**
 * `left` without `right`. Taking out more than there is leaves nothing of that element, never less
 * than nothing, and takes nothing from other elements.
 */
export function subtract(left: Resources, right: Resources): Resources {
  if (right.length === 0 || left.length === 0) return left
  const result = [...left]
  for (const resource of right) takeFrom(result, resource)
  return asResources(result)
}

/**
 * Whether every element of `inner` fits into an element of `outer`. No element is a sum of others:
 * 2 cpus unreserved and 2 reserved do not contain 3.
 *
 * Indivisible elements are matched one to one. Mesos does so for persistent volumes only, by which
 * two equal MOUNT disks would fit into one.
 */
export function contains(outer: Resources, inner: Resources): boolean {
  let taken: Set<number> | undefined
  for (const resource of inner) {
    const atomic = isIndivisible(resource)
    const at = outer.findIndex(
      (element, index) =>
        isSubtractable(element, resource) &&
        containsValue(element, resource) &&
        !(atomic && taken?.has(index)),
    )
    if (at === -1) return false
    if (atomic) {
      taken ??= new Set()
      taken.add(at)
    }
  }
  return true
}

/** Whether one document fits; false for an invalid one. */
export function containsResource(outer: Resources, resource: Resource): boolean {
  if (validateResource(resource) !== undefined) return false
  return contains(outer, merge([upgrade(resource)]))
}

/** Whether the two hold the same, in whatever order. */
export function equals(left: Resources, right: Resources): boolean {
  return (
    left === right ||
    (left.length === right.length && contains(left, right) && contains(right, left))
  )
}

export function filter(
  collection: Resources,
  predicate: (resource: Resource) => boolean,
): Resources {
  return asResources(collection.filter(predicate))
}

/** Each element changed by `change`, which keeps it valid; then merged anew. */
export function transform(
  collection: Resources,
  change: (resource: Resource) => Resource,
): Resources {
  const result: Resource[] = []
  for (const resource of collection) addTo(result, change(resource))
  return asResources(result)
}

/** The first element with the same identity, whatever its value. */
export function match(collection: Resources, resource: Resource): Resource | undefined {
  return collection.find((element) => sameIdentity(element, resource))
}

/** The elements without further copies of shared resources. */
export function distinct(collection: Resources): readonly Resource[] {
  if (collection.every((resource) => resource.shared === undefined)) return collection
  const result: Resource[] = []
  for (const resource of collection) {
    const seen =
      resource.shared !== undefined && result.some((other) => equalResources(other, resource))
    if (!seen) result.push(resource)
  }
  return result
}

function addTo(elements: Resource[], resource: Resource): void {
  if (isEmptyValue(resource)) return
  const at = elements.findIndex((element) => isAddable(element, resource))
  if (at === -1) elements.push(resource)
  else elements[at] = addValues(elements[at]!, resource)
}

function takeFrom(elements: Resource[], resource: Resource): void {
  const at = elements.findIndex((element) => isSubtractable(element, resource))
  if (at === -1) return
  const rest = subtractValues(elements[at]!, resource)
  if (rest === undefined) elements.splice(at, 1)
  else elements[at] = rest
}

function asResources(elements: readonly Resource[]): Resources {
  return elements as Resources
}
