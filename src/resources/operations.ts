/**
 * What offer operations do to resources. Spec: resources.md §6.
 *
 * An operation is a list of conversions, each of which takes something away and puts something else in
 * its place; it never changes how much there is of anything. Whether somebody may do it is not asked
 * here: see operation-checks.ts.
 */
import { err, ok } from '../../protocol/result.ts'
import type { OfferOperation } from '../../protocol/v1/offer.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import { add, contains, merge, none, type Resources, subtract, sum } from './collection.ts'
import { type Checked, type Fault, fault, within } from './fault.ts'
import { upgrade } from './formats.ts'
import { withoutAllocation, withoutTop } from './reservations.ts'
import { topReservation } from './resource.ts'
import { addScalars, subtractScalars, toMillis } from './scalar.ts'
import { formatResources } from './text.ts'
import { validateResource, validateResources } from './validation.ts'
import { scalarOf, withScalar } from './values.ts'

/** One exchange: `consumed` must be there and is replaced by `converted`. */
export interface Conversion {
  readonly consumed: Resources
  readonly converted: Resources
  /** Must not be there any more afterwards: further copies of a shared volume that is destroyed. */
  readonly gone?: Resources
}

const SPECULATIVE = new Set([
  'RESERVE',
  'UNRESERVE',
  'CREATE',
  'DESTROY',
  'GROW_VOLUME',
  'SHRINK_VOLUME',
])

/** Whether the master applies it at once, taking for granted that the agent will succeed. */
export function isSpeculative(type: string | undefined): boolean {
  return type !== undefined && SPECULATIVE.has(type)
}

/**
 * Every resource that the operation names, in the order of its fields, canonical, with its place in
 * the operation.
 */
export function operationResources(
  operation: OfferOperation,
): readonly { readonly place: string; readonly resources: readonly Resource[] }[] {
  const { reserve, unreserve, create, destroy } = operation
  const lists: [string, readonly Resource[] | undefined][] = [
    ['reserve.source', reserve?.source],
    ['reserve.resources', reserve?.resources],
    ['unreserve.resources', unreserve?.resources],
    ['create.volumes', create?.volumes],
    ['destroy.volumes', destroy?.volumes],
  ]
  const single: [string, Resource | undefined][] = [
    ['grow_volume.volume', operation.grow_volume?.volume],
    ['grow_volume.addition', operation.grow_volume?.addition],
    ['shrink_volume.volume', operation.shrink_volume?.volume],
    ['create_disk.source', operation.create_disk?.source],
    ['destroy_disk.source', operation.destroy_disk?.source],
  ]
  for (const [place, resource] of single) if (resource) lists.push([place, [resource]])
  return lists.flatMap(([place, list]) =>
    list === undefined || list.length === 0 ? [] : [{ place, resources: list.map(upgrade) }],
  )
}

/** The exchanges that the operation stands for. Refuses resources that break R1-R13. */
export function conversionsOf(operation: OfferOperation): Checked<readonly Conversion[]> {
  switch (operation.type) {
    case 'RESERVE':
      return reserveConversions(operation)
    case 'UNRESERVE':
      return each(operation.unreserve?.resources, 'unreserve.resources', (resource) =>
        topReservation(resource)?.type === 'DYNAMIC'
          ? exchange(resource, withoutTop(resource))
          : fault('UNRESERVE', 'reservations', 'must end with a DYNAMIC reservation'),
      )
    case 'CREATE':
      return each(operation.create?.volumes, 'create.volumes', (volume) =>
        exchange(stripVolume(volume), volume),
      )
    case 'DESTROY':
      return each(operation.destroy?.volumes, 'destroy.volumes', (volume) => ({
        ...exchange(volume, stripVolume(volume)),
        gone: merge([volume]),
      }))
    case 'GROW_VOLUME':
      return growConversions(operation)
    case 'SHRINK_VOLUME':
      return shrinkConversions(operation)
    default:
      return err(
        fault('OPERATION', 'type', `'${operation.type}' does not convert resources by itself`),
      )
  }
}

/** `available` after the exchange; refused when `available` does not contain what is consumed. */
export function applyConversion(available: Resources, conversion: Conversion): Checked<Resources> {
  const { consumed, converted, gone } = conversion
  if (!contains(available, consumed)) {
    const missing = formatResources(consumed)
    return err(fault('OPERATION', '', `needs ${missing}, which is not available`))
  }
  const result = add(subtract(available, consumed), converted)
  if (gone !== undefined && contains(result, gone)) {
    return err(fault('OPERATION', '', `${formatResources(gone)} has further copies in use`))
  }
  return ok(result)
}

/** `available` after all exchanges of the operation; all or nothing. */
export function applyOperation(
  available: Resources,
  operation: OfferOperation,
): Checked<Resources> {
  const conversions = conversionsOf(operation)
  if (!conversions.ok) return conversions
  let result = available
  for (const conversion of conversions.value) {
    const next = applyConversion(result, conversion)
    if (!next.ok) return next
    result = next.value
  }
  return ok(result)
}

/** The operation as it is applied to agent totals, which are stored unallocated (§6). */
export function unallocatedOperation(operation: OfferOperation): OfferOperation {
  return changeResources(operation, withoutAllocation)
}

/** The operation with the role of its offer where a framework left the allocation out (§3.6). */
export function allocatedOperation(operation: OfferOperation, role: string): OfferOperation {
  return changeResources(operation, (resource) =>
    resource.allocation_info?.role === undefined
      ? { ...resource, allocation_info: { role } }
      : resource,
  )
}

