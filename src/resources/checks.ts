/**
 * What a master checks on lists of resources beyond each one's own validity. Spec: resources.md §7.2
 * (M1-M5) and §7.3 (S1-S5). `place` is where the list stands; the S checks want canonical ones.
 */
import { err, ok } from '../../protocol/result.ts'
import type { DiskInfo, Resource } from '../../protocol/v1/resources.ts'
import { type Resources, sum } from './collection.ts'
import { type Checked, type Fault, fault, firstFault } from './fault.ts'
import { upgrade } from './formats.ts'
import { quantitiesOf } from './quantities.ts'
import { isDynamicallyReserved, isRevocable, isUnreserved, reservationRole } from './resource.ts'
import { validateResources } from './validation.ts'
import { quantityMillis } from './values.ts'

/** 255 bytes is the longest name that common file systems take for one component of a path. */
const ID_BYTES_MAX = 255
// biome-ignore lint/suspicious/noControlCharactersInRegex: the rule names these characters
const ID_FORBIDDEN = /[\x00-\x1f\x7f/\\]/

/** Merging compares each element with each other, so a list from outside has a limit. */
export const LIST_LENGTH_MAX = 1000

/** R1-R13 and M1-M5, for tasks, executors and most operations: the list, canonical. */
export function checkResources(list: readonly Resource[], place: string): Checked<Resource[]> {
  if (list.length > LIST_LENGTH_MAX) {
    return err(fault('LIMIT', place, `must not hold more than ${LIST_LENGTH_MAX} resources`))
  }
  const invalid = validateResources(list, place)
  if (invalid !== undefined) return err(invalid)
  const canonical = list.map(upgrade)
  const problem = firstFault(canonical, place, resourceFault) ?? gpusFault(canonical, place)
  return problem === undefined ? ok(canonical) : err(problem)
}

/** Why `id` cannot name a directory of its own, or nothing (task, executor and persistence ids). */
export function idError(id: string): string | undefined {
  if (id === '') return 'must not be empty'
  if (new TextEncoder().encode(id).length > ID_BYTES_MAX) {
    return `must not be longer than ${ID_BYTES_MAX} bytes`
  }
  if (id === '.' || id === '..') return `must not be '${id}'`
  if (ID_FORBIDDEN.test(id)) return 'must hold neither control characters nor slashes'
  return undefined
}

function gpusFault(list: readonly Resource[], place: string): Fault | undefined {
  let millis = 0
  for (const resource of list) {
    if (resource.name === 'gpus') millis += quantityMillis(resource)
  }
  return millis % 1000 === 0 ? undefined : fault('M1', place, 'gpus must be a whole number')
}

function resourceFault(resource: Resource): Fault | undefined {
  const { disk } = resource
  if (disk !== undefined) {
    const problem = diskFault(resource, disk)
    if (problem !== undefined) return problem
  }
  if (isDynamicallyReserved(resource) && isRevocable(resource)) {
    return fault('M5', 'revocable', 'must not be there for dynamically reserved resources')
  }
  return undefined
}

function diskFault(resource: Resource, disk: DiskInfo): Fault | undefined {
  const { persistence, volume, source } = disk
  if (persistence === undefined) {
    if (volume !== undefined) return fault('M3', 'disk.volume', 'must not be without persistence')
    if (source === undefined) return fault('M4', 'disk', 'must have persistence or a source')
    return undefined
  }
  if (isRevocable(resource)) {
    return fault('M2', 'revocable', 'must not be there for persistent volumes')
  }
  if (isUnreserved(resource)) {
    return fault('M2', 'reservations', 'must hold one for a persistent volume')
  }
  if (volume === undefined) {
    return fault('M2', 'disk.volume', 'must be there for a persistent volume')
  }
  if (volume.host_path !== undefined) {
    return fault('M2', 'disk.volume.host_path', 'must not be there for a persistent volume')
  }
  const problem = idError(persistence.id)
  return problem === undefined ? undefined : fault('M2', 'disk.persistence.id', problem)
}

/**
 * S1: a persistence id occurs once per reservation role. Where further copies of a shared volume are no
 * fault, pass the `distinct` elements.
 */
export function checkPersistenceIds(list: readonly Resource[], place: string): Fault | undefined {
  const seen = new Set<string>()
  for (const resource of list) {
    const id = resource.disk?.persistence?.id
    if (id === undefined) continue
    const role = reservationRole(resource)
    const key = `${role}\n${id}`
    if (seen.has(key)) {
      return fault('S1', place, `persistence id '${id}' must occur once for role '${role}'`)
    }
    seen.add(key)
  }
  return undefined
}

/** S2: what is revocable is not mixed with what is not, name by name. */
export function checkRevocableMix(list: readonly Resource[], place: string): Fault | undefined {
  const kinds = new Map<string, boolean>()
  for (const resource of list) {
    const revocable = isRevocable(resource)
    if ((kinds.get(resource.name) ?? revocable) !== revocable) {
      return fault('S2', place, `'${resource.name}' must not be both revocable and non-revocable`)
    }
    kinds.set(resource.name, revocable)
  }
  return undefined
}

/** S3: everything is allocated, and to one role. An empty list passes. */
export function checkAllocationRole(list: readonly Resource[], place: string): Fault | undefined {
  const first = list[0]?.allocation_info?.role
  return firstFault(list, place, (resource) => {
    const role = resource.allocation_info?.role
    if (role === undefined) return fault('S3', 'allocation_info.role', 'must be there')
    if (role === first) return undefined
    return fault('S3', 'allocation_info.role', `must be '${first}' as for the others`)
  })
}

/** S4: an operation concerns one resource provider, or the agent itself; an empty list fails. */
export function checkProvider(list: readonly Resource[], place: string): Fault | undefined {
  const [first] = list
  if (first === undefined) return fault('S4', place, 'must not be empty')
  return firstFault(list, place, (resource) =>
    resource.provider_id?.value === first.provider_id?.value
      ? undefined
      : fault('S4', 'provider_id', 'must be the same for all resources of an operation'),
  )
}

/**
 * S5: the parts (task and executor, members of a group) claim nothing twice: together they amount to
 * the sum of what each amounts to. Shared volumes count once for each part and so fail, as in Mesos.
 */
export function checkOverlap(parts: readonly Resources[], place: string): Fault | undefined {
  const separate = new Map<string, number>()
  for (const part of parts) {
    for (const [name, millis] of quantitiesOf(part)) {
      separate.set(name, (separate.get(name) ?? 0) + millis)
    }
  }
  for (const [name, millis] of quantitiesOf(sum(parts))) {
    if (separate.get(name) !== millis) {
      return fault('S5', place, `parts of '${name}' must not be claimed twice`)
    }
  }
  return undefined
}
