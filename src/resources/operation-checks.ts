/**
 * Whether an operation is well formed and its caller may ask for it. Spec: resources.md §7.4.
 *
 * Not asked here: authorization, and whether the resources are available (`applyOperation`).
 */
import { err, ok } from '../../protocol/result.ts'
import type { OfferOperation } from '../../protocol/v1/offer.ts'
import type { Resource } from '../../protocol/v1/resources.ts'
import {
  checkAllocationRole,
  checkPersistenceIds,
  checkProvider,
  checkResources,
} from './checks.ts'
import { contains, equals, merge, type Resources } from './collection.ts'
import { type Checked, type Fault, fault, firstFault, within } from './fault.ts'
import { upgrade } from './formats.ts'
import { stripVolume } from './operations.ts'
import { toUnreserved, unallocate, withoutAllocation } from './reservations.ts'
import {
  hasRefinedReservations,
  isDynamicallyReserved,
  isPersistentVolume,
  sameReservations,
  topReservation,
} from './resource.ts'
import { isHierarchical } from './roles.ts'
import { toMillis } from './scalar.ts'
import { validateResource } from './validation.ts'
import { scalarOf } from './values.ts'

/** Who asks for an operation, and the agent that it is for. */
export interface OperationContext {
  /** The framework's roles and whether it has SHARED_RESOURCES; absent for an operator's call. */
  readonly framework?: {
    readonly roles: readonly string[]
    readonly sharedResources: boolean
  }
  /** The caller's principal, where callers have one. */
  readonly principal?: string
  /** `AgentInfo.Capability` types of the agent. */
  readonly capabilities: ReadonlySet<string>
  /** The agent's checkpointed resources. */
  readonly checkpointed: Resources
  /** What tasks and executors of any framework use on the agent, those about to be launched included. */
  readonly used: Resources
}

/** The first reason to refuse the operation. LAUNCH and LAUNCH_GROUP are in launch-checks.ts. */
export function checkOperation(
  operation: OfferOperation,
  context: OperationContext,
): Fault | undefined {
  switch (operation.type) {
    case 'RESERVE':
      return checkReserve(operation, context)
    case 'UNRESERVE':
      return checkUnreserve(operation)
    case 'CREATE':
      return checkCreate(operation, context)
    case 'DESTROY':
      return checkDestroy(operation, context)
    case 'GROW_VOLUME':
      return checkGrow(operation, context)
    case 'SHRINK_VOLUME':
      return checkShrink(operation, context)
    case 'CREATE_DISK':
      return checkCreateDisk(operation)
    case 'DESTROY_DISK':
      return checkDestroyDisk(operation)
    default:
      return fault('OPERATION', 'type', `'${operation.type}' is not an operation on resources`)
  }
}

function checkReserve({ reserve }: OfferOperation, context: OperationContext): Fault | undefined {
  if (reserve === undefined) return fault('RESERVE', 'reserve', 'must be there')
  const place = 'reserve.resources'
  const wanted = checkResources(reserve.resources ?? [], place)
  if (!wanted.ok) return wanted.error
  const source = checkResources(reserve.source ?? [], 'reserve.source')
  if (!source.ok) return source.error
  if (context.framework !== undefined && source.value.length > 0) {
    return fault('RESERVE', 'reserve.source', 'must not be there in a call of a framework')
  }
  return (
    checkProvider(wanted.value, place) ??
    firstFault(wanted.value, place, (resource) => reservationFault(resource, context)) ??
    (context.framework === undefined ? undefined : checkAllocationRole(wanted.value, place)) ??
    (reserve.source === undefined || source.value.length === 0
      ? undefined
      : checkSource(source.value, wanted.value))
  )
}

function reservationFault(resource: Resource, context: OperationContext): Fault | undefined {
  const place = 'reservations'
  if (!isDynamicallyReserved(resource)) {
    return fault('RESERVE', place, 'must end with a DYNAMIC reservation')
  }
  const top = topReservation(resource)
  if (context.principal !== undefined && top?.principal !== context.principal) {
    return fault('RESERVE', place, `must name the caller's principal, '${context.principal}'`)
  }
  return capabilityFault(resource, context, 'RESERVE') ?? reservedAllocationFault(resource, context)
}

function reservedAllocationFault(resource: Resource, context: OperationContext): Fault | undefined {
  const place = 'allocation_info'
  const allocated = resource.allocation_info?.role
  if (context.framework === undefined) {
    if (resource.allocation_info === undefined) return undefined
    return fault('RESERVE', place, 'must not be there in a call of an operator')
  }
  const role = topReservation(resource)?.role
  if (allocated === undefined) return fault('RESERVE', place, 'must hold a role')
  if (allocated !== role) {
    return fault('RESERVE', place, `must be allocated to the role it is reserved to, '${role}'`)
  }
  if (context.framework.roles.includes(allocated)) return undefined
  return fault('RESERVE', place, `'${allocated}' must be a role of the framework`)
}

