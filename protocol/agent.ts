/**
 * What agents and the leading master say to each other, in the order of life. Field names are Mesos v1's;
 * the documents inside are what frameworks and operators see. Every command of a master carries its
 * `epoch`: an agent that has heard of a higher one drops it (design.md §4). Spec: master.md §4-7, §11;
 * agent.md §2, §5-7.
 */
import Type, { type Static } from 'typebox'
import { message } from './message.ts'
import { Bytes } from './schema.ts'
import { AgentCapabilityType, AgentInfo, DrainConfig } from './v1/agent.ts'
import { ExecutorInfo, KillPolicy } from './v1/command.ts'
import { FrameworkInfo } from './v1/framework.ts'
import { AgentId, ExecutorId, FrameworkId, OperationId, TaskId, Uuid } from './v1/ids.ts'
import { OfferOperation, Operation } from './v1/offer.ts'
import { Resource } from './v1/resources.ts'
import { OperationStatus, TaskState, TaskStatus } from './v1/status.ts'
import { Task, TaskInfo } from './v1/task.ts'

const Epoch = Type.Integer({ minimum: 1 })

/** An executor that runs on an agent, as the master keeps account of it. */
export const RunningExecutor = Type.Object({
  framework_id: FrameworkId,
  executor_info: ExecutorInfo,
})
export type RunningExecutor = Static<typeof RunningExecutor>

/** Names a task whose fate the other side does not know. */
export const TaskReference = Type.Object({ framework_id: FrameworkId, task_id: TaskId })
export type TaskReference = Static<typeof TaskReference>

/** Names an operation whose fate the other side does not know. */
export const OperationReference = Type.Object({
  /** Absent for an operator's. */
  framework_id: Type.Optional(FrameworkId),
  operation_uuid: Uuid,
  operation_id: Type.Optional(OperationId),
})
export type OperationReference = Static<typeof OperationReference>

/**
 * What an agent says of its resources, beside the `resources` of its info, which are those of its flags.
 * The version is another at each registration and after each operation that the agent refused: a master
 * that applies operations in advance may be wrong about what the agent has, and an operation that was
 * decided on what is no longer so is dropped (resources.md §6, "Speculative").
 */
const ResourceReport = {
  /** With what operations made of them, and what is oversubscribed. Absent: those of the flags. */
  total_resources: Type.Optional(Type.Array(Resource)),
  resource_version: Type.Optional(Type.String()),
}

/**
 * How old an agent's disk is: a number that the agent raises there whenever it has registered, and from time to
 * time. One that is lower than it was before tells of a disk that was set back to an older copy.
 */
export const DiskAge = Type.Integer({ minimum: 0 })

/** What the agent can do. Absent: all that agents of the master's own version can. */
const Capabilities = Type.Optional(Type.Array(AgentCapabilityType))

// ---- agent -> master

/** The answer comes only after the registry has the agent. */
export const RegisterAgent = message(
  'REGISTER_AGENT',
  'A new agent asks to be admitted.',
  Type.Object({
    agent_info: AgentInfo,
    version: Type.String(),
    capabilities: Capabilities,
    ...ResourceReport,
  }),
  Type.Object({
    agent_id: AgentId,
    epoch: Epoch,
    /** Silence of the master after which the agent looks for the leader anew. */
    total_ping_timeout_ms: Type.Number({ exclusiveMinimum: 0 }),
  }),
)