/** The speculative operation with each of its resources changed. */
function changeResources(
  operation: OfferOperation,
  change: (resource: Resource) => Resource,
): OfferOperation {
  const all = (list: readonly Resource[]) => list.map(change)
  const { reserve, unreserve, create, destroy, grow_volume, shrink_volume } = operation
  return {
    ...operation,
    ...(reserve && {
      reserve: {
        ...reserve,
        ...(reserve.source && { source: all(reserve.source) }),
        ...(reserve.resources && { resources: all(reserve.resources) }),
      },
    }),
    ...(unreserve?.resources && { unreserve: { resources: all(unreserve.resources) } }),
    ...(create?.volumes && { create: { volumes: all(create.volumes) } }),
    ...(destroy?.volumes && { destroy: { volumes: all(destroy.volumes) } }),
    ...(grow_volume && {
      grow_volume: { volume: change(grow_volume.volume), addition: change(grow_volume.addition) },
    }),
    ...(shrink_volume && {
      shrink_volume: { ...shrink_volume, volume: change(shrink_volume.volume) },
    }),
  }
}

/** The disk space that a persistent volume is made of: no persistence, no volume, not shared. */
export function stripVolume(volume: Resource): Resource {
  const { disk, shared: _, ...rest } = volume
  return disk?.source === undefined ? rest : { ...rest, disk: { source: disk.source } }
}

/**
 * How an ACCEPT ends: what its operations made and nobody used goes back without a filter, what was
 * left untouched goes back with the filter of the ACCEPT. `resized` are the results of GROW_VOLUME and
 * SHRINK_VOLUME, which are set aside and not part of `remaining`.
 */
export function settleAccept(
  offered: Resources,
  remaining: Resources,
  resized: Resources = none,
): { readonly converted: Resources; readonly declined: Resources } {
  const converted = subtract(sum([remaining, resized]), offered)
  return { converted, declined: subtract(remaining, converted) }
}

function exchange(consumed: Resource, converted: Resource): Conversion {
  return { consumed: merge([consumed]), converted: merge([converted]) }
}

function each(
  list: readonly Resource[] | undefined,
  place: string,
  conversion: (resource: Resource) => Conversion | Fault,
): Checked<readonly Conversion[]> {
  if (list === undefined) return err(fault('OPERATION', place, 'must be there'))
  const problem = validateResources(list, place)
  if (problem !== undefined) return err(problem)
  const conversions: Conversion[] = []
  for (let i = 0; i < list.length; i++) {
    const made = conversion(upgrade(list[i]!))
    if ('rule' in made) return err(within(`${place}[${i}]`, made))
    conversions.push(made)
  }
  return ok(conversions)
}

function reserveConversions({ reserve }: OfferOperation): Checked<readonly Conversion[]> {
  if (reserve === undefined) return err(fault('OPERATION', 'reserve', 'must be there'))
  const { source = [], resources: wanted = [] } = reserve
  const problem =
    validateResources(source, 'reserve.source') ?? validateResources(wanted, 'reserve.resources')
  if (problem !== undefined) return err(problem)
  const converted = wanted.map(upgrade)
  const unreserved = converted.findIndex((resource) => topReservation(resource) === undefined)
  if (unreserved !== -1) {
    const place = `reserve.resources[${unreserved}].reservations`
    return err(fault('OPERATION', place, 'must hold the reservation to make'))
  }
  const consumed = source.length > 0 ? source.map(upgrade) : converted.map(withoutTop)
  return ok([{ consumed: merge(consumed), converted: merge(converted) }])
}

function growConversions({ grow_volume: grow }: OfferOperation): Checked<readonly Conversion[]> {
  if (grow === undefined) return err(fault('OPERATION', 'grow_volume', 'must be there'))
  const problem =
    memberFault(grow.volume, 'grow_volume.volume') ??
    memberFault(grow.addition, 'grow_volume.addition')
  if (problem !== undefined) return err(problem)
  const volume = upgrade(grow.volume)
  const addition = upgrade(grow.addition)
  const grown = withScalar(volume, addScalars(scalarOf(volume), scalarOf(addition)))
  return ok([{ consumed: merge([volume, addition]), converted: merge([grown]) }])
}

function shrinkConversions({
  shrink_volume: shrink,
}: OfferOperation): Checked<readonly Conversion[]> {
  if (shrink === undefined) return err(fault('OPERATION', 'shrink_volume', 'must be there'))
  const problem = memberFault(shrink.volume, 'shrink_volume.volume')
  if (problem !== undefined) return err(problem)
  const volume = upgrade(shrink.volume)
  const amount = shrink.subtract.value
  const rest = toMillis(scalarOf(volume)) - toMillis(amount)
  if (!(toMillis(amount) > 0 && rest > 0)) {
    const message = 'must be positive and less than the size of the volume'
    return err(fault('SHRINK_VOLUME', 'shrink_volume.subtract', message))
  }
  const shrunk = withScalar(volume, subtractScalars(scalarOf(volume), amount))
  const freed = withScalar(stripVolume(volume), amount)
  return ok([{ consumed: merge([volume]), converted: merge([shrunk, freed]) }])
}

function memberFault(resource: Resource, place: string): Fault | undefined {
  const problem = validateResource(resource)
  return problem && within(place, problem)
}
