/**
 * What an agent and the actors of its executors say to each other, in the order of life. Each such actor
 * owns one container: a command task's, or that of a custom executor, for which it also speaks Mesos'
 * executor API. Spec: agent.md §6, executor-api.md §4-§9.
 */
import Type from 'typebox'
import { message } from './message.ts'
import { Bytes } from './schema.ts'
import { KillPolicy } from './v1/command.ts'
import { ExecutorId, FrameworkId, TaskId } from './v1/ids.ts'
import { TaskState, TaskStatus, TaskStatusReason } from './v1/status.ts'
import { TaskInfo } from './v1/task.ts'

const executor = { framework_id: FrameworkId, executor_id: ExecutorId }

// ---- executor actor -> agent

/** Custom executors only: the program has called SUBSCRIBE. */
export const ExecutorSubscribed = message(
  'EXECUTOR_SUBSCRIBED',
  'The executor is there (again), with what its agent has not acknowledged.',
  Type.Object({
    ...executor,
    unacknowledged_tasks: Type.Array(TaskInfo),
    unacknowledged_updates: Type.Array(TaskStatus),
    /**
     * So many of the launches that this life of the actor was given had come to the program, or were lost,
     * when it called. Absent if it had heard nothing of this life.
     */
    launches_seen: Type.Optional(Type.Integer()),
  }),
)

/** With `uuid`. To be answered by `STATUS_TAKEN` when it is durable. */
export const ReportStatus = message(
  'REPORT_STATUS',
  'A status of a task.',
  Type.Object({ ...executor, status: TaskStatus }),
)

export const ReportData = message(
  'REPORT_DATA',
  'For the scheduler, at most once.',
  Type.Object({ ...executor, data: Bytes }),
)

/** Last message of the actor. Tasks without a terminal status end by it. */
export const ExecutorEnded = message(
  'EXECUTOR_ENDED',
  'The container is gone.',
  Type.Object({
    ...executor,
    /** Exit code, 128 + signal, or -1 if unknown. */
    status: Type.Integer(),
    /** Why, where it was the agent's doing. */
    cause: Type.Optional(
      Type.Object({
        /** Default: TASK_FAILED. GONE stands for TASK_GONE or, for the unaware, TASK_LOST. */
        state: Type.Optional(TaskState),
        reason: Type.Optional(TaskStatusReason),
        message: Type.String(),
      }),
    ),
  }),
)

export const executorToAgent = [
  ExecutorSubscribed,
  ReportStatus,
  ReportData,
  ExecutorEnded,
] as const

// ---- agent -> executor actor

export const StatusTaken = message(
  'STATUS_TAKEN',
  'A reported status is durable.',
  Type.Object({ task_id: TaskId, uuid: Bytes }),
)

/** Command tasks only; a custom executor is sent the event KILL. */
export const EndTask = message(
  'END_TASK',
  'SIGTERM, after the grace period SIGKILL.',
  Type.Object({ kill_policy: Type.Optional(KillPolicy) }),
)

/** Custom executors only. */
export const SendEvent = message(
  'SEND_EVENT',
  'An event of the executor API for the program (see executor.ts), lost if it does not listen.',
  Type.Object({ event: Type.Unknown() }),
)

export const EndExecutor = message(
  'END_EXECUTOR',
  'End the tasks and the container, after the grace period by force.',
  Type.Object({
    /** The grace period is no longer than this, whatever it is otherwise. */
    max_grace_ms: Type.Optional(Type.Number({ minimum: 0 })),
  }),
)

export const agentToExecutor = [StatusTaken, EndTask, SendEvent, EndExecutor] as const