export const ReregisterAgent = message(
  'REREGISTER_AGENT',
  'A known agent is back, with all that it knows (after a restart, a broken link or a new leader).',
  Type.Object({
    /** With its id. */
    agent_info: AgentInfo,
    version: Type.String(),
    capabilities: Capabilities,
    /** Absent: not known. */
    disk_age: Type.Optional(DiskAge),
    ...ResourceReport,
    /** Those under way, and those whose status is not acknowledged. Absent: none. */
    operations: Type.Optional(Type.Array(Operation)),
    /** All tasks that are not completed: pending, queued, running, terminated and not yet acknowledged. */
    tasks: Type.Array(Task),
    /** Executors alive; those made up for command tasks are left out. */
    executors: Type.Array(RunningExecutor),
    /** The frameworks of these tasks and executors. */
    frameworks: Type.Array(FrameworkInfo),
  }),
  Type.Object({
    agent_id: AgentId,
    epoch: Epoch,
    total_ping_timeout_ms: Type.Number({ exclusiveMinimum: 0 }),
    /** Tasks that the master believes to be on the agent and that it did not list. */
    reconcile: Type.Array(TaskReference),
    /** Operations that the master sent and that it did not list. Absent: none. */
    reconcile_operations: Type.Optional(Type.Array(OperationReference)),
  }),
)

export const UnregisterAgent = message(
  'UNREGISTER_AGENT',
  'The agent goes for good; its tasks are over.',
  Type.Object({ agent_id: AgentId }),
)

/** Sent again, with back-off, until `ACKNOWLEDGE_UPDATE` with the same uuid. */
export const StatusUpdate = message(
  'STATUS_UPDATE',
  "A task's next unacknowledged status, durable on the agent before it is sent.",
  Type.Object({
    framework_id: FrameworkId,
    /** With `uuid`. */
    status: TaskStatus,
    /** May be ahead of `status`: the master frees resources by it at once (states.md §1.1). */
    latest_state: TaskState,
  }),
)

/** Sent again, with back-off, until `ACKNOWLEDGE_OPERATION` with the same uuids. */
export const OperationUpdate = message(
  'OPERATION_UPDATE',
  'How an operation ended, durable on the agent together with what it did before it is sent.',
  Type.Object({
    ...OperationReference.properties,
    /** Terminal, with `uuid`. */
    status: OperationStatus,
  }),
)

/** After it the master forgets what it had applied in advance, and takes what is here. */
export const UpdateResources = message(
  'UPDATE_RESOURCES',
  'What the agent has is not what the master thinks.',
  Type.Object({ total_resources: Type.Array(Resource), resource_version: Type.String() }),
)

/** Beside operations that are under way: it changes nothing about what is not revocable. */
export const UpdateOversubscribed = message(
  'UPDATE_OVERSUBSCRIBED',
  'What the agent lends to revocable tasks in all, from now on.',
  Type.Object({ resources: Type.Array(Resource) }),
)

/** Not sent for executors made up for command tasks. Unreliable; re-registration corrects it. */
export const ExitedExecutor = message(
  'EXITED_EXECUTOR',
  'An executor has ended.',
  Type.Object({
    framework_id: FrameworkId,
    executor_id: ExecutorId,
    /** Exit code, 128 + signal, or -1 if unknown. */
    status: Type.Integer(),
  }),
)

export const ExecutorMessage = message(
  'EXECUTOR_MESSAGE',
  'From an executor to its scheduler, at most once.',
  Type.Object({ framework_id: FrameworkId, executor_id: ExecutorId, data: Bytes }),
)

export const DiskAged = message(
  'DISK_AGED',
  "The agent's disk has grown older.",
  Type.Object({ disk_age: DiskAge }),
)

export const Pong = message('PONG', 'The agent is alive.', Type.Object({}))

// ---- master -> agent

export const Ping = message(
  'PING',
  'Is the agent alive? It answers PONG in every state.',
  Type.Object({
    epoch: Epoch,
    /** False: this master takes the agent for disconnected, it must register again. */
    connected: Type.Boolean(),
  }),
)

/** Tasks for one executor. A group is all or nothing; else each task stands alone. */
export const RunTasks = message(
  'RUN_TASKS',
  'Launch tasks on resources that an accepted offer gave them.',
  Type.Object({
    epoch: Epoch,
    framework_info: FrameworkInfo,
    tasks: Type.Array(TaskInfo, { minItems: 1 }),
    /** Absent for command tasks, which get an executor each. */
    executor: Type.Optional(ExecutorInfo),
    /** Whether the master took the executor for not running there. */
    launch_executor: Type.Boolean(),
    group: Type.Boolean(),
  }),
)