/** Operators may move reservations: from one stack to one other, of the same resources otherwise. */
function checkSource(source: readonly Resource[], wanted: readonly Resource[]): Fault | undefined {
  const mixed = (list: readonly Resource[]) =>
    list.some((resource) => !sameReservations(resource.reservations, list[0]?.reservations))
  if (mixed(source)) return fault('RESERVE', 'reserve.source', 'must have one reservation stack')
  if (mixed(wanted)) return fault('RESERVE', 'reserve.resources', 'must have one reservation stack')
  if (equals(toUnreserved(merge(source)), toUnreserved(merge(wanted)))) return undefined
  return fault('RESERVE', 'reserve.source', 'must be the same resources but for reservations')
}

function checkUnreserve({ unreserve }: OfferOperation): Fault | undefined {
  if (unreserve === undefined) return fault('UNRESERVE', 'unreserve', 'must be there')
  const place = 'unreserve.resources'
  const reserved = checkResources(unreserve.resources ?? [], place)
  if (!reserved.ok) return reserved.error
  return (
    checkProvider(reserved.value, place) ??
    firstFault(reserved.value, place, (resource) => {
      if (!isDynamicallyReserved(resource)) {
        return fault('UNRESERVE', 'reservations', 'must end with a DYNAMIC reservation')
      }
      if (!isPersistentVolume(resource)) return undefined
      return fault('UNRESERVE', 'disk.persistence', 'must be destroyed first')
    })
  )
}

function checkCreate({ create }: OfferOperation, context: OperationContext): Fault | undefined {
  if (create === undefined) return fault('CREATE', 'create', 'must be there')
  const place = 'create.volumes'
  const volumes = checkResources(create.volumes ?? [], place)
  if (!volumes.ok) return volumes.error
  return (
    checkProvider(volumes.value, place) ??
    firstFault(volumes.value, place, (volume) => newVolumeFault(volume, context)) ??
    checkPersistenceIds([...context.checkpointed, ...volumes.value], place) ??
    (context.framework === undefined ? undefined : checkAllocationRole(volumes.value, place))
  )
}

function newVolumeFault(volume: Resource, context: OperationContext): Fault | undefined {
  const persistence = volume.disk?.persistence
  if (persistence === undefined) return fault('CREATE', 'disk.persistence', 'must be there')
  if (volume.disk?.volume?.mode !== 'RW') return fault('CREATE', 'disk.volume.mode', 'must be RW')
  if (volume.shared !== undefined && context.framework?.sharedResources === false) {
    return fault('CREATE', 'shared', 'needs the capability SHARED_RESOURCES')
  }
  if (context.principal !== undefined && persistence.principal !== context.principal) {
    const message = `must be the caller's principal, '${context.principal}'`
    return fault('CREATE', 'disk.persistence.principal', message)
  }
  return capabilityFault(volume, context, 'CREATE')
}

function checkDestroy({ destroy }: OfferOperation, context: OperationContext): Fault | undefined {
  if (destroy === undefined) return fault('DESTROY', 'destroy', 'must be there')
  const place = 'destroy.volumes'
  const volumes = checkResources(destroy.volumes ?? [], place)
  if (!volumes.ok) return volumes.error
  const unallocated = volumes.value.map(withoutAllocation)
  const used = unallocate(context.used)
  return (
    checkProvider(unallocated, place) ??
    firstFault(unallocated, place, (volume) => {
      if (!isPersistentVolume(volume)) {
        return fault('DESTROY', 'disk.persistence', 'must be there')
      }
      const single = merge([volume])
      if (volume.provider_id === undefined && !contains(context.checkpointed, single)) {
        return fault('DESTROY', '', 'must be a volume that the agent has')
      }
      if (!contains(used, single)) return undefined
      return fault('DESTROY', '', 'must not be in use by a task or executor')
    })
  )
}

function checkGrow(
  { grow_volume: grow }: OfferOperation,
  context: OperationContext,
): Fault | undefined {
  if (grow === undefined) return fault('GROW_VOLUME', 'grow_volume', 'must be there')
  const volume = checkMember(grow.volume, 'grow_volume.volume')
  if (!volume.ok) return volume.error
  const addition = checkMember(grow.addition, 'grow_volume.addition')
  if (!addition.ok) return addition.error
  if (toMillis(scalarOf(addition.value)) <= 0) {
    return fault('GROW_VOLUME', 'grow_volume.addition', 'must be positive')
  }
  const problem = resizeFault(volume.value, context, 'GROW_VOLUME')
  if (problem !== undefined) return within('grow_volume.volume', problem)
  if (merge([stripVolume(volume.value), addition.value]).length === 1) return undefined
  const message = 'must be divisible space with the reservations and provider of the volume'
  return fault('GROW_VOLUME', 'grow_volume.addition', message)
}

