/**
 * What a leading master holds: soft state, rebuilt after a failover from the registry, the agents and
 * the schedulers. Data and the operations on it that concern nobody else. Spec: master.md §1, §3, §8, §16.
 */
import { LRUCache } from 'lru-cache'
import type { Share } from '../../protocol/allocator.ts'
import type { DiskRecord } from '../../protocol/registrar.ts'
import type { Fields } from '../../protocol/splice.ts'
import { type Subjects, subjects } from '../../protocol/subjects.ts'
import type {
  AgentCapabilityType,
  AgentInfo,
  DrainInfo,
  ExecutorInfo,
  FrameworkCapabilityType,
  FrameworkInfo,
  InverseOfferStatus,
  MachineInfo,
  MasterInfo,
  OfferConstraints,
  Operation,
  QuotaConfig,
  Resource,
  Task,
  TimeInfo,
  Unavailability,
} from '../../protocol/v1/index.ts'
import { machineKey } from '../../protocol/v1/index.ts'
import type { RateLimits } from '../../protocol/v1/rate-limits.ts'
import { noLists, type OpenLists } from '../../src/paging/index.ts'
import type { Resources } from '../../src/resources/index.ts'
import type { Context, Pid } from '../../src/runtime/index.ts'
import { type Admissions, newAdmissions } from './admission.ts'
import { Interned } from './interning.ts'
import type { Probe } from './liveness.ts'
import type { Counters } from './metrics.ts'
import { domainOf, type MasterOptions } from './options.ts'
import type { Removals } from './removal-rate.ts'
import type { Surveys } from './usage.ts'

export interface Agent {
  readonly id: string
  /** Frozen, with its id. */
  info: AgentInfo
  version: string
  /** Exact mailbox address of its present life. */
  pid: Pid
  connected: boolean
  readonly registeredMs: number
  reregisteredMs: number | undefined
  /** Frozen; canonical format without allocation. With what operations under way will have made of it. */
  total: Resources
  /** Of the agent's last report of its resources; operations that were decided on another one are void. */
  resourceVersion: string
  /** Frozen. */
  capabilities: readonly AgentCapabilityType[]
  /** Those that are not acknowledged, by uuid in hex. */
  operations: ReadonlyMap<string, Operation>
  /** Pings sent since the last pong. */
  missedPings: number
  readonly tasks: Set<Task>
  /** Framework id -> executor id -> what runs there, those of plain commands left out. */
  executors: ReadonlyMap<string, Map<string, ExecutorInfo>>
  readonly offers: Set<Offer>
  /** The part of offers that is the same for each of this agent's, encoded. */
  encoded: Fields
  /** The maintenance that is planned for its machine. */
  unavailability: Unavailability | undefined
  /** What frameworks last said to that; by their ids. */
  inverseAnswers: ReadonlyMap<string, InverseOfferStatus>
}

export interface Offer {
  readonly id: string
  readonly framework: Framework
  readonly agent: Agent
  /** What is offered, as the allocator said and will be told: frozen, so that it is never copied. */
  readonly share: Share
  /** On the monotonic clock. */
  readonly createdMs: number
}

/** A framework is asked to give an agent back. */
export interface InverseOffer {
  readonly id: string
  readonly framework: Framework
  readonly agent: Agent
  readonly unavailability: Unavailability
  /** On the monotonic clock. */
  readonly createdMs: number
}

/**
 * connected: its event subject is listened on. subscribing: it has subscribed, and is told so until it
 * listens. disconnected: its failover time-out runs. recovered: known through agents only, no time-out
 * runs.
 */
export type FrameworkPhase = 'subscribing' | 'connected' | 'disconnected' | 'recovered'

export interface Framework {
  readonly id: string
  /** With its id. */
  info: FrameworkInfo
  capabilities: ReadonlySet<FrameworkCapabilityType>
  roles: readonly string[]
  suppressedRoles: readonly string[]
  constraints: OfferConstraints | undefined
  phase: FrameworkPhase
  /** How its scheduler spoke when it subscribed. */
  format: 'msgpack' | 'json'
  /** Its present subscription; empty while recovered. */
  streamId: string
  /** While subscribing: whether somebody hears it is being found out. */
  probe: Probe | undefined
  registeredMs: number | undefined
  reregisteredMs: number | undefined
  /** Active ones, terminal ones until they are acknowledged. */
  readonly tasks: Map<string, Task>
  readonly unreachable: LRUCache<string, Task>
  /** Oldest first; bounded. */
  readonly completed: Task[]
  /** Those that it gave an id and has not acknowledged, by that id. */
  readonly operations: Map<string, Operation>
  readonly offers: Set<Offer>
  /** In which the agents are told of it: the one under way, and perhaps another after it. */
  rounds: 0 | 1 | 2
  /** Answers to RECONCILE: the one under way first. */
  readonly reconciliations: Array<Iterator<unknown, void>>
}

