/**
 * What a master and its allocator say to each other: the fixed interface behind which policies are
 * pluggable (design.md §5). The master asks for nothing; it tells of changes, and is told allocations.
 * Lists travel in batches. Resources are Mesos' documents with `allocation_info` left out: an entry's
 * `role` says whose they are. Spec: allocator.md §3.
 */
import Type, { type Static } from 'typebox'
import { message } from './message.ts'
import { mapOf, named } from './schema.ts'
import { AgentCapabilityType, DomainInfo } from './v1/agent.ts'
import { FrameworkCapabilityType, OfferConstraints, OfferFilters } from './v1/framework.ts'
import { Unavailability } from './v1/ids.ts'
import { QuotaConfig } from './v1/quota.ts'
import { Attribute, Resource } from './v1/resources.ts'
import { Metric } from './v1/state.ts'

/** Resources of one agent in the hands of one framework under one role. */
export const Share = Type.Object({
  framework_id: Type.String(),
  role: Type.String(),
  agent_id: Type.String(),
  resources: Type.Array(Resource),
})
export type Share = Static<typeof Share>

const FrameworkOptions = Type.Object({
  framework_id: Type.String(),
  roles: Type.Array(Type.String()),
  suppressed_roles: Type.Array(Type.String()),
  capabilities: Type.Array(FrameworkCapabilityType),
  /** Per role: the least that is worth an offer; replaces the cluster's. */
  offer_filters: Type.Optional(mapOf(OfferFilters)),
  offer_constraints: Type.Optional(OfferConstraints),
})
export type FrameworkOptions = Static<typeof FrameworkOptions>

// ---- master -> allocator

export const AddFramework = message(
  'ADD_FRAMEWORK',
  'A framework is known; it gets offers while it is active.',
  Type.Object({
    framework: FrameworkOptions,
    active: Type.Boolean(),
    /** What it holds already on agents that were added before it. */
    used: Type.Array(Share),
  }),
)

export const UpdateFrameworkOptions = message(
  'UPDATE_FRAMEWORK_OPTIONS',
  'Roles, suppression, capabilities or filters of a framework have changed.',
  Type.Object({ framework: FrameworkOptions }),
)

/** Its shares on all agents are free afterwards. */
export const RemoveFramework = message(
  'REMOVE_FRAMEWORK',
  'A framework is over.',
  Type.Object({ framework_id: Type.String() }),
)

export const ActivateFramework = message(
  'ACTIVATE_FRAMEWORK',
  'A framework listens again.',
  Type.Object({ framework_id: Type.String() }),
)

/** Clears its filters; what it holds stays its own. */
export const DeactivateFramework = message(
  'DEACTIVATE_FRAMEWORK',
  'A framework does not listen: no offers for it.',
  Type.Object({ framework_id: Type.String() }),
)

export const AddAgents = message(
  'ADD_AGENTS',
  'Agents have registered.',
  Type.Object({
    agents: Type.Array(
      Type.Object({
        agent_id: Type.String(),
        hostname: Type.String(),
        attributes: Type.Array(Attribute),
        domain: Type.Optional(DomainInfo),
        /** Absent: all that there are. */
        capabilities: Type.Optional(Type.Array(AgentCapabilityType)),
        total: Type.Array(Resource),
        active: Type.Boolean(),
        /** The maintenance that is planned for its machine. */
        unavailability: Type.Optional(Unavailability),
        /** What tasks and executors on it use, also of frameworks that are not known yet. */
        used: Type.Array(Share),
      }),
    ),
  }),
)

/** Its resources are gone, whoever holds them. */
export const RemoveAgent = message(
  'REMOVE_AGENT',
  'An agent is gone.',
  Type.Object({ agent_id: Type.String() }),
)

export const ActivateAgent = message(
  'ACTIVATE_AGENT',
  "An agent's resources may be offered.",
  Type.Object({ agent_id: Type.String() }),
)

export const DeactivateAgent = message(
  'DEACTIVATE_AGENT',
  "An agent's resources may not be offered; shares stay.",
  Type.Object({ agent_id: Type.String() }),
)

export const UpdateAgent = message(
  'UPDATE_AGENT',
  'Total, attributes or capabilities of an agent have changed.',
  Type.Object({
    agent_id: Type.String(),
    total: Type.Array(Resource),
    attributes: Type.Array(Attribute),
    /** Absent: as before. */
    capabilities: Type.Optional(Type.Array(AgentCapabilityType)),
  }),
)