export const KillTask = message(
  'KILL_TASK',
  'End a task: SIGTERM, after the grace period SIGKILL.',
  Type.Object({
    epoch: Epoch,
    framework_id: FrameworkId,
    task_id: TaskId,
    kill_policy: Type.Optional(KillPolicy),
  }),
)

export const AcknowledgeUpdate = message(
  'ACKNOWLEDGE_UPDATE',
  'The scheduler has processed a status.',
  Type.Object({ epoch: Epoch, framework_id: FrameworkId, task_id: TaskId, uuid: Bytes }),
)

/** Durable, with its outcome, before its OPERATION_UPDATE. */
export const ApplyOperation = message(
  'APPLY_OPERATION',
  'Make, change or end reservations and volumes; the master has reckoned with it already.',
  Type.Object({
    epoch: Epoch,
    ...OperationReference.properties,
    /** Its resources without allocation. */
    info: OfferOperation,
    /** That of the agent's last report; another one makes the agent drop it. */
    resource_version: Type.String(),
  }),
)

export const AcknowledgeOperation = message(
  'ACKNOWLEDGE_OPERATION',
  'The status of an operation was processed by who asked for it.',
  Type.Object({ epoch: Epoch, operation_uuid: Uuid, status_uuid: Uuid }),
)

export const FrameworkMessage = message(
  'FRAMEWORK_MESSAGE',
  'From a scheduler to its executor, at most once.',
  Type.Object({ epoch: Epoch, framework_id: FrameworkId, executor_id: ExecutorId, data: Bytes }),
)

/** Makes the agent send the first unacknowledged status of each of its tasks again. */
export const UpdateFrameworkInfo = message(
  'UPDATE_FRAMEWORK_INFO',
  'A scheduler has (re-)subscribed.',
  Type.Object({ epoch: Epoch, framework_info: FrameworkInfo }),
)

export const ShutdownExecutor = message(
  'SHUTDOWN_EXECUTOR',
  'End an executor and its tasks.',
  Type.Object({ epoch: Epoch, framework_id: FrameworkId, executor_id: ExecutorId }),
)

export const ShutdownFramework = message(
  'SHUTDOWN_FRAMEWORK',
  "The framework is over: end its executors; nobody waits for its tasks' statuses.",
  Type.Object({ epoch: Epoch, framework_id: FrameworkId }),
)

/** Said again at each registration of an agent that drains; the agent itself keeps no note of it. */
export const DrainAgent = message(
  'DRAIN_AGENT',
  'End all tasks and take no new ones.',
  Type.Object({
    epoch: Epoch,
    /** Absent: the agent is back in service. */
    config: Type.Optional(DrainConfig),
  }),
)

export const ShutdownAgent = message(
  'SHUTDOWN_AGENT',
  'The agent is not wanted (any more): it ends its tasks and exits.',
  Type.Object({ epoch: Epoch, message: Type.String() }),
)

/** What a master takes from agents. */
export const agentToMaster = [
  RegisterAgent,
  ReregisterAgent,
  UnregisterAgent,
  StatusUpdate,
  OperationUpdate,
  UpdateResources,
  UpdateOversubscribed,
  ExitedExecutor,
  ExecutorMessage,
  DiskAged,
  Pong,
] as const

/** What an agent takes from its master. */
export const masterToAgent = [
  Ping,
  RunTasks,
  KillTask,
  AcknowledgeUpdate,
  ApplyOperation,
  AcknowledgeOperation,
  FrameworkMessage,
  UpdateFrameworkInfo,
  ShutdownExecutor,
  ShutdownFramework,
  DrainAgent,
  ShutdownAgent,
] as const