export interface CompletedFramework {
  readonly info: FrameworkInfo
  readonly registeredMs: number | undefined
  readonly unregisteredMs: number
  readonly tasks: readonly Task[]
}

/** What is under way in the registry for an agent; exclusive (master.md §3). */
export type Transition =
  | 'reregistering'
  | 'marking unreachable'
  | 'marking gone'
  | 'marking drained'
  | 'removing'

/** Ids of agents that were removed, so that their late messages are dropped. */
const REMOVED_AGENTS_MAX = 100_000

export interface MasterState {
  readonly options: MasterOptions
  readonly rates: RateLimits
  readonly masters: readonly string[]
  readonly subjects: Subjects
  readonly registrar: Pid
  readonly allocator: Pid
  readonly info: MasterInfo
  readonly startMs: number
  electedMs: number
  /** 0 until the registry was recovered. */
  epoch: number

  readonly agents: Map<string, Agent>
  /** Connected ones, by exact address. */
  readonly agentsByPid: Map<Pid, Agent>
  /** Registered ones by the name of their actor, which survives its restarts. */
  readonly agentsByName: Map<Pid, Agent>
  readonly recovered: Map<string, AgentInfo>
  readonly unreachable: Map<string, TimeInfo>
  readonly gone: Map<string, TimeInfo>
  readonly removed: LRUCache<string, true>
  /** Ids of agents that became unreachable under this master, by the address that they had. */
  readonly silent: LRUCache<Pid, string>
  readonly transitions: Map<string, Transition>
  readonly removals: Removals
  /** What agents said alike. */
  readonly interned: Interned
  /** When each agent is pinged next, by the monotonic clock; soonest first. */
  readonly pings: Map<Agent, number>
  readonly admissions: Admissions

  readonly frameworks: Map<string, Framework>
  /** Tasks that are to be killed, until they have ended. */
  readonly killed: WeakSet<Task>
  readonly completedFrameworks: LRUCache<string, CompletedFramework>
  /** In the order in which they were made. */
  readonly offers: Map<string, Offer>
  readonly inverseOffers: Map<string, InverseOffer>
  readonly weights: Map<string, number>
  readonly quotas: Map<string, QuotaConfig>
  /** Of agents that drain or are drained, also unreachable ones. */
  readonly drains: Map<string, DrainInfo>
  /** How old they are, as the registry has it; also of agents that left (disk-ages.ts). */
  readonly disks: Map<string, DiskRecord>
  /** When agents were last told to drain, ms since the Unix epoch. */
  readonly drainStarts: WeakMap<Agent, number>
  /** Agents that are not offered, those of `drains` among them. */
  readonly deactivated: Set<string>
  /** By `machineKey`: those in the maintenance schedule. */
  readonly machines: Map<string, MachineInfo>
  /** Until then of the monotonic clock operators watch offers. */
  offersWatchedUntilMs: number
  /** Lists that operators read page by page. */
  readonly lists: OpenLists
  readonly surveys: Surveys
  readonly counters: Counters

  nextAgent: number
  nextFramework: number
  nextOffer: number
  nextStream: number
}

export interface MasterArgs {
  readonly options: MasterOptions
  /** Of `options.rate_limits`. */
  readonly rates: RateLimits
  /** Nodes of all masters, this one's too. */
  readonly masters: readonly string[]
  readonly registrar: Pid
  readonly allocator: Pid
}

export function newState(
  { options, rates, masters, registrar, allocator }: MasterArgs,
  cx: Context,
): MasterState {
  const hostname = options.hostname || cx.host.hostname
  const domain = domainOf(options)
  return {
    options,
    rates,
    masters,
    subjects: subjects(cx.cluster),
    registrar,
    allocator,
    // Nobody connects to an address of the master: the broker stands in between.
    info: {
      id: cx.newId(),
      ip: 0,
      port: 0,
      hostname,
      pid: cx.self,
      version: VERSION,
      ...(domain !== undefined && { domain }),
    },
    startMs: cx.now(),
    electedMs: 0,
    epoch: 0,
    agents: new Map(),
    agentsByPid: new Map(),
    agentsByName: new Map(),
    recovered: new Map(),
    unreachable: new Map(),
    gone: new Map(),
    // By size, for with `max` its tables would be laid out for all of them at once.
    removed: new LRUCache({ maxSize: REMOVED_AGENTS_MAX, sizeCalculation: () => 1 }),
    silent: new LRUCache({ maxSize: REMOVED_AGENTS_MAX, sizeCalculation: () => 1 }),
    transitions: new Map(),
    removals: { waiting: new Map(), nextMs: 0 },
    interned: new Interned(),
    pings: new Map(),
    admissions: newAdmissions(),
    frameworks: new Map(),
    killed: new WeakSet(),
    completedFrameworks: new LRUCache({ max: options.max_completed_frameworks }),
    offers: new Map(),
    inverseOffers: new Map(),
    weights: new Map(),
    quotas: new Map(),
    drains: new Map(),
    disks: new Map(),
    drainStarts: new WeakMap(),
    deactivated: new Set(),
    machines: new Map(),
    offersWatchedUntilMs: 0,
    lists: noLists(),
    surveys: { underWay: false, waiting: [] },
    counters: new Map(),
    nextAgent: 0,
    nextFramework: 0,
    nextOffer: 0,
    nextStream: 0,
  }
}

