/**
 * What executors and their agent say to each other: Mesos v1's executor API, field for field.
 *
 * Calls go to `executorCall(address)`, events come on `executorEvent(address)` (see subjects.ts). A call
 * sent as a request is answered with an empty document when it is taken, or with an `ErrorReply`.
 * Spec: executor-api.md §2, §3.
 */
import Type, { type Static, type TProperties } from 'typebox'
import { type AnyOf, type Member, member, validator } from './family.ts'
import { Bytes, Empty, named } from './schema.ts'
import { AgentInfo } from './v1/agent.ts'
import { ExecutorInfo, KillPolicy } from './v1/command.ts'
import { FrameworkInfo } from './v1/framework.ts'
import {
  ContainerId,
  ExecutorId,
  FrameworkId,
  frameworkIdProblem,
  idProblem,
  TaskId,
} from './v1/ids.ts'
import { type CheckStatusInfo, TaskStatus } from './v1/status.ts'
import { TaskGroupInfo, TaskInfo } from './v1/task.ts'

// --- Calls ---

const accepted = named<Static<typeof Empty>>('Accepted', Empty)
const sender = { executor_id: ExecutorId, framework_id: FrameworkId }

function call<const Name extends string, Fields extends TProperties>(
  name: Name,
  doc: string,
  fields: Fields,
): Member<Name, typeof sender & Fields, typeof accepted> {
  return member(name, doc, { ...sender, ...fields }, accepted)
}

const update = Type.Object({ status: TaskStatus })

/** Ours, and opaque to programs. */
const Mark = Type.String({
  description:
    'How far the agent had come when it sent an event. SUBSCRIBE repeats the mark of the last event that ' +
    'the executor received, and has none if it received none.',
})

export const SubscribeCall = call(
  'SUBSCRIBE',
  'Registers an executor, or registers it again with all that its agent has not acknowledged.',
  {
    subscribe: Type.Object({
      unacknowledged_tasks: Type.Optional(Type.Array(TaskInfo)),
      unacknowledged_updates: Type.Optional(Type.Array(update)),
      /**
       * That of the last event that came: it tells of which tasks this call may be silent because they came
       * later. Without it no task is taken for lost.
       */
      mark: Type.Optional(Mark),
    }),
  },
)

export const UpdateCall = call(
  'UPDATE',
  'Tells the status of a task; to be repeated until ACKNOWLEDGED comes.',
  { update },
)

export const MessageCall = call('MESSAGE', 'Sends data to the framework, at most once.', {
  message: Type.Object({ data: Bytes }),
})

export const HeartbeatCall = call(
  'HEARTBEAT',
  'Keeps the connection alive; ids are not looked at.',
  {},
)

/** All calls, in the order of an executor's life. */
export const executorCalls = [SubscribeCall, UpdateCall, MessageCall, HeartbeatCall] as const

/** Any call; `type` tells which. */
export type Call = AnyOf<typeof executorCalls>

/** The call of one type: `CallOf<'UPDATE'>`. */
export type CallOf<Type extends Call['type']> = Extract<Call, { type: Type }>

/** Validates a decoded value of either format as a call (executor-api.md §2). */
export const validateCall = validator(executorCalls, { noun: 'call', rule: callProblem })

function callProblem(call: Call): string | undefined {
  const executorProblem = idProblem(call.executor_id.value)
  if (executorProblem) return `executor_id.value: ${executorProblem}`
  const frameworkProblem = frameworkIdProblem(call.framework_id.value)
  if (frameworkProblem) return `framework_id.value: ${frameworkProblem}`

  if (call.type === 'UPDATE') {
    const problem = statusProblem(call.update.status, call.executor_id)
    return problem && `update.status.${problem}`
  }
  if (call.type === 'SUBSCRIBE') {
    for (const [index, { status }] of (call.subscribe.unacknowledged_updates ?? []).entries()) {
      const problem = statusProblem(status, call.executor_id)
      if (problem) return `subscribe.unacknowledged_updates.${index}.status.${problem}`
    }
  }
  return undefined
}

