/**
 * What the leading master tells anyone who listens, on `events(kind, id)` (see subjects.ts): Mesos v1's
 * operator events where it has one, each under the id of the task, agent or framework that it is about.
 *
 * Published at most once and never answered; who needs a complete picture reads GET_STATE first and
 * again after a gap. Spec: operator-api.md §C, §F.1.
 */
import Type, { type TProperties } from 'typebox'
import { type AnyOf, member, validator } from './family.ts'
import { Double, Uint64 } from './schema.ts'
import { AgentInfo, DrainInfo, MasterInfo } from './v1/agent.ts'
import { FrameworkInfo } from './v1/framework.ts'
import { AgentId, FrameworkId, TimeInfo } from './v1/ids.ts'
import { AgentState, FrameworkState } from './v1/state.ts'
import { TaskState, TaskStatus } from './v1/status.ts'
import { Task } from './v1/task.ts'

function event<const Name extends string, Fields extends TProperties>(
  name: Name,
  doc: string,
  fields: Fields,
) {
  return member(name, doc, {
    /** The term of the master that says it. */
    epoch: Type.Optional(Uint64),
    /** When, in seconds since the Unix epoch. */
    timestamp: Type.Optional(Double),
    ...fields,
  })
}

// --- Kind `task` ---

export const TaskAdded = event('TASK_ADDED', 'A task was accepted, or learnt from its agent.', {
  task_added: Type.Object({ task: Task }),
})

export const TaskUpdated = event('TASK_UPDATED', 'The state, a check or the health has changed.', {
  task_updated: Type.Object({
    framework_id: FrameworkId,
    status: TaskStatus,
    /** The latest state known; may be ahead of the status. */
    state: TaskState,
  }),
})

// --- Kind `agent` ---

export const AgentAdded = event(
  'AGENT_ADDED',
  'An agent registered; after the events of its tasks.',
  {
    agent_added: Type.Object({ agent: AgentState }),
  },
)

export const AgentRemoved = event('AGENT_REMOVED', 'An agent left for good.', {
  agent_removed: Type.Object({ agent_id: AgentId }),
})

/** Ours: Mesos says nothing here. */
export const AgentGone = event('AGENT_GONE', 'An operator said that an agent never comes back.', {
  agent_gone: Type.Object({ agent_id: AgentId }),
})

/** Ours: Mesos says nothing here. */
export const AgentUnreachable = event('AGENT_UNREACHABLE', 'An agent does not answer any more.', {
  agent_unreachable: Type.Object({ agent_id: AgentId, unreachable_time: TimeInfo }),
})

/** Ours. */
export const AgentDraining = event('AGENT_DRAINING', 'Draining of an agent began or has ended.', {
  agent_draining: Type.Object({ agent_id: AgentId, drain_info: DrainInfo }),
})

/** Ours. */
export const AgentDisconnected = event(
  'AGENT_DISCONNECTED',
  'The link to an agent broke; it is given time to come back.',
  { agent_disconnected: Type.Object({ agent_id: AgentId }) },
)

/** Ours. */
export const AgentReregistered = event('AGENT_REREGISTERED', 'A disconnected agent is back.', {
  agent_reregistered: Type.Object({ agent_info: AgentInfo }),
})

// --- Kind `framework` ---

export const FrameworkAdded = event(
  'FRAMEWORK_ADDED',
  'A framework subscribed, or was learnt from an agent.',
  { framework_added: Type.Object({ framework: FrameworkState }) },
)

export const FrameworkUpdated = event(
  'FRAMEWORK_UPDATED',
  'A framework subscribed again or changed.',
  { framework_updated: Type.Object({ framework: FrameworkState }) },
)

/** Ours: Mesos says nothing here. */
export const FrameworkDisconnected = event(
  'FRAMEWORK_DISCONNECTED',
  'Nobody listens to the events of a framework; its failover time-out runs.',
  { framework_disconnected: Type.Object({ framework_id: FrameworkId }) },
)

export const FrameworkRemoved = event('FRAMEWORK_REMOVED', 'A framework ended.', {
  framework_removed: Type.Object({ framework_info: FrameworkInfo }),
})

// --- Kind `leader` ---

/** Ours. Its id in the subject is the master's. */
export const LeaderElected = event('LEADER_ELECTED', 'A master leads from now on.', {
  leader_elected: Type.Object({ master_info: MasterInfo }),
})

/** All events, kind by kind. */
export const clusterEvents = [
  TaskAdded,
  TaskUpdated,
  AgentAdded,
  AgentRemoved,
  AgentGone,
  AgentDraining,
  AgentUnreachable,
  AgentDisconnected,
  AgentReregistered,
  FrameworkAdded,
  FrameworkUpdated,
  FrameworkDisconnected,
  FrameworkRemoved,
  LeaderElected,
] as const

/** Any event; `type` tells which. */
export type ClusterEvent = AnyOf<typeof clusterEvents>

/** The event of one type: `ClusterEventOf<'TASK_ADDED'>`. */
export type ClusterEventOf<Type extends ClusterEvent['type']> = Extract<
  ClusterEvent,
  { type: Type }
>

/** Validates a decoded value of either format as an event. */
export const validateClusterEvent = validator(clusterEvents, { noun: 'event' })
