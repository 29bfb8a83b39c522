/**
 * How operators take agents out of service, plan maintenance, and share the cluster out: Mesos v1's calls,
 * part of the family of the master's in operator.ts. A change is answered when it is durable.
 * Spec: operator-api.md §B.1, §F.1, §F.3.
 */
import Type, { type Static, type TProperties } from 'typebox'
import { member } from './family.ts'
import { list } from './paging.ts'
import { Double, Empty, Int32, named, Uint64 } from './schema.ts'
import { AgentId, MachineId } from './v1/ids.ts'
import { ClusterStatus, MaintenanceSchedule } from './v1/maintenance.ts'
import { QuotaConfig, QuotaState } from './v1/quota.ts'

const accepted = named<Static<typeof Empty>>('Accepted', Empty)

/** A change of one agent: `{type, <payload>: {agent_id, ...}}`. */
function ofAgent<const Name extends string, const Payload extends string, More extends TProperties>(
  name: Name,
  doc: string,
  payload: Payload,
  more: More,
) {
  const body = Type.Object({ agent_id: AgentId, ...more })
  return member(name, doc, { [payload]: body } as Record<Payload, typeof body>, accepted)
}

// --- Agents ---

export const DrainAgent = ofAgent(
  'DRAIN_AGENT',
  'Ends the tasks of an agent, and takes none for it until it is reactivated.',
  'drain_agent',
  {
    /** The longest that a task may take to end; its own kill policy may say less. */
    max_grace_period: Type.Optional(Type.Object({ seconds: Uint64, nanos: Type.Optional(Int32) })),
    /** Once it is drained it is gone for good. */
    mark_gone: Type.Optional(Type.Boolean({ default: false })),
  },
)

export const DeactivateAgent = ofAgent(
  'DEACTIVATE_AGENT',
  'Offers nothing of an agent any more; its tasks go on.',
  'deactivate_agent',
  {},
)

export const ReactivateAgent = ofAgent(
  'REACTIVATE_AGENT',
  'Offers again what an agent has that was deactivated or is drained.',
  'reactivate_agent',
  {},
)

export const MarkAgentGone = ofAgent(
  'MARK_AGENT_GONE',
  'Says that an agent will never come back; its tasks are gone.',
  'mark_agent_gone',
  {},
)

// --- Maintenance ---

export const GetMaintenanceSchedule = list(
  'GET_MAINTENANCE_SCHEDULE',
  'The maintenance that is planned or under way.',
  { get_maintenance_schedule: Type.Object({ schedule: MaintenanceSchedule }) },
)

export const GetMaintenanceStatus = list(
  'GET_MAINTENANCE_STATUS',
  'Which machines drain or are down, and what frameworks said to it.',
  { get_maintenance_status: Type.Object({ status: ClusterStatus }) },
)

export const UpdateMaintenanceSchedule = member(
  'UPDATE_MAINTENANCE_SCHEDULE',
  'Replaces the schedule; frameworks are asked to give the agents back.',
  { update_maintenance_schedule: Type.Object({ schedule: MaintenanceSchedule }) },
  accepted,
)

const machines = Type.Object({ machines: Type.Array(MachineId) })

export const StartMaintenance = member(
  'START_MAINTENANCE',
  'Takes machines of the schedule down: their agents are removed, and cannot register.',
  { start_maintenance: machines },
  accepted,
)

export const StopMaintenance = member(
  'STOP_MAINTENANCE',
  'Takes machines that are down out of the schedule: their agents may register.',
  { stop_maintenance: machines },
  accepted,
)

// --- Quotas and weights ---

export const GetQuota = list('GET_QUOTA', 'The quotas of roles, and what is charged to them.', {
  get_quota: Type.Object({ status: Type.Object({ configs: Type.Array(QuotaState) }) }),
})

export const UpdateQuota = member(
  'UPDATE_QUOTA',
  'Sets the quotas of some roles, all of them or none.',
  {
    update_quota: Type.Object({
      /** Also where more is used than the limits allow, or the cluster has less than is guaranteed. */
      force: Type.Optional(Type.Boolean({ default: false })),
      quota_configs: Type.Array(QuotaConfig),
    }),
  },
  accepted,
)

const weightInfo = Type.Object({ weight: Double, role: Type.Optional(Type.String()) })
/** How much of the cluster a role is to have beside others. */
export interface WeightInfo extends Static<typeof weightInfo> {}
export const WeightInfo = named<WeightInfo>('WeightInfo', weightInfo)

export const GetWeights = list('GET_WEIGHTS', 'The weights of roles, those that were set.', {
  get_weights: Type.Object({ weight_infos: Type.Array(WeightInfo) }),
})

export const UpdateWeights = member(
  'UPDATE_WEIGHTS',
  'Sets the weights of some roles; offers that are out are withdrawn if one of them is in use.',
  { update_weights: Type.Object({ weight_infos: Type.Array(WeightInfo) }) },
  accepted,
)

/** All of them; a master takes them. */
export const adminCalls = [
  DrainAgent,
  DeactivateAgent,
  ReactivateAgent,
  MarkAgentGone,
  GetMaintenanceSchedule,
  GetMaintenanceStatus,
  UpdateMaintenanceSchedule,
  StartMaintenance,
  StopMaintenance,
  GetQuota,
  UpdateQuota,
  GetWeights,
  UpdateWeights,
] as const