/** What frameworks, agents and operators are told that they talk to. */
export const VERSION = '0.1.0'

export function newAgentId(state: MasterState): string {
  return `${state.info.id}-S${state.nextAgent++}`
}

export function newFrameworkId(state: MasterState): string {
  return `${state.info.id}-${String(state.nextFramework++).padStart(4, '0')}`
}

/** A framework that nobody has subscribed as yet. */
export function newFramework(state: MasterState, info: FrameworkInfo): Framework {
  const id = info.id?.value ?? newFrameworkId(state)
  const framework: Framework = {
    id,
    info,
    capabilities: new Set(),
    roles: [],
    suppressedRoles: [],
    constraints: undefined,
    phase: 'recovered',
    format: 'msgpack',
    streamId: '',
    probe: undefined,
    registeredMs: undefined,
    reregisteredMs: undefined,
    tasks: new Map(),
    unreachable: new LRUCache({ max: state.options.max_unreachable_tasks_per_framework }),
    completed: [],
    operations: operationsOf(state, id),
    offers: new Set(),
    rounds: 0,
    reconciliations: [],
  }
  setFrameworkInfo(framework, info)
  state.frameworks.set(id, framework)
  return framework
}

/** Operations of a framework that agents have told of before it came. */
function operationsOf(state: MasterState, frameworkId: string): Map<string, Operation> {
  const found = new Map<string, Operation>()
  for (const { operations } of state.agents.values()) {
    for (const operation of operations.values()) {
      const id = operation.latest_status.operation_id?.value
      if (operation.framework_id?.value === frameworkId && id !== undefined) {
        found.set(id, operation)
      }
    }
  }
  return found
}

/** Takes over what a framework says of itself. */
export function setFrameworkInfo(framework: Framework, info: FrameworkInfo): void {
  framework.info = { ...info, id: { value: framework.id } }
  framework.capabilities = new Set((info.capabilities ?? []).map(({ type }) => type ?? 'UNKNOWN'))
  framework.roles = framework.capabilities.has('MULTI_ROLE')
    ? (info.roles ?? [])
    : [info.role ?? '*']
}

/** Whether the agent may be offered. */
export function isInService(state: MasterState, { id, connected }: Agent): boolean {
  return connected && !state.deactivated.has(id)
}

/** Whether the registry has the agent as admitted or unreachable. */
export function isKnownAgent(state: MasterState, id: string): boolean {
  return state.agents.has(id) || state.recovered.has(id) || state.unreachable.has(id)
}

/** The maintenance that is planned for the machine of an agent. */
export function unavailabilityOf(state: MasterState, info: AgentInfo): Unavailability | undefined {
  return state.machines.get(machineKey(info))?.unavailability
}

/** Why no agent of this host may register now. */
export function downProblem(state: MasterState, info: AgentInfo): string | undefined {
  const down = state.machines.get(machineKey(info))?.mode === 'DOWN'
  return down ? `the machine ${info.hostname} is down for maintenance` : undefined
}

/** Whether it gets offers and events. */
export function isActive(framework: Framework): boolean {
  return framework.phase === 'connected'
}

export function isPartitionAware(framework: Framework): boolean {
  return framework.capabilities.has('PARTITION_AWARE')
}

/** Mesos' documents count time in nanoseconds. */
export function toTimeInfo(ms: number): TimeInfo {
  return { nanoseconds: Math.round(ms) * 1_000_000 }
}

/** Resources as they are accounted for: whose they are is said elsewhere. */
export function withoutAllocation(resource: Resource): Resource {
  if (resource.allocation_info === undefined) return resource
  const { allocation_info: _, ...rest } = resource
  return rest
}