/**
 * The frameworks that hold something of such an agent are asked to give it back. Refusals of an earlier
 * window are void, and so are inverse offers that are out.
 */
export const UpdateUnavailability = message(
  'UPDATE_UNAVAILABILITY',
  'Maintenance of agents is planned, or planned otherwise, or (without a window) not planned any more.',
  Type.Object({
    agents: Type.Array(
      Type.Object({
        agent_id: Type.String(),
        unavailability: Type.Optional(Unavailability),
      }),
    ),
  }),
)

/** What the answer was is for the master to keep: it does not matter for allocation. */
export const UpdateInverseOffer = message(
  'UPDATE_INVERSE_OFFER',
  'Inverse offers were answered, have timed out or were rescinded.',
  Type.Object({
    inverse_offers: Type.Array(
      Type.Object({ framework_id: Type.String(), agent_id: Type.String() }),
    ),
    /** Seconds during which none of these agents shall be asked back from the framework again. */
    refuse_seconds: Type.Optional(Type.Number()),
  }),
)

export const UpdateWhitelist = message(
  'UPDATE_WHITELIST',
  'The hosts whose agents may be offered.',
  Type.Object({
    /** Absent: all of them. */
    hostnames: Type.Optional(Type.Array(Type.String())),
  }),
)

/**
 * Why shares come back: `declined` (also what an accept left over), `rescinded` and `finished` without
 * filter. Spec: allocator.md §6.
 */
export const RecoverResources = message(
  'RECOVER_RESOURCES',
  'Shares that are free again.',
  Type.Object({
    shares: Type.Array(Share),
    /** Seconds during which these resources (or fewer) shall not be offered to the framework again. */
    refuse_seconds: Type.Optional(Type.Number()),
    /** They were used by tasks, not only offered. */
    used: Type.Boolean(),
  }),
)

export const UseResources = message(
  'USE_RESOURCES',
  'Offered shares that tasks or executors use now.',
  Type.Object({ shares: Type.Array(Share) }),
)

/** One exchange of an operation (resources.md §6): `consumed` is there no more, `converted` is instead. */
export const Conversion = Type.Object({
  consumed: Type.Array(Resource),
  converted: Type.Array(Resource),
})
export type Conversion = Static<typeof Conversion>

export const UpdateAllocation = message(
  'UPDATE_ALLOCATION',
  'Operations have changed what was offered to a framework, and the total of the agent with it.',
  Type.Object({
    framework_id: Type.String(),
    role: Type.String(),
    agent_id: Type.String(),
    conversions: Type.Array(Conversion),
    /** Further copies of shared volumes that it holds from now on; they do not add to the total. */
    copies: Type.Array(Resource),
  }),
)

/** Refused with NOT_AVAILABLE, and nothing changed, where somebody holds some of it. */
export const UpdateAvailable = message(
  'UPDATE_AVAILABLE',
  'An operation changes what nobody holds of an agent, and its total with it.',
  Type.Object({ agent_id: Type.String(), conversions: Type.Array(Conversion) }),
  Type.Object({}),
)

/** Roles empty = all of the framework. */
const RolesOfFramework = Type.Object({
  framework_id: Type.String(),
  roles: Type.Array(Type.String()),
})

export const SuppressOffers = message(
  'SUPPRESS_OFFERS',
  'No offers for these roles until revived.',
  RolesOfFramework,
)

export const ReviveOffers = message(
  'REVIVE_OFFERS',
  'Offers again, and all filters of these roles forgotten.',
  RolesOfFramework,
)

export const UpdateWeights = message(
  'UPDATE_WEIGHTS',
  'Weights of roles; a role not named keeps its own (default 1).',
  Type.Object({ weights: mapOf(Type.Number({ exclusiveMinimum: 0 })) }),
)

/** Offers that are out stay; to rescind what a new quota does not allow is the master's work. */
export const UpdateQuota = message(
  'UPDATE_QUOTA',
  'Quotas of roles; a role not named keeps its own (default none).',
  Type.Object({ quota_configs: Type.Array(QuotaConfig) }),
)

/**
 * Nothing is offered until so many agents are back that guarantees can be judged, if any role has a
 * quota. Spec: allocator.md §9.
 */
