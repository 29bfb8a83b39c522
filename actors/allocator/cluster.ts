/**
 * What the allocator knows of the cluster: agents, frameworks, roles, and who holds what. Everything
 * but the share tree is in plain objects; nothing here knows of actors. Spec: allocator.md §2.
 */
import type { AgentCapabilityType, DomainInfo } from '../../protocol/v1/agent.ts'
import type { Attribute, Resource } from '../../protocol/v1/resources.ts'
import type { Random } from '../../src/runtime/ports.ts'
import type { Bundle, ResourceNames } from './bundle.ts'
import type { Admission } from './constraints.ts'
import type { Minimum, Nature } from './eligibility.ts'
import type { Filter } from './filters.ts'
import type { Maintenance } from './maintenance.ts'
import type { Policy } from './policies.ts'
import { type Quota, Quotas } from './quota.ts'
import { Roles } from './roles.ts'
import { ShareTree } from './share-tree.ts'

/** What an operator can choose about allocation. */
export interface Settings {
  readonly policy: Policy
  /** Between the end of one run over all agents and the next, ms. Filters last at least as long. */
  readonly allocationIntervalMs: number
  /** An offer holds at least one of these; anything is offered if there is none. */
  readonly minAllocatable: readonly Minimum[]
  /** Agents with gpus are kept for frameworks that know GPU_RESOURCES. */
  readonly filterGpuResources: boolean
  /** Resource names that do not count in shares. */
  readonly fairSharingExcluded: readonly string[]
  /** The master's region: agents elsewhere are for frameworks that know REGION_AWARE. */
  readonly region: string | undefined
}

export interface Agent {
  readonly id: string
  readonly hostname: string
  readonly domain: DomainInfo | undefined
  /** Undefined = all that there are. */
  capabilities: readonly AgentCapabilityType[] | undefined
  attributes: readonly Attribute[]
  active: boolean
  /** The whitelist has its host, or there is none. */
  listed: boolean
  /** It was removed; a run that still has it on its list passes it by. */
  gone: boolean
  /** Which frameworks it suits; follows from domain, capabilities and total. */
  nature: Nature
  total: Bundle
  /** Who has what of it, offered or in use; one entry a client. */
  readonly holdings: Holding[]
  /** What nobody holds; undefined when it must be computed anew. */
  available: Bundle | undefined
  /** What was available until one client took it all: comes back as it was if nothing else changes. */
  emptied: Bundle | undefined
  /** What `passedBy` was then. */
  emptiedPassedBy: number
  /**
   * `Cluster.openings` when a run last found nobody for what is available, or `NEVER`. Until something
   * is opened after that, or a filter ends, the next runs need not look.
   */
  passedBy: number
  /** Monotonic ms at which the first of the filters ends that were in the way. */
  passedByUntilMs: number
  /** Number of the last run that found something available. */
  run: number
  maintenance: Maintenance | undefined
}

/** Before all openings. */
export const NEVER = -1

export interface Holding {
  readonly client: Client
  bundle: Bundle
  /** What was added to it last, and the number of the run that did; 0 = none did, or it is in use. */
  latest: Bundle
  run: number
}

export interface Framework {
  readonly id: string
  /** False while only agents have spoken of it. */
  known: boolean
  active: boolean
  /** Bits of `Capability`. */
  capabilities: number
  /** By role: those that it is subscribed to, and those where it still holds something. */
  readonly clients: Map<string, Client>
}

/** A framework in one of its roles. */
export interface Client {
  readonly framework: Framework
  readonly role: string
  /** Its leaf in the share tree, or `NOWHERE`. */
  leaf: number
  /** That of its role's top-level role. */
  quota: Quota | undefined
  /** Value of `Cluster.openings` when it last became able to have what it could not have before. */
  opened: number
  subscribed: boolean
  suppressed: boolean
  /** Instead of the cluster's, if there. */
  minimums: readonly Minimum[] | undefined
  /** Its offer constraints; undefined = any agent. */
  admits: Admission | undefined
  /** At most `FILTERS_MAX` for each agent. */
  readonly filters: Map<Agent, Filter[]>
  /** Where it holds something. */
  readonly agents: Set<Agent>
}

export interface Cluster {
  readonly settings: Settings
  readonly names: ResourceNames
  readonly random: Random
  readonly tree: ShareTree
  readonly quotas: Quotas
  readonly roles: Roles
  readonly agents: Map<string, Agent>
  /** Of agents, by the frozen list that the master told. */
  readonly totals: WeakMap<readonly Resource[], Bundle>
  readonly frameworks: Map<string, Framework>
  /** By leaf of the share tree. */
  readonly clients: Array<Client | undefined>
  /** Hosts whose agents are offered; undefined = all. */
  whitelist: ReadonlySet<string> | undefined
  /** Agents whose maintenance is planned. */
  readonly inMaintenance: Set<Agent>
  /** How often somebody became able to have what he could not have before. */
  openings: number
  /** The last time that everybody did. */
  openedToAll: number
  /** Clients that have minimums of their own. */
  ownMinimums: number
  /** How many runs there have been. */
  runs: number
}

/** `names` are the ones by which the settings' minimums were made. */
export function newCluster(settings: Settings, names: ResourceNames, random: Random): Cluster {
  const { policy, fairSharingExcluded: excluded } = settings
  const tree = new ShareTree({ names, policy, random, excluded })
  const quotas = new Quotas(names, settings.minAllocatable)
  return {
    settings,
    names,
    random,
    tree,
    quotas,
    roles: new Roles(tree, quotas),
    agents: new Map(),
    totals: new WeakMap(),
    frameworks: new Map(),
    clients: [],
    whitelist: undefined,
    inMaintenance: new Set(),
    openings: 0,
    openedToAll: 0,
    ownMinimums: 0,
    runs: 0,
  }
}

/** A client may be offered what it was passed by for. */
export function open(cluster: Cluster, client: Client): void {
  client.opened = ++cluster.openings
  let role = cluster.roles.find(client.role)
  for (; role !== undefined; role = role.parent) role.opened = cluster.openings
}

/** Every client may. */
export function openToAll(cluster: Cluster): void {
  cluster.openedToAll = ++cluster.openings
}

/** What is available on the agent, or who suits it, has changed. */
export function touch(agent: Agent): void {
  agent.available = undefined
  agent.passedBy = NEVER
}
