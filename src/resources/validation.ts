/**
 * What every resource must obey, R1-R13. Spec: resources.md §7.1.
 *
 * Checked on the document as it arrived, in any of the formats of §4. The other tables of §7 are in
 * checks.ts, operation-checks.ts and launch-checks.ts.
 */
import type { ReservationInfo, Resource } from '../../protocol/v1/resources.ts'
import { type Fault, fault, firstFault } from './fault.ts'
import { equalLabels } from './resource.ts'
import { isStrictSubrole, roleNameError } from './roles.ts'
import { isExactScalar, toMillis } from './scalar.ts'

/** The first rule that one of the resources breaks; `place` is where the list stands. */
export function validateResources(list: readonly Resource[], place: string): Fault | undefined {
  return firstFault(list, place, validateResource)
}

/** The first rule that the resource breaks. */
export function validateResource(resource: Resource): Fault | undefined {
  if (resource.name === '') return fault('R1', 'name', 'must not be empty')
  return (
    valueFault(resource) ??
    diskFault(resource) ??
    reservationFault(resource) ??
    sharedFault(resource)
  )
}

function valueFault(resource: Resource): Fault | undefined {
  const { scalar, ranges, set } = resource
  switch (resource.type) {
    case 'SCALAR':
      if (scalar === undefined) return fault('R3', 'scalar', 'must be there for a SCALAR')
      if (ranges !== undefined || set !== undefined) return stray('R3', resource)
      return scalarFault(scalar.value)
    case 'RANGES':
      if (ranges === undefined) return fault('R4', 'ranges', 'must be there for RANGES')
      if (scalar !== undefined || set !== undefined) return stray('R4', resource)
      return rangesFault(resource)
    case 'SET': {
      if (set === undefined) return fault('R5', 'set', 'must be there for a SET')
      if (scalar !== undefined || ranges !== undefined) return stray('R5', resource)
      const items = set.item ?? []
      if (new Set(items).size === items.length) return undefined
      return fault('R5', 'set.item', 'must not hold an item twice')
    }
    case 'TEXT':
      return fault('R6', 'type', 'must not be TEXT for a resource')
    default:
      return fault('R2', 'type', 'must be SCALAR, RANGES or SET')
  }
}

function stray(rule: string, resource: Resource): Fault {
  return fault(rule, '', `'${resource.name}' must have no other value than its ${resource.type}`)
}

function scalarFault(value: number): Fault | undefined {
  if (!isExactScalar(value)) {
    return fault('R3', 'scalar.value', 'must be finite and at most 2^51 thousandths')
  }
  if (value < 0) return fault('R3', 'scalar.value', 'must not be negative')
  if (value !== 0 && toMillis(value) === 0) {
    return fault('R3', 'scalar.value', 'must be 0 or at least 0.001 (three decimals count)')
  }
  return undefined
}

/**
 * Bounds, order within a range, and overlaps. Mesos overlooks an overlap with a later range that starts
 * earlier; here any overlap is one.
 */
function rangesFault(resource: Resource): Fault | undefined {
  const ranges = resource.ranges?.range ?? []
  let sorted = true
  for (let i = 0; i < ranges.length; i++) {
    const { begin, end } = ranges[i]!
    const place = `ranges.range[${i}]`
    if (!isBound(begin) || !isBound(end)) {
      return fault('R4', place, 'must have bounds that are whole numbers from 0 to 2^53 - 1')
    }
    if (begin > end) return fault('R4', place, `must not begin (${begin}) after its end (${end})`)
    if (i > 0 && begin <= ranges[i - 1]!.end) sorted = false
  }
  if (sorted) return undefined
  const ordered = [...ranges].sort((a, b) => a.begin - b.begin)
  const overlap = ordered.findIndex((range, i) => i > 0 && range.begin <= ordered[i - 1]!.end)
  if (overlap === -1) return undefined
  const { begin, end } = ordered[overlap]!
  return fault('R4', 'ranges.range', `must not overlap, as ${begin}-${end} does`)
}

