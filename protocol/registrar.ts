/**
 * What a master and its registrar say to each other. The registrar keeps what must survive every master:
 * which agents are admitted, unreachable or gone, what operators decided about them, and the epoch. An operation is answered only after it
 * is durable. Spec: replicated-log.md §11, master.md §2-3.
 */
import Type, { type Static } from 'typebox'
import { DiskAge } from './agent.ts'
import { message } from './message.ts'
import { mapOf, Uint64 } from './schema.ts'
import { AgentInfo, DrainConfig, DrainInfo } from './v1/agent.ts'
import { AgentId, MachineId, TimeInfo, Unavailability } from './v1/ids.ts'
import { MachineInfo } from './v1/maintenance.ts'
import { QuotaConfig } from './v1/quota.ts'

/** How old an agent's disk was, and when it last said so. */
export const DiskRecord = Type.Object({ disk_age: DiskAge, timestamp: TimeInfo })
export type DiskRecord = Static<typeof DiskRecord>

const Since = Type.Object({ agent_id: AgentId, timestamp: TimeInfo })

/** The registry: all that outlives a master. */
export const Registry = Type.Object({
  /** Of the present leader; grows with each. */
  epoch: Type.Integer({ minimum: 1 }),
  admitted: Type.Array(AgentInfo),
  unreachable: Type.Array(Since),
  gone: Type.Array(Since),
  /** Role -> weight. */
  weights: mapOf(Type.Number({ exclusiveMinimum: 0 })),
  /** Of agents that are admitted or unreachable: it outlives their absence. */
  drains: Type.Array(Type.Object({ agent_id: AgentId, drain_info: DrainInfo })),
  /** Also of agents that have left: whoever comes back is to be known. */
  disks: Type.Array(Type.Object({ agent_id: AgentId, ...DiskRecord.properties })),
  /** Agents that are not offered, those that are drained too. */
  deactivated: Type.Array(AgentId),
  /** Those in the maintenance schedule; all others are up. */
  machines: Type.Array(MachineInfo),
  quotas: Type.Array(QuotaConfig),
})
export type Registry = Static<typeof Registry>

/**
 * One change of the registry. Each is answered true if it changed anything, false if it did not apply
 * (an admitted id is admitted again, an unknown agent is removed).
 */
export const RegistryOperation = Type.Union([
  Type.Object({ type: Type.Literal('ADMIT_AGENT'), agent_info: AgentInfo }),
  Type.Object({ type: Type.Literal('UPDATE_AGENT'), agent_info: AgentInfo }),
  Type.Object({ type: Type.Literal('MARK_UNREACHABLE'), agent_id: AgentId, timestamp: TimeInfo }),
  /** Also admits an agent that nobody knows. */
  Type.Object({ type: Type.Literal('MARK_REACHABLE'), agent_info: AgentInfo }),
  Type.Object({ type: Type.Literal('MARK_GONE'), agent_id: AgentId, timestamp: TimeInfo }),
  Type.Object({ type: Type.Literal('REMOVE_AGENT'), agent_id: AgentId }),
  Type.Object({
    type: Type.Literal('PRUNE'),
    unreachable: Type.Array(AgentId),
    gone: Type.Array(AgentId),
    /** Those of which nothing is left but the age of their disk. */
    left: Type.Array(AgentId),
  }),
  Type.Object({
    type: Type.Literal('UPDATE_WEIGHTS'),
    weights: mapOf(Type.Number({ exclusiveMinimum: 0 })),
  }),
  /** Of an agent that is admitted or unreachable: it is deactivated with that. */
  Type.Object({ type: Type.Literal('DRAIN_AGENT'), agent_id: AgentId, config: DrainConfig }),
  /** Only what drains can be drained. */
  Type.Object({ type: Type.Literal('MARK_AGENT_DRAINED'), agent_id: AgentId }),
  Type.Object({ type: Type.Literal('DEACTIVATE_AGENT'), agent_id: AgentId }),
  /** Not while it drains. */
  Type.Object({ type: Type.Literal('REACTIVATE_AGENT'), agent_id: AgentId }),
  /** Of an agent that is admitted or unreachable, and if the disk has grown older. */
  Type.Object({
    type: Type.Literal('RECORD_DISK_AGE'),
    agent_id: AgentId,
    ...DiskRecord.properties,
  }),
  /** The whole schedule anew. Does not apply if a machine that is down is not in it. */
  Type.Object({
    type: Type.Literal('UPDATE_SCHEDULE'),
    machines: Type.Array(Type.Object({ id: MachineId, unavailability: Unavailability })),
  }),
  /** All of these must be in the schedule, and not down. */
  Type.Object({ type: Type.Literal('START_MAINTENANCE'), machines: Type.Array(MachineId) }),
  /** All of these must be down; they leave the schedule. */
  Type.Object({ type: Type.Literal('STOP_MAINTENANCE'), machines: Type.Array(MachineId) }),
  /** A role without guarantees and limits has no quota afterwards. */
  Type.Object({ type: Type.Literal('UPDATE_QUOTA'), quota_configs: Type.Array(QuotaConfig) }),
])
export type RegistryOperation = Static<typeof RegistryOperation>

/** Asked once by a master that was elected, before anything else. */
export const RecoverRegistry = message(
  'RECOVER_REGISTRY',
  'Load the registry for a new leader.',
  Type.Object({
    master_id: Type.String(),
    /** The one under which the master was elected, and the log's last position then. */
    epoch: Type.Integer({ minimum: 1 }),
    position: Uint64,
  }),
  Registry,
)

/** An error answer means that nothing is known: the master must stop leading. */
export const ApplyRegistry = message(
  'APPLY_REGISTRY',
  'Make operations durable, in order.',
  Type.Object({ operations: Type.Array(RegistryOperation, { minItems: 1 }) }),
  Type.Object({ applied: Type.Array(Type.Boolean()) }),
)

/** What a registrar takes from its master. */
export const registrarMessages = [RecoverRegistry, ApplyRegistry] as const
