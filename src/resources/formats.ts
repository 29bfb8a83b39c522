/**
 * The three ways in which reservations are written. Spec: resources.md §4.
 *
 * Inside, only the post-refinement format exists: no `role`, no `reservation`, and `reservations`
 * only where there is one. What arrives is upgraded after validation; what leaves is written in the
 * format that its reader understands.
 */
import type { ReservationInfo, Resource } from '../../protocol/v1/resources.ts'

/**
 * `post` for frameworks with RESERVATION_REFINEMENT, `pre` for those without, `endpoint` for what
 * operators read.
 */
export type ResourceFormat = 'pre' | 'post' | 'endpoint'

/** The canonical form of a valid resource in any format; the argument itself if it already is. */
export function upgrade(resource: Resource): Resource {
  const { role, reservation, reservations, ...rest } = resource
  const stack = reservations ?? []
  if (role === undefined && reservation === undefined) {
    return reservations === undefined || stack.length > 0 ? resource : rest
  }
  if (stack.length > 0) return { ...rest, reservations: stack }
  if (role === undefined || role === '*') return rest
  const type = reservation === undefined ? 'STATIC' : 'DYNAMIC'
  return { ...rest, reservations: [{ ...reservation, type, role }] }
}

/** One canonical resource in the given format; nothing where the format cannot say it. */
export function downgrade(resource: Resource, format: ResourceFormat): Resource | undefined {
  if (format === 'post') return resource
  const { reservations, ...rest } = resource
  const [bottom, ...refinements] = reservations ?? []
  if (reservations === undefined || bottom === undefined) return { ...rest, role: '*' }
  const kept = format === 'endpoint' ? { reservations } : {}
  if (refinements.length > 0) return format === 'endpoint' ? resource : undefined
  const role = bottom.role ?? '*'
  if (bottom.type !== 'DYNAMIC') return { ...rest, role, ...kept }
  return { ...rest, role, reservation: withoutTypeAndRole(bottom), ...kept }
}

function withoutTypeAndRole({ type: _, role: __, ...rest }: ReservationInfo): ReservationInfo {
  return rest
}
