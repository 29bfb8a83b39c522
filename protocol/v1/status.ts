/** Statuses of tasks and operations, and which states are final. Spec: states.md §1, §2, §8. */
import Type, { type Static } from 'typebox'
import { Bytes, Double, Int32, named, Uint32 } from '../schema.ts'
import { CheckType } from './command.ts'
import { ContainerStatus } from './container.ts'
import { AgentId, ExecutorId, OperationId, TaskId, TimeInfo, Uuid } from './ids.ts'
import { Labels, Resource, ResourceProviderId } from './resources.ts'

export const TaskState = Type.Enum([
  'TASK_STAGING',
  'TASK_STARTING',
  'TASK_RUNNING',
  'TASK_KILLING',
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_UNREACHABLE',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
  'TASK_UNKNOWN',
])
export type TaskState = Static<typeof TaskState>

/** The states that no task leaves (states.md §1). TASK_UNREACHABLE and TASK_UNKNOWN are not among them. */
export const terminalTaskStates: ReadonlySet<TaskState> = new Set<TaskState>([
  'TASK_FINISHED',
  'TASK_FAILED',
  'TASK_KILLED',
  'TASK_ERROR',
  'TASK_LOST',
  'TASK_DROPPED',
  'TASK_GONE',
  'TASK_GONE_BY_OPERATOR',
])

export function isTerminal(state: TaskState): boolean {
  return terminalTaskStates.has(state)
}

/**
 * Key of the label by which a status of a built-in executor says how the command ended: the exit code,
 * or 128 + n for signal n. Ours: Mesos says it in the message only.
 */
export const exitStatusLabel = 'exit_status'

export const TaskStatusSource = Type.Enum(['SOURCE_MASTER', 'SOURCE_AGENT', 'SOURCE_EXECUTOR'])
export type TaskStatusSource = Static<typeof TaskStatusSource>

export const TaskStatusReason = Type.Enum([
  'REASON_COMMAND_EXECUTOR_FAILED',
  'REASON_CONTAINER_LAUNCH_FAILED',
  'REASON_CONTAINER_LIMITATION',
  'REASON_CONTAINER_LIMITATION_DISK',
  'REASON_CONTAINER_LIMITATION_MEMORY',
  'REASON_CONTAINER_PREEMPTED',
  'REASON_CONTAINER_UPDATE_FAILED',
  'REASON_MAX_COMPLETION_TIME_REACHED',
  'REASON_EXECUTOR_REGISTRATION_TIMEOUT',
  'REASON_EXECUTOR_REREGISTRATION_TIMEOUT',
  'REASON_EXECUTOR_TERMINATED',
  'REASON_EXECUTOR_UNREGISTERED',
  'REASON_FRAMEWORK_REMOVED',
  'REASON_GC_ERROR',
  'REASON_INVALID_FRAMEWORKID',
  'REASON_INVALID_OFFERS',
  'REASON_IO_SWITCHBOARD_EXITED',
  'REASON_MASTER_DISCONNECTED',
  'REASON_RECONCILIATION',
  'REASON_RESOURCES_UNKNOWN',
  'REASON_AGENT_DISCONNECTED',
  'REASON_AGENT_DRAINING',
  'REASON_AGENT_REMOVED',
  'REASON_AGENT_REMOVED_BY_OPERATOR',
  'REASON_AGENT_REREGISTERED',
  'REASON_AGENT_RESTARTED',
  'REASON_AGENT_UNKNOWN',
  'REASON_TASK_KILLED_DURING_LAUNCH',
  'REASON_TASK_CHECK_STATUS_UPDATED',
  'REASON_TASK_HEALTH_CHECK_STATUS_UPDATED',
  'REASON_TASK_GROUP_INVALID',
  'REASON_TASK_GROUP_UNAUTHORIZED',
  'REASON_TASK_INVALID',
  'REASON_TASK_UNAUTHORIZED',
  'REASON_TASK_UNKNOWN',
])
export type TaskStatusReason = Static<typeof TaskStatusReason>

/** The payload that belongs to `type` is there, empty until the first result. */
const checkStatusInfo = Type.Object({
  type: Type.Optional(CheckType),
  command: Type.Optional(Type.Object({ exit_code: Type.Optional(Int32) })),
  http: Type.Optional(Type.Object({ status_code: Type.Optional(Uint32) })),
  tcp: Type.Optional(Type.Object({ succeeded: Type.Optional(Type.Boolean()) })),
})
export interface CheckStatusInfo extends Static<typeof checkStatusInfo> {}
export const CheckStatusInfo = named<CheckStatusInfo>('CheckStatusInfo', checkStatusInfo)

const taskStatus = Type.Object({
  task_id: TaskId,
  state: TaskState,
  message: Type.Optional(Type.String()),
  source: Type.Optional(TaskStatusSource),
  reason: Type.Optional(TaskStatusReason),
  data: Type.Optional(Bytes),
  agent_id: Type.Optional(AgentId),
  executor_id: Type.Optional(ExecutorId),
  /** Seconds since the Unix epoch. */
  timestamp: Type.Optional(Double),
  /** 16 bytes; there exactly if the status must be acknowledged. */
  uuid: Type.Optional(Bytes),
  healthy: Type.Optional(Type.Boolean()),
  check_status: Type.Optional(CheckStatusInfo),
  labels: Type.Optional(Labels),
  container_status: Type.Optional(ContainerStatus),
  unreachable_time: Type.Optional(TimeInfo),
  limitation: Type.Optional(Type.Object({ resources: Type.Optional(Type.Array(Resource)) })),
})
export interface TaskStatus extends Static<typeof taskStatus> {}
export const TaskStatus = named<TaskStatus>('TaskStatus', taskStatus)

export const OperationState = Type.Enum([
  'OPERATION_UNSUPPORTED',
  'OPERATION_PENDING',
  'OPERATION_FINISHED',
  'OPERATION_FAILED',
  'OPERATION_ERROR',
  'OPERATION_DROPPED',
  'OPERATION_UNREACHABLE',
  'OPERATION_GONE_BY_OPERATOR',
  'OPERATION_RECOVERING',
  'OPERATION_UNKNOWN',
])
export type OperationState = Static<typeof OperationState>

const operationStatus = Type.Object({
  operation_id: Type.Optional(OperationId),
  state: OperationState,
  message: Type.Optional(Type.String()),
  converted_resources: Type.Optional(Type.Array(Resource)),
  /** There exactly if the status must be acknowledged. */
  uuid: Type.Optional(Uuid),
  agent_id: Type.Optional(AgentId),
  resource_provider_id: Type.Optional(ResourceProviderId),
})
export interface OperationStatus extends Static<typeof operationStatus> {}
export const OperationStatus = named<OperationStatus>('OperationStatus', operationStatus)
