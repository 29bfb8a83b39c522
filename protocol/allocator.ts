/**
 * What a master and its allocator say to each other: the fixed interface behind which policies are
 * pluggable (design.md §5). The master asks for nothing; it tells of changes, and is told allocations.
 * Lists travel in batches. Resources are Mesos' documents with `allocation_info` left out: an entry's
 * `role` says whose they are. Spec: allocator.md §3.
 */
import Type, { type Static } from 'typebox'
import { message } from './message.ts'
import { mapOf } from './schema.ts'
import { AgentCapabilityType, DomainInfo } from './v1/agent.ts'
import { FrameworkCapabilityType, OfferConstraints, OfferFilters } from './v1/framework.ts'
import { Attribute, Resource } from './v1/resources.ts'

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
  'Total or attributes of an agent have changed.',
  Type.Object({
    agent_id: Type.String(),
    total: Type.Array(Resource),
    attributes: Type.Array(Attribute),
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

// ---- allocator -> master

export const Allocation = message(
  'ALLOCATION',
  'Shares to be offered: one offer for each.',
  Type.Object({ shares: Type.Array(Share) }),
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
  RecoverResources,
  UseResources,
  UpdateAllocation,
  UpdateAvailable,
  SuppressOffers,
  ReviveOffers,
  UpdateWeights,
] as const

/** What a master takes from its allocator. */
export const allocatorToMaster = [Allocation] as const
