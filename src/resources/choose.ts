/** Picking a part of what there is. Spec: resources.md §5, `find` and `shrink`. */
import type { Resource } from '../../protocol/v1/resources.ts'
import { merge, type Resources, subtract } from './collection.ts'
import { withStack } from './reservations.ts'
import {
  isIndivisible,
  isReserved,
  isSubtractable,
  isUnreserved,
  reservationRole,
} from './resource.ts'
import { toMillis } from './scalar.ts'
import { scalarOf, subtractValues, withScalar } from './values.ts'

/**
 * Resources that amount to `targets`, whatever their roles; preferred are those of the target's own
 * reservation role, then unreserved ones, then any. Nothing if there is not enough.
 */
export function find(collection: Resources, targets: Resources): Resources | undefined {
  let rest = collection
  const found: Resource[] = []
  for (const target of targets) {
    const parts = findOne(rest, target)
    if (parts === undefined) return undefined
    found.push(...parts)
    rest = subtract(rest, merge(parts))
  }
  return merge(found)
}

/**
 * The resource cut down to `scalar` at most. Nothing where that needs cutting what is indivisible.
 */
export function shrink(resource: Resource, scalar: number): Resource | undefined {
  if (toMillis(scalarOf(resource)) <= toMillis(scalar)) return resource
  return isIndivisible(resource) ? undefined : withScalar(resource, scalar)
}

function findOne(available: Resources, target: Resource): Resource[] | undefined {
  const role = reservationRole(target)
  const preferences = [
    (resource: Resource) => isReserved(resource, role),
    (resource: Resource) => isUnreserved(resource),
    () => true,
  ]
  const parts: Resource[] = []
  const used = new Set<number>()
  let needed: Resource | undefined = withStack(target, [])
  for (const prefers of preferences) {
    for (const [index, element] of available.entries()) {
      if (used.has(index) || !prefers(element)) continue
      const part = commonPart(element, needed)
      if (part === undefined) continue
      used.add(index)
      parts.push(part)
      needed = subtractValues(needed, part)
      if (needed === undefined) return parts
    }
  }
  return undefined
}

/** What of `element` serves `needed`, which is unreserved; the part keeps the element's stack. */
function commonPart(element: Resource, needed: Resource): Resource | undefined {
  if (!isSubtractable(withStack(element, []), needed)) return undefined
  const beyond = subtractValues(element, needed)
  return beyond === undefined ? element : subtractValues(element, beyond)
}
