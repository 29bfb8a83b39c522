/**
 * Reserving and allocating whole collections. Spec: resources.md §3.1, §3.6, §5.
 */
import { err, ok } from '../../protocol/result.ts'
import type { ReservationInfo, Resource } from '../../protocol/v1/resources.ts'
import { type Resources, transform } from './collection.ts'
import { type Checked, fault, firstFault } from './fault.ts'
import { topReservation } from './resource.ts'
import { validateResource } from './validation.ts'

/** Without any reservation; disks, sharing, revocability, allocation and providers stay. */
export function toUnreserved(collection: Resources): Resources {
  return transform(collection, (resource) => withStack(resource, []))
}

/**
 * `reservation` put on top of every stack. Refused where the result would not be valid: its role must
 * be below that of the present top, and only the bottom of a stack may be STATIC.
 */
export function pushReservation(
  collection: Resources,
  reservation: ReservationInfo,
): Checked<Resources> {
  const pushed = collection.map((resource) =>
    withStack(resource, [...(resource.reservations ?? []), reservation]),
  )
  const problem = firstFault(pushed, '', validateResource)
  if (problem !== undefined) return err(problem)
  return ok(
    transform(collection, (resource) =>
      withStack(resource, [...(resource.reservations ?? []), reservation]),
    ),
  )
}

/** The top of every stack removed. Refused when one of the resources is unreserved. */
export function popReservation(collection: Resources): Checked<Resources> {
  const unreserved = collection.findIndex((resource) => topReservation(resource) === undefined)
  if (unreserved !== -1) {
    return err(fault('R10', `[${unreserved}].reservations`, 'must hold a reservation to remove'))
  }
  return ok(transform(collection, withoutTop))
}

/** Marks every element as allocated to `role`. */
export function allocate(collection: Resources, role: string): Resources {
  return transform(collection, (resource) =>
    resource.allocation_info?.role === role ? resource : { ...resource, allocation_info: { role } },
  )
}

/** Clears the allocation of every element. */
export function unallocate(collection: Resources): Resources {
  if (collection.every((resource) => resource.allocation_info === undefined)) return collection
  return transform(collection, withoutAllocation)
}

/** The resource without its top reservation. */
export function withoutTop(resource: Resource): Resource {
  return withStack(resource, (resource.reservations ?? []).slice(0, -1))
}

export function withoutAllocation(resource: Resource): Resource {
  if (resource.allocation_info === undefined) return resource
  const { allocation_info: _, ...rest } = resource
  return rest
}

/** The resource with `stack` as its reservations; the property is absent when there are none. */
export function withStack(resource: Resource, stack: ReservationInfo[]): Resource {
  const { reservations: _, ...rest } = resource
  return stack.length === 0 ? rest : { ...rest, reservations: stack }
}
