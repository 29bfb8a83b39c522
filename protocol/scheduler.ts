/**
 * What frameworks and the leading master say to each other: Mesos v1's scheduler API, field for field.
 *
 * Calls go to `frameworkCall(id)`, events come on `frameworkEvent(id)` (see subjects.ts). A call sent as
 * a request is answered: with an empty document when it is taken, or with an `ErrorReply`. What comes
 * of it is told by events. Spec: scheduler-api.md §2-§4, §9, Appendix A.1.
 */
import Type, { type Static, type TProperties } from 'typebox'
import { type AnyOf, type Member, member, validator } from './family.ts'
import { Bytes, Double, Empty, Int32, named, Uint64 } from './schema.ts'
import { MasterInfo } from './v1/agent.ts'
import { KillPolicy } from './v1/command.ts'
import { Filters, FrameworkInfo, OfferConstraints, Request } from './v1/framework.ts'
import {
  AgentId,
  ExecutorId,
  FrameworkId,
  frameworkIdProblem,
  idFieldsProblem,
  OfferId,
  OperationId,
  TaskId,
} from './v1/ids.ts'
import { InverseOffer, Offer, OfferOperation } from './v1/offer.ts'
import { ResourceProviderId } from './v1/resources.ts'
import { OperationStatus, TaskStatus } from './v1/status.ts'

// --- Calls ---

/** The answer to a call that was taken. */
export const Accepted = named<Static<typeof Empty>>('Accepted', Empty)

/**
 * One subscription of one instance. Ours, beside Mesos' fields: two instances of a framework share its
 * subjects, so each is told by this which events are its own. A call that names a stream which was
 * replaced is refused; a call without it is taken.
 */
const StreamId = Type.Optional(Type.String())

const subscribeReply = Type.Object({
  framework_id: FrameworkId,
  stream_id: StreamId,
  /** Where to send all further calls. */
  call_subject: Type.String(),
  /** Where events come. Listen there before the first offers are wanted: SUBSCRIBED comes here too. */
  event_subject: Type.String(),
  /** The term of the master that answers. */
  epoch: Type.Optional(Uint64),
})
/** The answer to SUBSCRIBE: who the framework is now, and its subjects. */
export interface SubscribeReply extends Static<typeof subscribeReply> {}
export const SubscribeReply = named<SubscribeReply>('SubscribeReply', subscribeReply)

const framework = { framework_id: FrameworkId, stream_id: StreamId }

/** A call of a subscribed framework. */
function call<const Name extends string, Fields extends TProperties>(
  name: Name,
  doc: string,
  fields: Fields,
): Member<Name, typeof framework & Fields, typeof Accepted> {
  return member(name, doc, { ...framework, ...fields }, Accepted)
}

const subscription = {
  framework_info: FrameworkInfo,
  suppressed_roles: Type.Optional(Type.Array(Type.String())),
  offer_constraints: Type.Optional(OfferConstraints),
}
const forOffers = {
  offer_ids: Type.Optional(Type.Array(OfferId)),
  filters: Type.Optional(Filters),
}
const forInverseOffers = Type.Object({
  inverse_offer_ids: Type.Optional(Type.Array(OfferId)),
  filters: Type.Optional(Filters),
})
const forRoles = Type.Optional(Type.Object({ roles: Type.Optional(Type.Array(Type.String())) }))

export const SubscribeCall = member(
  'SUBSCRIBE',
  'Registers a framework, or an instance that takes over from another one under its id.',
  { framework_id: Type.Optional(FrameworkId), subscribe: Type.Object(subscription) },
  SubscribeReply,
)

export const TeardownCall = call(
  'TEARDOWN',
  'Ends the framework: kills its tasks and forgets it.',
  {},
)

export const AcceptCall = call(
  'ACCEPT',
  'Uses offers of one agent: launches tasks, reserves, creates volumes; the rest is declined.',
  {
    accept: Type.Object({
      ...forOffers,
      operations: Type.Optional(Type.Array(OfferOperation)),
    }),
  },
)

export const DeclineCall = call('DECLINE', 'Gives offers back, for a while.', {
  decline: Type.Object(forOffers),
})

export const AcceptInverseOffersCall = call(
  'ACCEPT_INVERSE_OFFERS',
  'Promises to have left the agents when their maintenance begins.',
  { accept_inverse_offers: forInverseOffers },
)

export const DeclineInverseOffersCall = call(
  'DECLINE_INVERSE_OFFERS',
  'Says that the framework cannot leave these agents.',
  { decline_inverse_offers: forInverseOffers },
)