export const Recover = message(
  'RECOVER',
  'What a new leader has read in the registry, before any agent or framework.',
  Type.Object({
    /** Agents that were admitted before. */
    agents: Type.Integer({ minimum: 0 }),
    quota_configs: Type.Array(QuotaConfig),
  }),
)

/** Why an agent is or is not offered to a framework in one of its roles. */
export const OfferReason = Type.Enum([
  /** The framework has it: offered, or in use by its tasks. */
  'HELD',
  /** Nothing stands against it: it is offered in one of the next runs. */
  'OFFERABLE',
  /** Another framework came first in the last run. */
  'NOT_NEXT',
  /** Others use all of it. */
  'NOTHING_FREE',
  'FRAMEWORK_INACTIVE',
  'SUPPRESSED',
  /** Nothing is offered to anybody until enough agents have come back after a failover. */
  'RECOVERING',
  /** It is disconnected, deactivated or draining. */
  'AGENT_INACTIVE',
  'NOT_WHITELISTED',
  /** The framework lacks a capability that the agent or what is free on it calls for, or the reverse. */
  'CAPABILITY',
  'CONSTRAINT',
  /** What is free is reserved to other roles. */
  'RESERVED',
  /** What is free would exceed the limit of the role's quota. */
  'QUOTA_LIMIT',
  /** What is free is held back for the guarantees of other roles. */
  'HEADROOM',
  'BELOW_MINIMUM',
  /** Declined, and the filter lasts. */
  'REFUSED',
])
export type OfferReason = Static<typeof OfferReason>

const explanation = Type.Object({
  agent_id: Type.String(),
  role: Type.String(),
  reason: OfferReason,
  /** The reason as a sentence, with what it is about. */
  message: Type.String(),
  /** REFUSED: how long the filter lasts. RECOVERING: how long at most. */
  seconds: Type.Optional(Type.Number()),
})
/** Why one agent is or is not offered to a framework in one role, as things stand. */
export interface Explanation extends Static<typeof explanation> {}
export const Explanation = named<Explanation>('Explanation', explanation)

/** Explanations in one answer: about the most that fits into a message of every broker. */
export const EXPLANATIONS_MAX = 1000

export const Explain = message(
  'EXPLAIN',
  'Why is a framework offered what it is offered? Agents are told of in the order of their arrival.',
  Type.Object({
    framework_id: Type.String(),
    /** Only this agent. */
    agent_id: Type.Optional(Type.String()),
    /** Agents to leave out at the beginning. */
    offset: Type.Integer({ minimum: 0 }),
  }),
  Type.Object({
    explanations: Type.Array(Explanation),
    /** The offset of the first agent that there was no room for; absent if all are told of. */
    next: Type.Optional(Type.Integer()),
  }),
)

export const Measure = message(
  'MEASURE',
  "How does allocation go? Metrics by Mesos' names, sorted.",
  Type.Object({}),
  Type.Object({ metrics: Type.Array(Metric) }),
)

// ---- allocator -> master

export const Allocation = message(
  'ALLOCATION',
  'Shares to be offered: one offer for each. Answered when the offers are made; the next ones come after that.',
  Type.Object({ shares: Type.Array(Share) }),
  Type.Object({}),
)

/** One inverse offer for each: its framework holds something of the agent, and is asked for all of it. */
export const InverseAllocation = message(
  'INVERSE_ALLOCATION',
  'Agents that frameworks shall give back because of maintenance.',
  Type.Object({
    inverse_offers: Type.Array(
      Type.Object({
        framework_id: Type.String(),
        agent_id: Type.String(),
        unavailability: Unavailability,
      }),
    ),
  }),
)

/** What an allocator takes from its master. */
export const masterToAllocator = [
  AddFramework,
  UpdateFrameworkOptions,
  RemoveFramework,
  ActivateFramework,
  DeactivateFramework,
  AddAgents,
  RemoveAgent,
  ActivateAgent,
  DeactivateAgent,
  UpdateAgent,
  UpdateUnavailability,
  UpdateInverseOffer,
  UpdateWhitelist,
  RecoverResources,
  UseResources,
  UpdateAllocation,
  UpdateAvailable,
  SuppressOffers,
  ReviveOffers,
  UpdateWeights,
  UpdateQuota,
  Recover,
  Explain,
  Measure,
] as const

/** What a master takes from its allocator. */
export const allocatorToMaster = [Allocation, InverseAllocation] as const
