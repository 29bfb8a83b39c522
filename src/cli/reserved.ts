/**
 * Reservations and volumes as people name them, found in what masters say of their agents. Pure.
 * Spec: resources.md §3.1, §3.3.
 */
import type { ReservationInfo, Resource } from '../../protocol/v1/resources.ts'
import type { AgentState } from '../../protocol/v1/state.ts'
import {
  contains,
  formatResource,
  isPersistentVolume,
  isShared,
  merge,
  type Resources,
  reservationRole,
  resources,
  sameReservations,
  topReservation,
} from '../resources/index.ts'
import { commandError, usage } from './errors.ts'

/** All that one agent has reserved in one way. */
export interface Reservation {
  readonly agent: AgentState
  readonly role: string
  /** Bottom first. */
  readonly stack: readonly ReservationInfo[]
  readonly resources: Resources
}

/** A persistent volume. */
export interface VolumeEntry {
  readonly agent: AgentState
  readonly id: string
  readonly role: string
  readonly resource: Resource
  /** A task or an executor has it. */
  readonly used: boolean
}

export function agentIdOf({ agent_info }: AgentState): string {
  return agent_info.id?.value ?? ''
}

/** In the order of agents and roles. */
export function reservationsOf(agents: readonly AgentState[]): Reservation[] {
  return agents.flatMap((agent) => {
    const groups: Array<{ stack: readonly ReservationInfo[]; list: Resource[] }> = []
    for (const resource of resources(agent.total_resources ?? [])) {
      const { reservations: stack = [] } = resource
      if (stack.length === 0) continue
      const group = groups.find((each) => sameReservations(each.stack, stack))
      if (group === undefined) groups.push({ stack, list: [resource] })
      else group.list.push(resource)
    }
    return groups
      .map(({ stack, list }) => ({
        agent,
        role: stack.at(-1)?.role ?? '*',
        stack,
        resources: merge(list),
      }))
      .sort((a, b) => (a.role < b.role ? -1 : 1))
  })
}

export function volumesOf(agents: readonly AgentState[]): VolumeEntry[] {
  return agents.flatMap((agent) => {
    const used = resources(agent.allocated_resources ?? [])
    return resources(agent.total_resources ?? [])
      .filter(isPersistentVolume)
      .map((resource) => ({
        agent,
        id: resource.disk?.persistence?.id ?? '',
        role: reservationRole(resource),
        resource,
        used: contains(used, merge([resource])),
      }))
  })
}

/** The resources of a text with another reservation on top of `below`. */
export function withReservation(
  list: readonly Resource[],
  below: readonly ReservationInfo[],
  top: ReservationInfo,
): Resource[] {
  return list.map((resource) => {
    if (topReservation(resource) !== undefined) {
      throw usage(`${formatResource(resource)}: the role is given with --role, not in brackets`)
    }
    return { ...resource, reservations: [...below, top] }
  })
}

/**
 * The part of a reservation that a text asks for; all that is no volume, if it asks for nothing.
 * @throws CommandError NOT_AVAILABLE naming what is not reserved
 */
export function partOf(reservation: Reservation, wanted: readonly Resource[]): Resource[] {
  const plain = reservation.resources.filter((resource) => !isPersistentVolume(resource))
  if (wanted.length === 0) return plain
  return wanted.map((resource) => {
    const whole = plain.find((each) => each.name === resource.name)
    const part = whole && { ...whole, ...amountOf(resource) }
    if (part === undefined || !contains(merge(plain), merge([part]))) {
      const problem = `${formatResource(resource)} is not reserved there`
      throw commandError('NOT_AVAILABLE', { problem })
    }
    return part
  })
}

function amountOf({ scalar, ranges, set }: Resource): Partial<Resource> {
  return { ...(scalar && { scalar }), ...(ranges && { ranges }), ...(set && { set }) }
}

/**
 * Reserved disk space of one agent that a volume can be made of.
 * @param root directory of a PATH or MOUNT disk; absent: the agent's own disk
 * @throws CommandError NOT_AVAILABLE with what to do
 */
export function spaceFor(
  agent: AgentState,
  role: string,
  megabytes: number,
  root: string | undefined,
): Resource {
  const found = resources(agent.total_resources ?? []).find((resource) => {
    const source = resource.disk?.source
    return (
      resource.name === 'disk' &&
      !isPersistentVolume(resource) &&
      topReservation(resource) !== undefined &&
      reservationRole(resource) === role &&
      (source?.path?.root ?? source?.mount?.root) === root &&
      (resource.scalar?.value ?? 0) >= megabytes
    )
  })
  if (found !== undefined) return { ...found, scalar: { value: megabytes } }
  const host = agent.agent_info.hostname
  const where = root === undefined ? '' : ` of ${root}`
  const problem = `${host} has not ${megabytes} MB of disk${where} reserved for ${role}: "meseta reservation create ${host} disk:${megabytes} --role ${role}" reserves it`
  throw commandError('NOT_AVAILABLE', { problem })
}

/** What a volume is called in listings: shared ones may be used by many tasks at a time. */
export function kindOf({ resource }: VolumeEntry): string {
  const source = resource.disk?.source?.type.toLowerCase() ?? 'root'
  return isShared(resource) ? `${source}, shared` : source
}