export const ReviveCall = call(
  'REVIVE',
  'Clears filters and suppression of roles (of all, if none is named).',
  { revive: forRoles },
)

export const SuppressCall = call(
  'SUPPRESS',
  'Asks for no offers to roles (to all, if none is named) until REVIVE.',
  { suppress: forRoles },
)

export const KillCall = call('KILL', 'Kills a task.', {
  kill: Type.Object({
    task_id: TaskId,
    agent_id: Type.Optional(AgentId),
    kill_policy: Type.Optional(KillPolicy),
  }),
})

export const ShutdownCall = call('SHUTDOWN', 'Shuts an executor down.', {
  shutdown: Type.Object({ executor_id: ExecutorId, agent_id: AgentId }),
})

export const AcknowledgeCall = call(
  'ACKNOWLEDGE',
  'Says that a status update has been processed; the next one of the task comes after it.',
  { acknowledge: Type.Object({ agent_id: AgentId, task_id: TaskId, uuid: Bytes }) },
)

export const AcknowledgeOperationStatusCall = call(
  'ACKNOWLEDGE_OPERATION_STATUS',
  'Says that the status of an operation has been processed.',
  {
    acknowledge_operation_status: Type.Object({
      agent_id: Type.Optional(AgentId),
      resource_provider_id: Type.Optional(ResourceProviderId),
      uuid: Bytes,
      operation_id: OperationId,
    }),
  },
)

export const ReconcileCall = call(
  'RECONCILE',
  'Asks for the state of these tasks, or of all that are known if none is named.',
  {
    reconcile: Type.Object({
      tasks: Type.Optional(
        Type.Array(Type.Object({ task_id: TaskId, agent_id: Type.Optional(AgentId) })),
      ),
    }),
  },
)

export const ReconcileOperationsCall = call(
  'RECONCILE_OPERATIONS',
  'Asks for the status of these operations, or of all that are known if none is named.',
  {
    reconcile_operations: Type.Object({
      operations: Type.Optional(
        Type.Array(
          Type.Object({
            operation_id: OperationId,
            agent_id: Type.Optional(AgentId),
            resource_provider_id: Type.Optional(ResourceProviderId),
          }),
        ),
      ),
    }),
  },
)

const executorMessage = Type.Object({ agent_id: AgentId, executor_id: ExecutorId, data: Bytes })

export const MessageCall = call('MESSAGE', 'Sends data to an executor, at most once.', {
  message: executorMessage,
})

export const RequestCall = call('REQUEST', 'Wishes for resources; the allocator may ignore it.', {
  request: Type.Object({ requests: Type.Optional(Type.Array(Request)) }),
})

export const UpdateFrameworkCall = call(
  'UPDATE_FRAMEWORK',
  'Changes what the framework said of itself, its roles and constraints.',
  { update_framework: Type.Object(subscription) },
)

/** All calls, in the order of a framework's life. */
export const schedulerCalls = [
  SubscribeCall,
  TeardownCall,
  AcceptCall,
  DeclineCall,
  AcceptInverseOffersCall,
  DeclineInverseOffersCall,
  ReviveCall,
  SuppressCall,
  KillCall,
  ShutdownCall,
  AcknowledgeCall,
  AcknowledgeOperationStatusCall,
  ReconcileCall,
  ReconcileOperationsCall,
  MessageCall,
  RequestCall,
  UpdateFrameworkCall,
] as const

/** Any call; `type` tells which. */
export type Call = AnyOf<typeof schedulerCalls>

/** The call of one type: `CallOf<'ACCEPT'>`. */
export type CallOf<Type extends Call['type']> = Extract<Call, { type: Type }>

/** Validates a decoded value of either format as a call (scheduler-api.md §3). */
export const validateCall = validator(schedulerCalls, { noun: 'call', rule: callProblem })

/** Bytes of the UUID in an acknowledgement. */
const uuidBytes = 16

function callProblem(call: Call): string | undefined {
  if (call.framework_id) {
    const problem = frameworkIdProblem(call.framework_id.value)
    if (problem) return `framework_id.value: ${problem}`
  }
  switch (call.type) {
    case 'SUBSCRIBE':
      return sameIdProblem('subscribe', call.framework_id, call.subscribe.framework_info.id)
    case 'UPDATE_FRAMEWORK':
      return sameIdProblem(
        'update_framework',
        call.framework_id,
        call.update_framework.framework_info.id,
      )
    case 'ACKNOWLEDGE':
      if (call.acknowledge.uuid.length !== uuidBytes) {
        return `acknowledge.uuid: must have ${uuidBytes} bytes`
      }
      return idFieldsProblem('acknowledge', call.acknowledge)
    case 'ACKNOWLEDGE_OPERATION_STATUS':
      if (call.acknowledge_operation_status.uuid.length !== uuidBytes) {
        return `acknowledge_operation_status.uuid: must have ${uuidBytes} bytes`
      }
      return undefined
    case 'KILL':
      return idFieldsProblem('kill', call.kill)
    case 'SHUTDOWN':
      return idFieldsProblem('shutdown', call.shutdown)
    case 'MESSAGE':
      return idFieldsProblem('message', call.message)
    default:
      // Ids within ACCEPT are for the launch to refuse, task by task; other calls only look ids up.
      return undefined
  }
}