function checkShrink(
  { shrink_volume: shrink }: OfferOperation,
  context: OperationContext,
): Fault | undefined {
  if (shrink === undefined) return fault('SHRINK_VOLUME', 'shrink_volume', 'must be there')
  const volume = checkMember(shrink.volume, 'shrink_volume.volume')
  if (!volume.ok) return volume.error
  const amount = toMillis(shrink.subtract.value)
  if (!(amount > 0 && amount < toMillis(scalarOf(volume.value)))) {
    const message = 'must be positive and less than the size of the volume'
    return fault('SHRINK_VOLUME', 'shrink_volume.subtract', message)
  }
  const problem = resizeFault(volume.value, context, 'SHRINK_VOLUME')
  if (problem !== undefined) return within('shrink_volume.volume', problem)
  if (volume.value.disk?.source?.type !== 'MOUNT') return undefined
  return fault('SHRINK_VOLUME', 'shrink_volume.volume', 'must not be a MOUNT disk')
}

function resizeFault(volume: Resource, context: OperationContext, rule: string): Fault | undefined {
  if (volume.provider_id !== undefined) {
    return fault(rule, 'provider_id', 'must not be there: providers do not resize volumes')
  }
  if (!isPersistentVolume(volume) || volume.disk?.volume?.mode !== 'RW') {
    return fault(rule, 'disk', 'must be a persistent volume with mode RW')
  }
  if (volume.shared !== undefined) return fault(rule, 'shared', 'must not be there')
  if (!context.capabilities.has('RESIZE_VOLUME')) {
    return fault(rule, '', 'needs an agent with the capability RESIZE_VOLUME')
  }
  return undefined
}

function checkCreateDisk({ create_disk: create }: OfferOperation): Fault | undefined {
  const rule = 'CREATE_DISK'
  if (create === undefined) return fault(rule, 'create_disk', 'must be there')
  const place = 'create_disk.source'
  const source = providerDisk(create.source, place, rule)
  if (!source.ok) return source.error
  const disk = source.value.disk?.source
  if (disk?.type !== 'RAW') return fault(rule, place, 'must be a RAW disk')
  if (create.target_type !== 'MOUNT' && create.target_type !== 'BLOCK') {
    return fault(rule, 'create_disk.target_type', 'must be MOUNT or BLOCK')
  }
  if ((disk.profile === undefined) !== (create.target_profile === undefined)) return undefined
  const message = 'must be given exactly once, by the source or as target_profile'
  return fault(rule, 'create_disk.target_profile', message)
}

function checkDestroyDisk({ destroy_disk: destroy }: OfferOperation): Fault | undefined {
  const rule = 'DESTROY_DISK'
  if (destroy === undefined) return fault(rule, 'destroy_disk', 'must be there')
  const place = 'destroy_disk.source'
  const source = providerDisk(destroy.source, place, rule)
  if (!source.ok) return source.error
  const disk = source.value.disk?.source
  if (disk?.type !== 'MOUNT' && disk?.type !== 'BLOCK' && disk?.type !== 'RAW') {
    return fault(rule, place, 'must be a MOUNT, BLOCK or RAW disk')
  }
  if (disk.id === undefined) return fault(rule, `${place}.disk.source.id`, 'must be there')
  if (!isPersistentVolume(source.value)) return undefined
  return fault(rule, `${place}.disk.persistence`, 'must be destroyed first')
}

function providerDisk(resource: Resource, place: string, rule: string): Checked<Resource> {
  const checked = checkResources([resource], place)
  if (!checked.ok) return checked
  const [source] = checked.value as [Resource]
  if (source.provider_id !== undefined) return ok(source)
  return err(fault(rule, place, 'must come from a resource provider'))
}

function capabilityFault(
  resource: Resource,
  context: OperationContext,
  rule: string,
): Fault | undefined {
  const place = 'reservations'
  const hierarchical = (resource.reservations ?? []).some(({ role }) => isHierarchical(role ?? '*'))
  if (hierarchical && !context.capabilities.has('HIERARCHICAL_ROLE')) {
    return fault(rule, place, 'needs an agent with the capability HIERARCHICAL_ROLE')
  }
  if (hasRefinedReservations(resource) && !context.capabilities.has('RESERVATION_REFINEMENT')) {
    return fault(rule, place, 'needs an agent with the capability RESERVATION_REFINEMENT')
  }
  return undefined
}

/** R1-R13 for a single resource: GROW_VOLUME and SHRINK_VOLUME ask no more. */
function checkMember(resource: Resource, place: string): Checked<Resource> {
  const problem = validateResource(resource)
  if (problem !== undefined) return err(within(place, problem))
  return ok(upgrade(resource))
}
