/**
 * Who may be offered what: capabilities of frameworks against the nature of agents and resources, and
 * the least that is worth an offer. Spec: allocator.md §5, "Predicates".
 */
import type { AgentCapabilityType } from '../../protocol/v1/agent.ts'
import type { FrameworkCapabilityType, OfferFilters } from '../../protocol/v1/framework.ts'
import {
  filter,
  hasRefinedReservations,
  isAllocatableTo,
  isHierarchical,
  isReserved,
  isRevocable,
  isShared,
  isUnreserved,
  toMillis,
} from '../../src/resources/index.ts'
import { type Bundle, bundleOf, type ResourceNames, Trait } from './bundle.ts'
import type { Agent, Client, Settings } from './cluster.ts'

/** Capabilities of frameworks that decide about offers, as bits; the first three are those of traits. */
export const Capability = {
  REVOCABLE_RESOURCES: Trait.REVOCABLE,
  SHARED_RESOURCES: Trait.SHARED,
  RESERVATION_REFINEMENT: Trait.REFINED,
  GPU_RESOURCES: 16,
  REGION_AWARE: 32,
  MULTI_ROLE: 64,
} as const

const capabilityBits: Readonly<Record<string, number>> = Capability

/** Traits of resources that only frameworks with the capability of the same bit are shown. */
const OPT_IN = Trait.REVOCABLE | Trait.SHARED | Trait.REFINED

export function capabilityMask(capabilities: readonly FrameworkCapabilityType[]): number {
  let mask = 0
  for (const capability of capabilities) mask |= capabilityBits[capability] ?? 0
  return mask
}

/** What decides which frameworks may be offered an agent. */
export interface Nature {
  /** Bits of `Capability` that a framework must have. */
  readonly needs: number
  /** Bits of `Capability` that it must not have. */
  readonly bars: number
  /** It does not know roles below others. */
  readonly flatRolesOnly: boolean
}

export function natureOf(
  { domain, capabilities }: Pick<Agent, 'domain' | 'capabilities'>,
  total: Bundle,
  settings: Settings,
): Nature {
  const region = domain?.fault_domain?.region.name
  const hasGpus = total.resources.some((resource) => resource.name === 'gpus')
  const remote = region !== undefined && settings.region !== undefined && region !== settings.region
  const knows = (capability: AgentCapabilityType) => capabilities?.includes(capability) ?? true
  return {
    needs:
      (hasGpus && settings.filterGpuResources ? Capability.GPU_RESOURCES : 0) |
      (remote ? Capability.REGION_AWARE : 0),
    bars: knows('MULTI_ROLE') ? 0 : Capability.MULTI_ROLE,
    flatRolesOnly: !knows('HIERARCHICAL_ROLE'),
  }
}

/** Quantities that an offer must hold all of: thousandths by number of the resource name. */
export type Minimum = ReadonlyArray<readonly [number: number, millis: number]>

export function minimumOf(quantities: Iterable<readonly [string, number]>, names: ResourceNames) {
  return [...quantities].map(([name, millis]) => [names.number(name), millis] as const)
}

/** A framework's own minimums for a role; undefined if it has none of its own. */
export function minimumsOf(
  filters: OfferFilters | undefined,
  names: ResourceNames,
): readonly Minimum[] | undefined {
  const list = filters?.min_allocatable_resources
  if (list === undefined) return undefined
  return (list.quantities ?? []).map(({ quantities = {} }) =>
    minimumOf(
      Object.entries(quantities).map(([name, { value }]) => [name, toMillis(value)] as const),
      names,
    ),
  )
}

/** Whether the framework has the capabilities that the agent calls for, and none that it cannot bear. */
export function suits({ nature: { needs, bars } }: Agent, { framework }: Client): boolean {
  const { capabilities } = framework
  return (needs & ~capabilities) === 0 && (bars & capabilities) === 0
}

/** What keeps the framework from the agent as a sentence; undefined if nothing does. For people. */
export function missingCapability(agent: Agent, client: Client): string | undefined {
  const { needs, bars, flatRolesOnly } = agent.nature
  const { capabilities } = client.framework
  for (const [name, bit] of Object.entries(Capability)) {
    if ((needs & bit & ~capabilities) !== 0) return `the agent is for frameworks with ${name}`
    if ((bars & bit & capabilities) !== 0) return `the agent lacks ${name}, which the framework has`
  }
  return flatRolesOnly && isHierarchical(client.role)
    ? 'the agent lacks HIERARCHICAL_ROLE, which roles below others call for'
    : undefined
}

/** What a role may have by the reservations: its own, and but for guarantees those of roles above it. */
export function portionOf(
  left: Bundle,
  role: string,
  toGuarantee: boolean,
  names: ResourceNames,
): Bundle {
  if ((left.traits & Trait.RESERVED) === 0) return left
  const allowed = filter(left.resources, (resource) =>
    toGuarantee
      ? isUnreserved(resource) || isReserved(resource, role)
      : isAllocatableTo(resource, role),
  )
  return allowed.length === left.resources.length ? left : bundleOf(allowed, names)
}

/** The bundle without what the framework has not opted in to. */
export function shownTo({ framework }: Client, bundle: Bundle, names: ResourceNames): Bundle {
  const hidden = bundle.traits & OPT_IN & ~framework.capabilities
  if (hidden === 0) return bundle
  const shown = filter(
    bundle.resources,
    (resource) =>
      !(
        ((hidden & Trait.REVOCABLE) !== 0 && isRevocable(resource)) ||
        ((hidden & Trait.SHARED) !== 0 && isShared(resource)) ||
        ((hidden & Trait.REFINED) !== 0 && hasRefinedReservations(resource))
      ),
  )
  return bundleOf(shown, names)
}

/** Whether the scalars of a bundle reach any of the minimums; without any, whatever there is will do. */
export function isWorthwhile(bundle: Bundle, minimums: readonly Minimum[]): boolean {
  return minimums.length === 0 ? bundle.resources.length > 0 : reachesAny(bundle.millis, minimums)
}

/** Whether amounts by number of the resource name reach one of the minimums. */
export function reachesAny(amounts: Float64Array, minimums: readonly Minimum[]): boolean {
  for (const minimum of minimums) if (reaches(amounts, minimum)) return true
  return false
}

function reaches(amounts: Float64Array, minimum: Minimum): boolean {
  for (const [number, millis] of minimum) {
    if ((amounts[number] ?? 0) < millis) return false
  }
  return true
}
