/**
 * What an agent and its status-update manager say to each other: one durable stream a task, first in,
 * first out, one status in flight. Spec: agent.md §7.
 */
import Type from 'typebox'
import { message } from './message.ts'
import { Bytes } from './schema.ts'
import { FrameworkId, TaskId } from './v1/ids.ts'
import { TaskState, TaskStatus, TaskStatusSource } from './v1/status.ts'

const stream = { framework_id: FrameworkId, task_id: TaskId }

// ---- agent -> updates

/** `status.uuid` is there. A uuid that the stream has seen changes nothing and is answered again. */
export const StoreUpdate = message(
  'STORE_UPDATE',
  'Make a status durable, then forward it when its turn comes.',
  Type.Object({ framework_id: FrameworkId, status: TaskStatus }),
)

export const AcknowledgeStream = message(
  'ACKNOWLEDGE_STREAM',
  'The scheduler has processed the status in flight.',
  Type.Object({ ...stream, uuid: Bytes }),
)

export const PauseUpdates = message('PAUSE_UPDATES', 'Forward nothing.', Type.Object({}))

export const ResumeUpdates = message(
  'RESUME_UPDATES',
  'Forward the first status of every stream (of one framework, if given) now.',
  Type.Object({ framework_id: Type.Optional(FrameworkId) }),
)

export const CleanUpStreams = message(
  'CLEAN_UP_STREAMS',
  'Nobody waits for the statuses of this framework any more.',
  Type.Object({ framework_id: FrameworkId }),
)

export const agentToUpdates = [
  StoreUpdate,
  AcknowledgeStream,
  PauseUpdates,
  ResumeUpdates,
  CleanUpStreams,
] as const

// ---- updates -> agent

/** Once, before anything else. */
export const StreamsRecovered = message(
  'STREAMS_RECOVERED',
  'What was found on disk.',
  Type.Object({
    streams: Type.Array(
      Type.Object({
        ...stream,
        /** All statuses that were stored, oldest first. */
        statuses: Type.Array(TaskStatus),
        /** How many of the last ones are not acknowledged. */
        pending: Type.Integer({ minimum: 0 }),
      }),
    ),
  }),
)

export const UpdateStored = message(
  'UPDATE_STORED',
  'This status is durable.',
  Type.Object({ ...stream, uuid: Bytes, source: Type.Optional(TaskStatusSource) }),
)

export const ForwardUpdate = message(
  'FORWARD_UPDATE',
  'The first unacknowledged status of a stream, to be sent to the master.',
  Type.Object({ framework_id: FrameworkId, status: TaskStatus }),
)

export const StreamAcknowledged = message(
  'STREAM_ACKNOWLEDGED',
  'An acknowledgement is durable. With `closed` it was that of the terminal status.',
  Type.Object({ ...stream, state: TaskState, closed: Type.Boolean() }),
)

export const updatesToAgent = [
  StreamsRecovered,
  UpdateStored,
  ForwardUpdate,
  StreamAcknowledged,
] as const