/** Both absent, or both there and equal (scheduler-api.md §2). */
function sameIdProblem(
  payload: string,
  outer: FrameworkId | undefined,
  inner: FrameworkId | undefined,
): string | undefined {
  if (outer?.value === inner?.value) return undefined
  return `${payload}.framework_info.id: must be the same as framework_id`
}

// --- Events ---

/**
 * An event; `epoch` numbers the master's terms: ignore events of a lower epoch than one seen, and those
 * whose `stream_id` is another's.
 */
function event<const Name extends string, Fields extends TProperties>(
  name: Name,
  doc: string,
  fields: Fields,
) {
  return member(name, doc, { epoch: Type.Optional(Uint64), stream_id: StreamId, ...fields })
}

export const SubscribedEvent = event('SUBSCRIBED', 'The framework is subscribed from now on.', {
  subscribed: Type.Object({
    framework_id: FrameworkId,
    heartbeat_interval_seconds: Type.Optional(Double),
    master_info: Type.Optional(MasterInfo),
  }),
})

export const OffersEvent = event('OFFERS', 'Resources that the framework may use.', {
  offers: Type.Object({ offers: Type.Optional(Type.Array(Offer)) }),
})

export const InverseOffersEvent = event('INVERSE_OFFERS', 'Agents that should be given back.', {
  inverse_offers: Type.Object({ inverse_offers: Type.Optional(Type.Array(InverseOffer)) }),
})

export const RescindEvent = event('RESCIND', 'An offer is not valid any more.', {
  rescind: Type.Object({ offer_id: OfferId }),
})

export const RescindInverseOfferEvent = event(
  'RESCIND_INVERSE_OFFER',
  'An inverse offer is not valid any more.',
  { rescind_inverse_offer: Type.Object({ inverse_offer_id: OfferId }) },
)

export const UpdateEvent = event(
  'UPDATE',
  'The status of a task; to be acknowledged exactly if it has a uuid.',
  { update: Type.Object({ status: TaskStatus }) },
)

export const UpdateOperationStatusEvent = event(
  'UPDATE_OPERATION_STATUS',
  'The status of an operation; to be acknowledged exactly if it has a uuid.',
  { update_operation_status: Type.Object({ status: OperationStatus }) },
)

export const MessageEvent = event('MESSAGE', 'Data from an executor, at most once.', {
  message: executorMessage,
})

export const FailureEvent = event(
  'FAILURE',
  'An executor ended (all three fields), or an agent was lost (agent_id alone).',
  {
    failure: Type.Object({
      agent_id: Type.Optional(AgentId),
      executor_id: Type.Optional(ExecutorId),
      /** Raw wait status, or -1. */
      status: Type.Optional(Int32),
    }),
  },
)

export const ErrorEvent = event('ERROR', 'The subscription has ended; nothing comes after this.', {
  error: Type.Object({
    message: Type.String(),
    /** Ours: RATE_LIMITED if calls were dropped, of which more came than may wait. */
    code: Type.Optional(Type.String()),
  }),
})

export const HeartbeatEvent = event(
  'HEARTBEAT',
  'The master is there; it learns by this whether the framework still listens.',
  {},
)

/** All events. */
export const schedulerEvents = [
  SubscribedEvent,
  OffersEvent,
  InverseOffersEvent,
  RescindEvent,
  RescindInverseOfferEvent,
  UpdateEvent,
  UpdateOperationStatusEvent,
  MessageEvent,
  FailureEvent,
  ErrorEvent,
  HeartbeatEvent,
] as const

/** Any event; `type` tells which. */
export type Event = AnyOf<typeof schedulerEvents>

/** The event of one type: `EventOf<'OFFERS'>`. */
export type EventOf<Type extends Event['type']> = Extract<Event, { type: Type }>

/** Validates a decoded value of either format as an event. */
export const validateEvent = validator(schedulerEvents, { noun: 'event' })
