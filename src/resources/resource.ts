/**
 * One resource: what makes two of them the same kind of thing, and predicates on it.
 * Spec: resources.md §3 and the rules `addable` and `subtractable` of §5.
 *
 * Functions expect the canonical (post-refinement) format, see formats.ts: no `role`, no
 * `reservation`. They compare the common case, plain unreserved resources, without any allocation.
 */
import type {
  DiskInfo,
  DiskSource,
  Labels,
  ReservationInfo,
  Resource,
} from '../../protocol/v1/resources.ts'
import { isStrictSubrole } from './roles.ts'
import { equalValues } from './values.ts'

// --- Identity: everything but the value ---

/** Same identity, so that the two differ at most in their value. */
export function sameIdentity(a: Resource, b: Resource): boolean {
  return (
    a.name === b.name &&
    a.type === b.type &&
    sameAllocation(a, b) &&
    sameReservations(a.reservations, b.reservations) &&
    sameDisk(a.disk, b.disk) &&
    (a.revocable === undefined) === (b.revocable === undefined) &&
    (a.shared === undefined) === (b.shared === undefined) &&
    a.provider_id?.value === b.provider_id?.value
  )
}

export function equalResources(a: Resource, b: Resource): boolean {
  return a === b || (sameIdentity(a, b) && equalValues(a, b))
}

/**
 * Whether a part of it cannot be used without the rest: persistent volumes, whole devices and file
 * systems, raw volumes with an id. Two of them never merge, even when they look the same.
 */
export function isIndivisible(resource: Resource): boolean {
  const disk = resource.disk
  if (disk === undefined) return false
  if (disk.persistence !== undefined) return true
  const source = disk.source
  if (source === undefined) return false
  return (
    source.type === 'MOUNT' ||
    source.type === 'BLOCK' ||
    (source.type === 'RAW' && source.id !== undefined)
  )
}

/** Whether adding the two gives one element. Shared ones stay apart: each copy is an element. */
export function isAddable(a: Resource, b: Resource): boolean {
  return sameIdentity(a, b) && !isIndivisible(a)
}

/** Whether `b` may be taken out of `a`: indivisible ones only as a whole. */
export function isSubtractable(a: Resource, b: Resource): boolean {
  return sameIdentity(a, b) && (!isIndivisible(a) || equalValues(a, b))
}

export function equalReservations(a: ReservationInfo, b: ReservationInfo): boolean {
  return (
    a.type === b.type &&
    a.role === b.role &&
    a.principal === b.principal &&
    equalLabels(a.labels, b.labels)
  )
}

/** Element by element, in order; absent is the same as empty. */
export function sameReservations(
  a: readonly ReservationInfo[] | undefined,
  b: readonly ReservationInfo[] | undefined,
): boolean {
  if (a === b) return true
  const length = a?.length ?? 0
  if (length !== (b?.length ?? 0)) return false
  for (let i = 0; i < length; i++) {
    if (!equalReservations(a![i]!, b![i]!)) return false
  }
  return true
}

/** Labels as multisets of key and value; an absent `Labels` differs from an empty one. */
export function equalLabels(a: Labels | undefined, b: Labels | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined) return false
  const left = a.labels ?? []
  const right = b.labels ?? []
  if (left.length !== right.length) return false
  // Mostly they are written in the same order, and there is no more than one.
  const inOrder = left.every(
    ({ key, value }, index) => key === right[index]?.key && value === right[index]?.value,
  )
  if (inOrder || left.length === 1) return inOrder
  const counts = new Map<string, number>()
  for (const { key, value } of left) {
    const id = JSON.stringify([key, value])
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  for (const { key, value } of right) {
    const id = JSON.stringify([key, value])
    const count = counts.get(id) ?? 0
    if (count === 0) return false
    counts.set(id, count - 1)
  }
  return true
}

/** Same source and same persistence id; the volume and the persistence's principal do not count. */
export function sameDisk(a: DiskInfo | undefined, b: DiskInfo | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined) return false
  return a.persistence?.id === b.persistence?.id && sameSource(a.source, b.source)
}

function sameSource(a: DiskSource | undefined, b: DiskSource | undefined): boolean {
  if (a === b) return true
  if (a === undefined || b === undefined) return false
  return (
    a.type === b.type &&
    sameRoot(a.path, b.path) &&
    sameRoot(a.mount, b.mount) &&
    a.vendor === b.vendor &&
    a.id === b.id &&
    a.profile === b.profile &&
    equalLabels(a.metadata, b.metadata)
  )
}

function sameRoot(a: { root?: string } | undefined, b: { root?: string } | undefined): boolean {
  return (a === undefined) === (b === undefined) && a?.root === b?.root
}

function sameAllocation(a: Resource, b: Resource): boolean {
  return (
    a.allocation_info === b.allocation_info ||
    ((a.allocation_info === undefined) === (b.allocation_info === undefined) &&
      a.allocation_info?.role === b.allocation_info?.role)
  )
}

// --- Predicates ---

/** The top of the reservation stack; nothing for an unreserved resource. */
export function topReservation(resource: Resource): ReservationInfo | undefined {
  return resource.reservations?.at(-1)
}

/** The role that it is reserved to, `*` for an unreserved resource. */
export function reservationRole(resource: Resource): string {
  return topReservation(resource)?.role ?? '*'
}

export function isUnreserved(resource: Resource): boolean {
  return topReservation(resource) === undefined
}

/** Reserved at all, or reserved to exactly `role`. */
export function isReserved(resource: Resource, role?: string): boolean {
  const top = topReservation(resource)
  return top !== undefined && (role === undefined || top.role === role)
}

/** Whether the top reservation is dynamic; what lies below may be static. */
export function isDynamicallyReserved(resource: Resource): boolean {
  return topReservation(resource)?.type === 'DYNAMIC'
}

export function hasRefinedReservations(resource: Resource): boolean {
  return (resource.reservations?.length ?? 0) > 1
}

/** A child role may consume its ancestor's reservation. */
export function isAllocatableTo(resource: Resource, role: string): boolean {
  const top = topReservation(resource)
  return top === undefined || top.role === role || isStrictSubrole(role, top.role ?? '*')
}

export function isReservedToSubtree(resource: Resource, role: string): boolean {
  const reserved = topReservation(resource)?.role
  return reserved !== undefined && (reserved === role || isStrictSubrole(reserved, role))
}

export function isAllocatedToSubtree(resource: Resource, role: string): boolean {
  const allocated = resource.allocation_info?.role
  return allocated !== undefined && (allocated === role || isStrictSubrole(allocated, role))
}

export function isPersistentVolume(resource: Resource): boolean {
  return resource.disk?.persistence !== undefined
}

export function isRevocable(resource: Resource): boolean {
  return resource.revocable !== undefined
}

export function isShared(resource: Resource): boolean {
  return resource.shared !== undefined
}

/** Whether the agent must remember it on disk: what its flags cannot tell after a restart (§6). */
export function needsCheckpoint(resource: Resource): boolean {
  return (
    resource.provider_id === undefined &&
    (isDynamicallyReserved(resource) || isPersistentVolume(resource))
  )
}