/** Why an executor may not report this status. `source` has no safe default, hence must be said. */
function statusProblem(status: TaskStatus, executor: ExecutorId): string | undefined {
  if (status.uuid?.length !== 16) return 'uuid: must have 16 bytes'
  if (status.executor_id && status.executor_id.value !== executor.value) {
    return 'executor_id: must be the executor that sends this, or absent'
  }
  if (status.source !== 'SOURCE_EXECUTOR') return 'source: must be SOURCE_EXECUTOR'
  if (status.state === 'TASK_STAGING') return 'state: must not be TASK_STAGING'
  const taskProblem = idProblem(status.task_id.value)
  if (taskProblem) return `task_id.value: ${taskProblem}`
  return status.check_status && checkStatusProblem(status.check_status)
}

function checkStatusProblem(check: CheckStatusInfo): string | undefined {
  if (check.type === undefined || check.type === 'UNKNOWN') {
    return 'check_status.type: must be one of COMMAND, HTTP, TCP'
  }
  const payload = ({ COMMAND: 'command', HTTP: 'http', TCP: 'tcp' } as const)[check.type]
  return check[payload] ? undefined : `check_status.${payload}: is missing`
}

// --- Events ---

const marked = { mark: Type.Optional(Mark) }

function event<const Name extends string, Fields extends TProperties>(
  name: Name,
  doc: string,
  fields: Fields,
): Member<Name, typeof marked & Fields, undefined> {
  return member(name, doc, { ...marked, ...fields })
}

export const SubscribedEvent = event('SUBSCRIBED', 'The executor is registered from now on.', {
  subscribed: Type.Object({
    executor_info: ExecutorInfo,
    framework_info: FrameworkInfo,
    agent_info: AgentInfo,
    container_id: Type.Optional(ContainerId),
  }),
})

export const LaunchEvent = event('LAUNCH', 'Start this task.', {
  launch: Type.Object({ task: TaskInfo }),
})

export const LaunchGroupEvent = event('LAUNCH_GROUP', 'Start these tasks together.', {
  launch_group: Type.Object({ task_group: TaskGroupInfo }),
})

export const KillEvent = event('KILL', 'Kill this task.', {
  kill: Type.Object({ task_id: TaskId, kill_policy: Type.Optional(KillPolicy) }),
})

export const AcknowledgedEvent = event(
  'ACKNOWLEDGED',
  'The agent has durably taken this update (which does not mean that the framework has).',
  { acknowledged: Type.Object({ task_id: TaskId, uuid: Bytes }) },
)

export const MessageEvent = event('MESSAGE', 'Data from the framework, at most once.', {
  message: Type.Object({ data: Bytes }),
})

export const ShutdownEvent = event(
  'SHUTDOWN',
  'End all tasks and exit; after a grace period the container is destroyed.',
  {},
)

export const ErrorEvent = event('ERROR', 'Nothing can be done any more: exit.', {
  error: Type.Object({ message: Type.String() }),
})

export const HeartbeatEvent = event(
  'HEARTBEAT',
  'The agent is there; it learns by this whether the executor still listens.',
  {
    /**
     * Ours. False: the agent waits for SUBSCRIBE, since it was restarted, or does not know what has reached
     * the executor. Absent: all is well.
     */
    subscribed: Type.Optional(Type.Boolean()),
  },
)

/** All events. */
export const executorEvents = [
  SubscribedEvent,
  LaunchEvent,
  LaunchGroupEvent,
  KillEvent,
  AcknowledgedEvent,
  MessageEvent,
  ShutdownEvent,
  ErrorEvent,
  HeartbeatEvent,
] as const

/** Any event; `type` tells which. */
export type Event = AnyOf<typeof executorEvents>

/** The event of one type: `EventOf<'LAUNCH'>`. */
export type EventOf<Type extends Event['type']> = Extract<Event, { type: Type }>

/** Validates a decoded value of either format as an event. */
export const validateEvent = validator(executorEvents, { noun: 'event' })