function isBound(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function diskFault(resource: Resource): Fault | undefined {
  const { disk } = resource
  if (disk === undefined) return undefined
  if (resource.name !== 'disk') {
    return fault('R7', 'disk', `must not be there for '${resource.name}', only for 'disk'`)
  }
  const source = disk.source
  if (source === undefined) return undefined
  if (source.type === 'UNKNOWN') return fault('R8', 'disk.source.type', 'must be known')
  if (source.type === 'BLOCK' || source.type === 'RAW') {
    if (source.mount !== undefined || source.path !== undefined) {
      return fault('R8', 'disk.source', `must have neither mount nor path for ${source.type}`)
    }
  }
  return undefined
}

function reservationFault(resource: Resource): Fault | undefined {
  const { role, reservation, reservations } = resource
  if (reservations === undefined || reservations.length === 0) {
    if (role === undefined && reservation === undefined) return undefined
    return preRefinementFault(role ?? '*', reservation)
  }
  const problem = stackFault(reservations)
  if (problem !== undefined) return problem
  if (role === undefined && reservation === undefined) return undefined
  if (reservations.length > 1) {
    return fault(
      'R12',
      '',
      'a refined reservation must have neither role nor reservation beside it',
    )
  }
  return endpointFault(reservations[0]!, role, reservation)
}

function preRefinementFault(
  role: string,
  reservation: ReservationInfo | undefined,
): Fault | undefined {
  const problem = roleNameError(role)
  if (problem !== undefined) return fault('R9', 'role', problem)
  if (reservation === undefined) return undefined
  if (reservation.type !== undefined || reservation.role !== undefined) {
    return fault('R9', 'reservation', 'must have neither type nor role')
  }
  if (role === '*') return fault('R9', 'reservation', "must not be there for role '*'")
  return undefined
}

function stackFault(stack: readonly ReservationInfo[]): Fault | undefined {
  for (let i = 0; i < stack.length; i++) {
    const { type, role } = stack[i]!
    const place = `reservations[${i}]`
    if (type !== 'STATIC' && type !== 'DYNAMIC') {
      // R11 repeats this for a stack of one.
      return fault('R10', `${place}.type`, 'must be STATIC or DYNAMIC')
    }
    if (role === undefined) return fault('R10', `${place}.role`, 'must be there')
    const problem = roleNameError(role)
    if (problem !== undefined) return fault('R10', `${place}.role`, problem)
    if (role === '*') return fault('R10', `${place}.role`, "must not be '*'")
    if (i === 0) continue
    if (type === 'STATIC') return fault('R10', `${place}.type`, 'must be DYNAMIC above the bottom')
    const below = stack[i - 1]!.role as string
    if (!isStrictSubrole(role, below)) {
      return fault(
        'R10',
        `${place}.role`,
        `'${role}' must be below '${below}' in the tree of roles`,
      )
    }
  }
  return undefined
}

/** `role` and `reservation` beside a stack of one must repeat what that says. */
function endpointFault(
  only: ReservationInfo,
  role: string | undefined,
  reservation: ReservationInfo | undefined,
): Fault | undefined {
  if (role !== undefined && role !== only.role) {
    return fault('R11', 'role', `must be that of the reservation, '${only.role}'`)
  }
  if (only.type === 'STATIC') {
    if (reservation === undefined) return undefined
    return fault('R11', 'reservation', 'must not be there for a STATIC reservation')
  }
  if (role === undefined || reservation === undefined) {
    return fault('R11', '', 'role and reservation must be there both or neither')
  }
  if (reservation.principal !== only.principal) {
    return fault('R11', 'reservation.principal', 'must be that of reservations[0]')
  }
  if (!equalLabels(reservation.labels, only.labels)) {
    return fault('R11', 'reservation.labels', 'must be those of reservations[0]')
  }
  return undefined
}

function sharedFault(resource: Resource): Fault | undefined {
  if (resource.shared === undefined) return undefined
  if (resource.name !== 'disk' || resource.disk?.persistence === undefined) {
    return fault('R13', 'shared', 'must be there for persistent volumes only')
  }
  return undefined
}
